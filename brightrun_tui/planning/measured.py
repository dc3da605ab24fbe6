"""What this installation has measured on this machine: finished runs, and probes of the base model."""

from __future__ import annotations

from typing import get_args

from brightrun_tui.domain.gpu import CPU
from brightrun_tui.domain.money import Hardware
from brightrun_tui.domain.time_parts import PARTS, TimePart, TimeParts
from brightrun_tui.paths import Paths
from brightrun_tui.planning.architecture import BaseModelInfo
from brightrun_tui.planning.learning import Measured
from brightrun_tui.planning.probes import probe_of
from brightrun_tui.planning.quantisation import Method
from brightrun_tui.store.history import PastRun, past_runs


def measured_runs(machine: Hardware, paths: Paths, base: BaseModelInfo | None = None) -> list[Measured]:
    """Return the newest finished runs on such a machine that kept what their time went into, and the probes of ``base``."""
    device = machine.gpu if machine.gpu_count else CPU
    here = [run for run in past_runs(paths.database) if _same(run.training.device, device)]
    probes = [found for method in get_args(Method) for found in probe_of(base, method, machine, paths)] if base else []
    return [found for found in map(measured_of, here) if found is not None] + probes


def _same(trained_on: str, device: str) -> bool:
    return device.lower() in trained_on.lower() if device != CPU else trained_on == CPU


def measured_of(run: PastRun) -> Measured | None:
    """Measure a run against its estimate; one that ended early is compared with the estimate for the steps it took."""
    estimate, facts = run.estimate, run.training
    if facts.spent is None or not estimate.mean_tokens or not facts.steps or not estimate.steps:
        return None
    done = min(1.0, facts.steps / estimate.steps)
    reckoned = TimeParts(
        **{
            part: getattr(estimate.reckoned, part) * (done if part in ("training", "measuring") else 1.0)
            for part in PARTS
        }
    )
    parts: tuple[TimePart, ...] = ("preparing", "loading", "training", "measuring", "answering")
    return Measured(
        base=run.base.fingerprint or run.base.id,
        quantisation=estimate.quantisation,
        mean_tokens=estimate.mean_tokens,
        reckoned=reckoned,
        took=facts.spent,
        parts=parts,
    )
