"""One training by a peer, on the same model, data and records a step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from scripts.bench import train_peer
from scripts.bench.gpu_parts.models import BATCH, SKIPPED, make_model, supervised_per_step, write_run


def prepare() -> None:
    """Do the heavy imports."""
    import datasets  # noqa: F401
    import trl  # noqa: F401


def run(
    ready: None, directory: Path, device: str, shape: str, workload: str, steps: int, kind: str
) -> Iterator[dict[str, Any]]:
    base = make_model(shape, directory, device)
    run = write_run(directory / f"{kind}-{shape}-{workload}", base, workload, BATCH * steps, {})
    times: list[float] = []
    end: dict[str, Any] = {}

    def tell(**said: Any) -> None:
        if said["event"] == "step":
            times.append(time.perf_counter())
        elif said["event"] == "end":
            end.update(said)

    train_peer.train(kind, str(base), str(run / "data"), str(BATCH), "1e-4", "16", device, tell)
    seconds, counted = times[-1] - times[SKIPPED - 1], len(times) - SKIPPED
    yield {
        "step": seconds / counted,
        "supervised_per_second": supervised_per_step(run, len(times)) * counted / seconds,
        "steps": len(times),
        "peak": end["peak"],
        "eval_loss": end["eval_loss"],
        "step times": [round(b - a, 3) for a, b in pairwise(times)],
    }
