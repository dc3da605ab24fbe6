"""The whole trainer against others: TRL and transformers, on the same data, order and settings, give the same run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from .conftest import metric, run_here, write_run

SETTINGS = {
    "training.epochs": 2,
    "training.warmup_ratio": 0,
    "training.lr_scheduler_type": "constant",
    "training.batch_size": 8,
    "training.max_grad_norm": 1.0,
}
RECORDED = [5.8436, 5.8062, 5.7527, 5.7288]
"""Training losses of the first steps, on this model, data and seed. A change of the arithmetic shows here."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["transformers", "trl"])
def test_the_trajectory_is_that_of_another_trainer(kind: str, base: Path, tmp_path: Path) -> None:
    """Losses and gradient norms agree step by step, and the differences have no direction: a one-sided drift is how an
    error of normalisation shows."""
    from .other_trainers import reference_run

    run = write_run(tmp_path / "run", base, settings=SETTINGS)
    assert run_here(run) == 0
    reference = reference_run(kind, run, base, tmp_path / "reference")
    ours = np.array(list(metric(run, "train_loss").values()))
    theirs = np.array(reference.values)
    assert len(ours) == len(theirs) == 12
    assert np.abs(ours - theirs).max() < 1e-3
    assert abs((ours - theirs).mean()) < 2e-4
    assert list(metric(run, "grad_norm").values()) == pytest.approx(reference.norms, rel=2e-3)


def test_the_run_reproduces_its_recorded_losses(base: Path, tmp_path: Path) -> None:
    """A fixed seed gives the recorded trajectory, on any machine to three digits."""
    run = write_run(tmp_path / "run", base, settings=SETTINGS)
    assert run_here(run) == 0
    assert list(metric(run, "train_loss").values())[:4] == pytest.approx(RECORDED, abs=2e-3)
