"""A worker whose day goes as the name of its run says: ``oom-07`` runs out of memory. It learns nothing.

``python worker.py TEMPLATE RUN_DIRECTORY``. Standard library only, so that it starts at once.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.clouds import fast_worker

STEPS, STEP_SECONDS, EVALUATE_EVERY, SAVE_EVERY = 45, 1.0, 5, 10
GIB = 1 << 30
SILENT_SECONDS = 90.0
"""Longer than the minute after which a run counts as silent."""
FAILURES: dict[str, tuple[int, dict[str, object]]] = {
    "nan": (
        18,
        {
            "error": "diverged",
            "cause": "the loss became NaN at step 18: the learning rate is too high for this data",
            "fix": "use a smaller learning rate",
            "suggestion": {"training.learning_rate": 5e-5},
        },
    ),
    "oom": (
        6,
        {
            "error": "out_of_memory",
            "cause": "the GPU ran out of memory at step 6: 23.6 of 24 GiB are in use",
            "fix": "use a smaller micro-batch",
            "suggestion": {"training.micro_batch_size": 1},
        },
    ),
    "disk": (
        11,
        {
            "error": "disk_full",
            "cause": "the checkpoint of step 11 could not be written: the disk is full",
            "fix": "free some space and retry",
        },
    ),
}
"""By kind: the step after which it gives up, and its last word."""


class Day(fast_worker.Worker):
    """One run. What happens to it happens once: a worker that takes over goes on in peace."""

    def __init__(self, template: Path, run: Path) -> None:
        super().__init__(template, run)
        name = str(json.loads((run / "spec.json").read_text())["name"])
        self.kind, self.done_before = name.partition("-")[0], (run / "happened").exists()

    def train_loss(self, step: int) -> float:
        if self.kind == "climbs" and step > 15:
            return 1.0 + 0.15 * (step - 15)
        return 1.0 + 2.0 * math.exp(-step / 12) + 0.02 * math.sin(step)

    def values(self, step: int) -> dict[str, float | None]:
        values: dict[str, float | None] = {
            "train_loss": None if self.kind == "nan" and step > 16 else self.train_loss(step),
            "learning_rate": 2e-4 * (1 - step / (STEPS + 1)),
            "grad_norm": 0.0 if self.kind == "frozen" else 0.5 + 0.05 * math.sin(step),
        }
        if step % EVALUATE_EVERY == 0:
            values["eval_loss"] = 1.1 + 2.0 * math.exp(-step / 14) + (0.02 * step if self.kind == "learnt" else 0.0)
        return values

    def hardware(self, step: int) -> None:
        late = step > 10
        self.tell(
            "hardware",
            device="NVIDIA A40",
            memory_used=int(18.2 * GIB),
            memory_total=48 * GIB,
            utilisation=0.03 if self.kind == "idle" else 0.93,
            temperature=92.0 if self.kind == "hot" and late else 64.0,
            temperature_limit=93.0,
            power=270.0,
            power_limit=300.0,
            throttled=self.kind == "hot" and step > 20,
            disk_free=int(0.6 * GIB) if self.kind == "full" and late else 80 * GIB,
            disk_total=100 * GIB,
        )

    def happen(self, step: int) -> None:
        """Let happen what this kind of run meets at this step."""
        if self.kind in FAILURES and step == FAILURES[self.kind][0]:
            self.tell("failed", **FAILURES[self.kind][1])
            sys.exit(1)
        if self.done_before:
            return
        if self.kind in ("killed", "silent", "crash") and step == 15:
            (self.run / "happened").touch()
        if self.kind == "killed" and step == 15:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "crash" and step == 15:
            print("RuntimeError: CUDA error: an illegal memory access was encountered", flush=True)
            sys.exit(1)
        if self.kind == "silent" and step == 15:
            time.sleep(SILENT_SECONDS)

    def work(self) -> None:
        step = self.resume()
        self.tell("phase", phase="loading", detail="toy, 4-bit")
        time.sleep(2 * STEP_SECONDS)
        self.tell("phase", phase="training", detail="20 records")
        while step < STEPS:
            for name in ("pause", "stop"):
                if self.asked(name):
                    self.save(step)
                    (self.run / "control" / name).unlink()
                    return self.tell("done", outcome="paused", step=step) if name == "pause" else self.end(step)
            time.sleep(STEP_SECONDS)
            step += 1
            print(f"step {step}/{STEPS}  loss {self.train_loss(step):.4f}", flush=True)
            self.tell("metric", step=step, values=self.values(step))
            self.tell(
                "progress",
                step=step,
                total_steps=STEPS,
                epoch=3 * step / STEPS,
                supervised_tokens=900 * step,
                tokens_per_second=900.0,
                eta_seconds=(STEPS - step) * STEP_SECONDS,
            )
            self.hardware(step)
            if step % SAVE_EVERY == 0:
                self.save(step)
            self.happen(step)
        return self.finish("completed", step)

    def end(self, step: int) -> None:
        self.finish("stopped", step)


if __name__ == "__main__":
    Day(Path(sys.argv[1]), Path(sys.argv[2])).work()
