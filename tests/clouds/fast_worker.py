"""A worker that keeps the run directory's protocol and learns nothing: for campaigns of hundreds of runs in minutes.

``python fast_worker.py TEMPLATE RUN_DIRECTORY [HOLD]``; ``TEMPLATE`` is a finished run directory whose results it hands in. While
there is a file ``HOLD``, it takes no step after the one that the file names. Standard library only, so that it starts at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
import time
from pathlib import Path

CHECKPOINT = ("adapter_config.json", "adapter_model.safetensors", "optimizer.safetensors", "state.json")
STEPS, STEP_SECONDS, SAVE_EVERY = 20, 0.08, 5


def digest(path: Path) -> dict[str, object]:
    data = path.read_bytes()
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def loss(step: int) -> float:
    """What it says it learnt."""
    return 2.0 - step / STEPS


class Worker:
    def __init__(self, template: Path, run: Path, hold: Path | None = None) -> None:
        self.template, self.run, self.hold = template, run, hold
        (run / "checkpoints").mkdir(parents=True, exist_ok=True)
        self.lock = (run / "worker.lock").open("w")
        fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        log = run / "events.jsonl"
        whole = log.read_bytes() if log.exists() else b""
        whole = whole[: whole.rfind(b"\n") + 1]
        self.seq = len(whole.splitlines())
        self.log = log.open("r+b" if log.exists() else "wb")
        self.log.truncate(len(whole))
        self.log.seek(len(whole))

    def tell(self, kind: str, **data: object) -> None:
        document = {"seq": self.seq, "time": time.time(), "kind": kind, **data}
        self.log.write(json.dumps(document, separators=(",", ":")).encode() + b"\n")
        self.log.flush()
        self.seq += 1

    def asked(self, name: str) -> bool:
        return (self.run / "control" / name).exists()

    def held(self, step: int) -> bool:
        try:
            return self.hold is not None and step >= int(self.hold.read_text())
        except FileNotFoundError:
            return False

    def save(self, step: int) -> None:
        target = self.run / "checkpoints" / f"step-{step}"
        if not target.exists():
            aside = target.with_name(f".aside-{step}")
            aside.mkdir(exist_ok=True)
            for name in CHECKPOINT:
                (aside / name).write_text(json.dumps({"step": step}))
            digests = {name: digest(aside / name) for name in CHECKPOINT}
            (aside / "manifest.json").write_text(json.dumps(digests))
            os.rename(aside, target)
        self.tell("checkpoint", step=step, path=f"checkpoints/step-{step}", eval_loss=1.0, best=True)

    def resume(self) -> int:
        return max((int(path.name[5:]) for path in (self.run / "checkpoints").glob("step-*")), default=0)

    def finish(self, outcome: str, step: int) -> None:
        shutil.copytree(self.template / "adapter", self.run / "adapter", dirs_exist_ok=True)
        shutil.copy(self.template / "report.json", self.run / "report.json")
        shutil.copy(self.template / "manifest.json", self.run / "manifest.json")
        self.tell("done", outcome=outcome, step=step)

    def work(self) -> None:
        step = self.resume()
        self.tell("phase", phase="training")
        while step < STEPS:
            if self.asked("pause"):
                self.save(step)
                (self.run / "control" / "pause").unlink()
                self.tell("done", outcome="paused", step=step)
                return
            if self.asked("stop"):
                (self.run / "control" / "stop").unlink()
                self.finish("stopped", step)
                return
            time.sleep(STEP_SECONDS)
            if self.held(step):
                continue
            step += 1
            self.tell("metric", step=step, values={"train_loss": loss(step)})
            self.tell("progress", step=step, total_steps=STEPS)
            if step % SAVE_EVERY == 0:
                self.save(step)
        self.finish("completed", step)


if __name__ == "__main__":
    Worker(*map(Path, sys.argv[1:4])).work()
