"""The real worker on this device: a run that is killed goes on as if it had not been; one without memory takes less."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from scripts.bench.gpu_parts.models import ROOT, curve_of, events_of, make_model, write_run

CURVE = 0.02
"""Largest difference of a step's loss (nats) after a resumption; the GPU's sums are in no fixed order."""
LIMITED = """
import runpy, sys, torch
fraction = float(sys.argv.pop(1))
if torch.cuda.is_available():
    torch.cuda.set_per_process_memory_fraction(fraction)
sys.argv[0] = "brightrun_tui.trainer"
runpy.run_module("brightrun_tui.trainer", run_name="__main__")
"""


def resume(directory: Path, device: str) -> dict[str, Any]:
    """One run through, one killed after its second checkpoint and started again: the same losses at every step."""
    base = make_model("tiny", directory, device)
    overrides = {"training.batch_size": 8, "training.save_steps": 3}
    whole = write_run(directory / "whole", base, "short", 96, overrides)
    broken = write_run(directory / "broken", base, "short", 96, overrides)
    worker(whole)
    process = subprocess.Popen([sys.executable, "-m", "brightrun_tui.trainer", str(broken)], cwd=ROOT,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not any(e["kind"] == "checkpoint" and e["step"] >= 6 for e in events_of(broken)):
        time.sleep(0.05)
    process.kill()
    process.wait()
    before = len(curve_of(broken))
    worker(broken)
    first, second = curve_of(whole), curve_of(broken)
    difference = max((abs(first[step] - second[step]) for step in first if step in second), default=float("nan"))
    resumed = [e for e in events_of(broken) if e["kind"] == "alert" and e["code"] == "resumed"]
    return {"steps": len(first), "killed after": before, "resumed": [e["message"] for e in resumed], "difference": difference,
            "right": first.keys() == second.keys() and bool(resumed) and difference <= CURVE}


def little_memory(directory: Path, device: str, shape: str, fraction: float) -> dict[str, Any]:
    """A run that may use a small part of the card's memory must end all the same, with less at a time."""
    base = make_model(shape, directory, device)
    run = write_run(directory / "little-memory", base, "prompt", 96, {"training.batch_size": 32})
    done = subprocess.run([sys.executable, "-c", LIMITED, str(fraction), str(run)], cwd=ROOT, capture_output=True, text=True)
    events = events_of(run)
    alerts = [e["message"] for e in events if e["kind"] == "alert"]
    outcome = next((e for e in events if e["kind"] in ("done", "failed")), {})
    return {"fraction": fraction, "exit": done.returncode, "outcome": outcome.get("outcome", outcome.get("cause", "")),
            "alerts": alerts[:8], "steps": len(curve_of(run)), "right": outcome.get("kind") == "done"}


def worker(run: Path) -> float:
    """Train; seconds that it took. Raises where it did not end well."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "brightrun_tui.trainer", str(run)], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        last = [e for e in events_of(run) if e["kind"] == "failed"]
        raise RuntimeError(f"the worker ended with {done.returncode}: {last or done.stderr[-500:]}")
    return time.perf_counter() - began
