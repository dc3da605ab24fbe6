"""The real worker on this device: a run that is killed or asked to leave goes on as if nothing had been; one without memory takes
less of it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from scripts.bench.gpu_parts.models import ROOT, curve_of, events_of, make_model, write_run

CURVE = {"cpu": 0.0, "cuda": 0.02}
"""Largest difference of a step's loss (nats) after a resumption; a GPU's sums are in no fixed order."""
STEPS = {"cpu": 8, "cuda": 60}
"""So many that the worker can be met in the middle."""
LIMITED = """
import runpy, sys
from brightrun_tui.trainer.__main__ import set_environment
set_environment(hub=False)
import torch
fraction = float(sys.argv.pop(1))
if torch.cuda.is_available():
    torch.cuda.set_per_process_memory_fraction(fraction)
sys.argv[0] = "brightrun_tui.trainer"
runpy.run_module("brightrun_tui.trainer", run_name="__main__", alter_sys=True)
"""


def resume(directory: Path, device: str) -> Iterator[dict[str, Any]]:
    """Run one through, kill one after a checkpoint, and send one SIGTERM: in the end all have the same losses at every
    step.
    """
    base, steps = make_model("tiny", directory, device), STEPS[device]
    runs = {
        name: write_run(
            directory / f"resume-{name}", base, "short", 4 * steps, {"training.batch_size": 4, "training.save_steps": 3}
        )
        for name in ("whole", "killed", "asked")
    }
    workers = {name: _start(run) for name, run in runs.items()}
    _interrupt(
        workers["killed"],
        signal.SIGKILL,
        lambda: any(e["kind"] == "checkpoint" and e["step"] < steps for e in events_of(runs["killed"])),
    )
    _interrupt(workers["asked"], signal.SIGTERM, lambda: len(curve_of(runs["asked"])) >= 2)
    left = {name: workers[name].wait() for name in workers}
    asked = events_of(runs["asked"])[-1]
    checks = [
        {"what": "a run that nobody disturbs", "found": left["whole"], "right": left["whole"] == 0},
        {
            "what": "SIGTERM",
            "found": {**asked, "exit code": left["asked"]},
            "right": left["asked"] == 0 and asked.get("outcome") == "paused" and 0 < asked.get("step", 0) < steps,
        },
    ]
    yield {"checks": list(checks)}
    again = {name: _start(runs[name]) for name in ("killed", "asked")}
    whole = curve_of(runs["whole"])
    for name, worker in again.items():
        code, curve = worker.wait(), curve_of(runs[name])
        difference = max((abs(whole[step] - curve[step]) for step in whole.keys() & curve.keys()), default=float("nan"))
        resumed = [e["message"] for e in events_of(runs[name]) if e["kind"] == "alert" and e["code"] == "resumed"]
        checks.append(
            {
                "what": f"the run that was {name} and went on",
                "right": code == 0
                and bool(resumed)
                and curve.keys() == whole.keys()
                and len(curve) == steps
                and difference <= CURVE[device],
                "found": {
                    "difference": difference,
                    "limit": CURVE[device],
                    "resumed": resumed,
                    "steps": len(curve),
                    "exit code": code,
                },
            }
        )
    yield {"checks": checks}


def little_memory(directory: Path, device: str, shape: str, fraction: float) -> Iterator[dict[str, Any]]:
    """Run with a small part of a GPU's memory: the run must end all the same, with less at a time. A CPU has no such
    limit.
    """
    base = make_model(shape, directory, device)
    run = write_run(
        directory / "little-memory", base, "prompt", 96 if device == "cuda" else 8, {"training.batch_size": 32}
    )
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(fraction), str(run)], cwd=ROOT, capture_output=True, text=True
    )
    events = events_of(run)
    alerts = [e["message"] for e in events if e["kind"] == "alert"]
    ran_out = [e for e in events if e["kind"] == "alert" and e["code"] == "out_of_memory"]
    last = events[-1] if events else {"kind": "nothing", "log": done.stderr[-1000:]}
    yield {
        "checks": [
            {"what": "it ended", "found": last, "right": done.returncode == 0 and last.get("outcome") == "completed"},
            {"what": "memory ran out on the way", "found": alerts[:8], "right": bool(ran_out) or device == "cpu"},
        ]
    }


def _start(run: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "brightrun_tui.trainer", str(run)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _interrupt(worker: subprocess.Popen[bytes], number: signal.Signals, when: Callable[[], bool]) -> None:
    while worker.poll() is None and not when():
        time.sleep(0.02)
    worker.send_signal(number)
