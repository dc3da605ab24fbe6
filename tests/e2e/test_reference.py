"""Through the real command line, a fixed seed gives the recorded run."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Home

RECORDED = [5.8307, 5.8198, 5.7925, 5.7373, 5.6264]
"""Training losses of steps 1 to 4 and of the last."""


@pytest.mark.slow
def test_the_command_line_reproduces_its_recorded_losses(home: Home) -> None:
    """Same seed, same data, same base: the same curve to three digits, on any machine."""
    document = home.json(
        "train",
        str(home.data),
        "--base",
        str(home.base),
        "--name",
        "toy",
        "--yes",
        "--set",
        "training.epochs=2",
        "--set",
        "training.learning_rate=2e-3",
        "--set",
        "training.batch_size=16",
        "--set",
        "quantisation.method=nf4",
    )
    losses = home.losses(document["run"]["id"])
    assert [losses[step] for step in (1, 2, 3, 4, len(losses))] == pytest.approx(RECORDED, abs=2e-3)
