#!/usr/bin/env python3
"""Runs on this machine with kill -9 of engine, worker, command line and app at random moments: is anything lost or left over?

    scripts/bench/crash_fuzz.py [--runs 60] [--seed 1] [--homes 3] [--minutes 10] [--json]

The real command line, engine, worker and app, on a toy base model. Each home is an installation of its own in which one
run follows the other; the homes go on side by side. What is killed when follows from the seed; where in its work that meets
a process follows from the machine. Every run must complete, with one loss for each of its steps, and with the very same losses
as all the others: they learn the same from the same data.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import psutil

from brightrun_tui.domain.run import Run
from brightrun_tui.domain.run_states import TERMINAL
from brightrun_tui.store import metrics, open_database, runs
from tests.processes import end_all, of_home
from tests.trainer.conftest import build_base, make_records

ENGINE, WORKER = "brightrun_tui.orchestrator", "brightrun_tui.trainer"
STEPS = 40
SETTINGS = (
    f"training.max_steps={STEPS}",
    "training.epochs=99",
    "training.save_steps=8",
    "evaluation.eval_steps=1000",
    "evaluation.early_stopping_patience=0",
    "evaluation.sample_prompts=0",
    "training.logging_steps=1",
)
KILLS = {"engine": 4.0, "worker": 4.0, "engine and worker": 2.0, "command line": 2.0, "app": 1.0}
KILLS_A_RUN = (1, 5)
RUN_SECONDS = 180.0
"""After that a run counts as hanging."""


@dataclass
class Book:
    """What happened in all homes together."""

    kills: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    never_began: int = 0
    curve: dict[int, float | None] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Home:
    """One installation, driven through its command line by one thread."""

    def __init__(self, root: Path, base: Path, data: Path, chance: random.Random, book: Book) -> None:
        self.root, self.base, self.data, self.chance, self.book = root, base, data, chance, book
        self.environment = {
            **os.environ,
            "BRIGHTRUN_HOME": str(root),
            "BRIGHTRUN_ENGINE_IDLE_SECONDS": "2",
            "NO_COLOR": "1",
            "BRIGHTRUN_ENGINE_SPARE_SECONDS": "0",
            "OMP_NUM_THREADS": "1",
            "TERM": "xterm-256color",
        }
        self.known: set[str] = set()

    def command(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "brightrun_tui", *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def store(self) -> tuple[list[Run], dict[str, dict[int, float | None]]]:
        """Return all runs, and the loss at each step of each run."""

        async def read() -> tuple[list[Run], dict[str, dict[int, float | None]]]:
            async with open_database(self.root / "data" / "brightrun.db") as db:
                found = await runs.list_runs(db)
                return found, {
                    run.id: {p.step: p.value for p in await metrics.series(db, run.id, "train_loss")} for run in found
                }

        return asyncio.run(read())

    def play(self, number: int) -> None:
        """Play one run from start to end, with its kills on the way."""
        words = [word for setting in SETTINGS for word in ("--set", setting)]
        starter = self.command(
            "train", str(self.data), "--base", str(self.base), "--name", f"fuzz-{number}", "--yes", *words
        )
        kills = sorted(self.chance.uniform(0.2, 14.0) for _ in range(self.chance.randint(*KILLS_A_RUN)))
        began, run = time.monotonic(), None
        while time.monotonic() - began < RUN_SECONDS:
            if kills and time.monotonic() - began >= kills[0]:
                kills.pop(0)
                self.kill(self.chance.choices(list(KILLS), weights=list(KILLS.values()))[0], starter)
            run = next((r for r in self.store()[0] if r.id not in self.known), None)
            if run is not None and run.state in TERMINAL:
                break
            if run is None and starter.poll() is not None and not kills:
                break
            if not of_home(self.root, ENGINE) and run is not None:
                self.command("engine", "start").wait()
            time.sleep(0.3)
        with suppress(ProcessLookupError):
            starter.kill()
        starter.wait()
        with self.book.lock:
            if run is None:
                self.book.never_began += 1
                return
            self.known.add(run.id)
            self.book.states[run.state] += 1
            if run.state != "completed":
                self.book.wrong.append(
                    f"{run.name} is {run.state} at {run.step}: {run.failure.cause if run.failure else ''}"
                )

    def kill(self, whom: str, starter: subprocess.Popen[bytes]) -> None:
        victims: list[psutil.Process] = []
        if "engine" in whom:
            victims += of_home(self.root, ENGINE)
        if "worker" in whom:
            victims += of_home(self.root, WORKER)
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGKILL)
        if whom == "command line" and starter.poll() is None:
            starter.kill()
            victims.append(psutil.Process())
        if whom == "app":
            self.kill_app()
        if victims or whom == "app":
            with self.book.lock:
                self.book.kills[whom] += 1

    def kill_app(self) -> None:
        """Run the real app in a terminal of its own, and kill it in the middle of whatever it is doing."""
        ours, theirs = os.openpty()
        app = subprocess.Popen(
            [sys.executable, "-m", "brightrun_tui"],
            env=self.environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        reading = threading.Thread(target=_read_all, args=(ours,))
        reading.start()
        time.sleep(self.chance.uniform(0.3, 3.0))
        app.kill()
        app.wait()
        reading.join()

    def judge(self) -> None:
        """Check, after the last run, that the engine ends by itself, that nothing is left running, and that every curve
        is whole.
        """
        deadline = time.monotonic() + 30
        self.command("engine", "start").wait()
        while of_home(self.root) and time.monotonic() < deadline:
            time.sleep(0.2)
        found, curves = self.store()
        with self.book.lock:
            self.book.wrong += [f"left running: {' '.join(p.cmdline()[-2:])}" for p in of_home(self.root)]
            for run in found:
                if run.state == "completed" and list(curves[run.id]) != list(range(1, STEPS + 1)):
                    self.book.wrong.append(f"{run.name}: {len(curves[run.id])} losses for {STEPS} steps")
                elif run.state == "completed" and curves[run.id] != (self.book.curve or curves[run.id]):
                    self.book.wrong.append(f"{run.name}: it learnt something else than the others")
                elif run.state == "completed":
                    self.book.curve = curves[run.id]
                left = [path.name for path in Path(run.directory).rglob(".*")]
                self.book.wrong += [f"{run.name}: left over: {name}" for name in left]


def _read_all(terminal: int) -> None:
    with suppress(OSError):
        while os.read(terminal, 65536):
            pass
    os.close(terminal)


def play(count: int, seed: int, homes: int, minutes: float) -> dict[str, object]:
    """Play the campaign. Raises nothing; what went wrong is in the result."""
    book, began = Book(), time.monotonic()
    numbers = iter(range(count))
    with tempfile.TemporaryDirectory() as scratch:
        base = build_base(Path(scratch) / "base")
        data = Path(scratch) / "data.jsonl"
        data.write_text(
            "".join(
                json.dumps({"messages": [{"role": m.role, "content": m.content} for m in record.messages]}) + "\n"
                for record in make_records(60)
            )
        )

        def live(which: int) -> None:
            root = Path(scratch) / f"home-{which}"
            home = Home(root, base, data, random.Random(f"{seed}/{which}"), book)
            try:
                while time.monotonic() - began < minutes * 60:
                    with book.lock:
                        number = next(numbers, None)
                    if number is None:
                        break
                    home.play(number)
                home.judge()
            finally:
                end_all(root)

        with ThreadPoolExecutor(homes) as pool:
            for done in [pool.submit(live, which) for which in range(homes)]:
                done.result()
    return {
        "runs": sum(book.states.values()),
        "completed": book.states["completed"],
        "ended otherwise": {state: n for state, n in book.states.items() if state != "completed"},
        "killed before they began": book.never_began,
        "kills": dict(book.kills),
        "wrong": book.wrong,
        "minutes": round((time.monotonic() - began) / 60, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--homes", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10.0, help="no run begins after that")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = {"seed": arguments.seed, **play(arguments.runs, arguments.seed, arguments.homes, arguments.minutes)}
    if arguments.json:
        print(json.dumps({"name": "crash_fuzz", **result}))
    else:
        for what, value in result.items():
            print(f"{what:26} {value}")
    return 1 if result["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
