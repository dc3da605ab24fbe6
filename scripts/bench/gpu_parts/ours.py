"""The real worker at full speed. It waits with its imports done, as the engine keeps one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.bench.gpu_parts.models import BATCH, ROOT, SKIPPED, events_of, make_model, supervised_per_step, write_run


def prepare() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "brightrun_tui.trainer", "--spare"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def run(
    worker: subprocess.Popen[str], directory: Path, device: str, shape: str, workload: str, steps: int
) -> Iterator[dict[str, Any]]:
    base = make_model(shape, directory, device)
    run = write_run(
        directory / f"ours-{shape}-{workload}",
        base,
        workload,
        BATCH * steps,
        {"training.batch_size": BATCH, "training.keep_checkpoints": 1},
    )
    worker.communicate(f"{run}\n")
    events = events_of(run)
    if worker.returncode or not events or events[-1]["kind"] != "done":
        log = run / "worker.log"
        raise RuntimeError(
            f"the worker ended with {worker.returncode}: {events[-1:]}"
            f" {log.read_text('utf-8')[-1500:] if log.exists() else ''}"
        )
    started = events[0]["time"]
    metrics = [e for e in events if e["kind"] == "metric" and "train_loss" in e["values"]]
    times = {e["step"]: e["time"] for e in metrics}
    report = json.loads((run / "report.json").read_bytes())
    seconds = times[steps] - times[SKIPPED]
    counted = steps - SKIPPED
    yield {
        "step": seconds / counted,
        "supervised_per_second": supervised_per_step(run, steps) * counted / seconds,
        "tokens_per_second": sum(
            e["values"]["tokens_per_second"] * (times[e["step"]] - times[e["step"] - 1])
            for e in metrics
            if e["step"] > SKIPPED
        )
        / seconds,
        "steps": steps,
        "peak": report["training"]["peak_memory"],
        "eval_loss": report["tuned"]["loss"],
        "losses": [round(e["values"]["train_loss"], 4) for e in metrics],
        "step times": [round(times[s] - times[s - 1], 3) for s in range(2, steps + 1)],
        "alerts": [e["message"] for e in events if e["kind"] == "alert"],
        "timeline": [[round(e["time"] - started, 2), e["phase"], e["detail"]] for e in events if e["kind"] == "phase"],
        "checkpoint": _progress(run),
    }


def _progress(run: Path) -> dict[str, Any]:
    """Return what the worker settled on: tokens of a micro-batch, and whether activations are computed twice."""
    newest = max(run.glob("checkpoints/step-*/state.json"), key=lambda path: path.stat().st_mtime, default=None)
    if newest is None:
        return {}
    progress = json.loads(newest.read_bytes())["progress"]
    return {name: progress[name] for name in ("max_tokens", "gradient_checkpointing")}
