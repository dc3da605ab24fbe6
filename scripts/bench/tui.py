#!/usr/bin/env python3
"""What Monitor costs: time, lag of its loop, processor, memory and bytes on the wire, in a real terminal of 120 × 40.

    scripts/bench/tui.py [--points 1000000] [--runs 1000] [--seconds 20] [--peer-python PYTHON] [--quick] [--keep DIR] [--json]

Peers in the same call: the smallest Textual app for the first paint; and with ``--peer-python``, the interpreter of a virtual
environment of its own with wandb and textual-plotext, ``wandb leet`` on an offline run and four charts of textual-plotext, each
with as many points as ``--peer-points`` says. The lag of a loop is said twice: by the clock, and as processor time of the loop's
own thread, which does not count what other programs took. ``--keep`` keeps the store for the next call.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.bench.tui_parts.session import Session, Window

WATCHED = str(Path(__file__).resolve().parent / "tui_parts" / "watched.py")
BARE = """
from textual.app import App
from textual.widgets import Static
App.compose = lambda self: [Static("first paint")]
App().run()
"""
OFFLINE_RUN = """
import math, sys, wandb
run = wandb.init(project="bench", mode="offline")
for step in range(1, int(sys.argv[1]) + 1):
    value = 0.5 + 2 / (1 + step / 1e4) + 0.1 * math.sin(step)
    run.log(dict.fromkeys(("train_loss", "learning_rate", "grad_norm", "tokens_per_second"), value), step=step)
run.finish()
"""
CHARTED = b"Learning rate"
"""In the title of a chart that has been drawn."""
SETTLE = 3.0
KEYS = 40


def quantile(values: list[float], share: float) -> float:
    """Return the quantile by nearest rank: the smallest value that this share of them does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else float("nan")


class Table:
    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []

    def add(
        self, what: str, unit: str, ours: float, goal: float | None = None, peer: float | None = None, name: str = ""
    ) -> None:
        self.rows.append(
            {
                "what": what,
                "unit": unit,
                "ours": round(ours, 3),
                "peer": None if peer is None else round(peer, 3),
                "peer_name": name,
                "ratio": round(ours / peer, 2) if peer else None,
                "goal": goal,
                "met": None if goal is None else ours <= goal,
            }
        )

    def show(self) -> None:
        print(f"{'':<54}{'ours':>9}{'peer':>9} {'unit':<7}{'goal':>8}")
        for row in self.rows:
            peer = "" if row["peer"] is None else f"{row['peer']:g}"
            goal = "" if row["goal"] is None else f"≤ {row['goal']:g} {'✓' if row['met'] else '✗'}"
            print(f"{row['what']!s:<54}{row['ours']:>9g}{peer:>9} {row['unit']!s:<7}{goal:>10}  {row['peer_name']}")

    def tell(self, name: str, load_before: float, *, as_json: bool, **given: int) -> None:
        """Print it, with the machine that it was measured on and what was ``given``."""
        machine = {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load_before": round(load_before, 1),
            "load_after": round(os.getloadavg()[0], 1),
            **given,
        }
        if as_json:
            print(json.dumps({"name": name, "machine": machine, "rows": self.rows}))
        else:
            self.show()
            print(", ".join(f"{name} {value}" for name, value in machine.items()))


class Beats:
    """What the heartbeat of a watched app has written."""

    def __init__(self, path: Path) -> None:
        self._beats: list[tuple[float, float, float]] = json.loads(path.read_text())

    def lag(self, window: Window, share: float) -> tuple[float, float]:
        """Return the lag in milliseconds, by the clock and by the loop's own processor time."""
        mine = [beat for beat in self._beats if window.began <= beat[0] <= window.ended]
        return 1000 * quantile([lag for _, lag, _ in mine], share), 1000 * quantile([cpu for *_, cpu in mine], share)


def first_paint(table: Table, environment: dict[str, str]) -> None:
    for command in (["-c", BARE], ["-m", "brightrun_tui"]):  # the first start of each writes bytecode and fills caches
        with Session([sys.executable, *command], environment, ROOT) as once:
            once.wait_for(b"first paint" if command[0] == "-c" else b"faq-0000")
    with Session([sys.executable, "-c", BARE], environment, ROOT) as bare:
        peer = bare.wait_for(b"first paint") - bare.began
        peer_cpu = bare.cpu()
    with Session([sys.executable, "-m", "brightrun_tui"], environment, ROOT) as ours:
        seconds = ours.wait_for(b"faq-0000") - ours.began
        cpu = ours.cpu()
    table.add("first paint of the list, by the clock", "s", seconds, 0.5, peer, "empty Textual app")
    table.add("first paint of the list, processor", "s", cpu, 0.5, peer_cpu, "empty Textual app")


def watched(table: Table, environment: dict[str, str], home: Path, seconds: float) -> None:
    """Measure three sessions: an idle one that then opens the long run, a quiet live run, and the long run under load."""
    from scripts.bench.tui_parts import store

    def session(name: str, run_id: str) -> Session:
        return Session([sys.executable, WATCHED, "ours", str(home / f"{name}.json"), run_id], environment, ROOT)

    resting = home / "resting"
    environment_of_rest = {**environment, "BRIGHTRUN_HOME": str(resting)}
    with Session([sys.executable, WATCHED, "ours", str(home / "idle.json")], environment_of_rest, ROOT) as ours:
        ours.wait_for(b"faq-0000")
        time.sleep(SETTLE)
        idle = ours.watch(seconds / 2)
        idle_keys = ours.press(b"jk", times=KEYS)
        ours.quit()
    with session("opening", store.QUIET) as ours:
        ours.wait_for(CHARTED)
        time.sleep(SETTLE)
        opened = time.monotonic()
        ours.press(b"k")
        shown = ours.wait_for(CHARTED, opened)
        opening = replace(ours.watch(SETTLE), began=opened)
        ours.quit()
    with session("quiet", store.QUIET) as ours, store.Writer(home, store.QUIET, metrics=2, lines=1):
        ours.wait_for(CHARTED)
        time.sleep(SETTLE)
        quiet = ours.watch(seconds)
        quiet_keys = ours.press(b"jk", times=KEYS)
        ours.quit()
    with session("heavy", store.LONG) as ours, store.Writer(home, store.LONG, metrics=20, lines=5000):
        ours.wait_for(CHARTED)
        time.sleep(SETTLE)
        together = ours.watch(seconds)
        heavy_keys = ours.press(b"jk", times=KEYS)
        ours.press(b"cz")
        ours.press(b"z")
        time.sleep(SETTLE)
        four = ours.watch(seconds)
        ours.quit()
    table.add("opening the long run: first chart", "s", shown - opened, 0.5)
    wall, own = Beats(home / "opening.json").lag(opening, 1.0)
    table.add("opening the long run: lag, worst", "ms", wall, 50)
    table.add("opening the long run: same, own processor time", "ms", own, 50)
    beats = Beats(home / "heavy.json")
    for name, window in (("heavy, curves and log", together), ("heavy, four charts", four)):
        wall, own = beats.lag(window, 0.99)
        table.add(f"{name}: lag p99", "ms", wall, 50)
        table.add(f"{name}: same, own processor time", "ms", own, 50)
        table.add(f"{name}: lag, worst", "ms", beats.lag(window, 1.0)[0])
        table.add(f"{name}: share of a core", "%", 100 * window.share, 25)
        table.add(f"{name}: memory", "MB", window.memory / 1e6, 120)
        table.add(f"{name}: on the wire", "KiB/s", window.bytes_per_second / 1024, 40)
    table.add("idle: on the wire", "KiB/s", idle.bytes_per_second / 1024, 0.5)
    table.add("idle: share of a core", "%", 100 * idle.share)
    table.add("idle: memory", "MB", idle.memory / 1e6)
    table.add("idle: key to paint p95", "ms", 1000 * quantile(idle_keys, 0.95), 30)
    table.add("idle: key to paint, median", "ms", 1000 * quantile(idle_keys, 0.5))
    table.add("quiet live run: on the wire", "KiB/s", quiet.bytes_per_second / 1024, 15)
    table.add("quiet live run: share of a core", "%", 100 * quiet.share)
    table.add("quiet live run: key to paint p95", "ms", 1000 * quantile(quiet_keys, 0.95), 30)
    table.add("heavy: key to paint p95", "ms", 1000 * quantile(heavy_keys, 0.95), 30)
    table.add("heavy: key to paint, median", "ms", 1000 * quantile(heavy_keys, 0.5))


def take_peer(table: Table, name: str, found: dict[str, float]) -> None:
    by = {str(row["what"]): row for row in table.rows}
    for what, value in found.items():
        ratio = round(float(str(by[what]["ours"])) / value, 2) if value else None
        by[what].update(peer=round(value, 3), peer_name=name, ratio=ratio)


def peer_charts(
    table: Table, environment: dict[str, str], home: Path, seconds: float, points: int, python: str
) -> None:
    from scripts.bench.tui_parts import store

    beats_file, log = home / "peer.json", home / store.LONG / "worker.log"
    log.touch()
    command = [python, WATCHED, "plotext", str(beats_file), str(points), str(log)]
    with Session(command, environment, ROOT) as peer:
        shown = peer.wait_for(CHARTED)
        with store.Writer(home, store.LONG, metrics=20, lines=5000):
            time.sleep(SETTLE)
            window = peer.watch(seconds)
        peer.quit()
    wall, own = Beats(beats_file).lag(window, 0.99)
    found = {
        "opening the long run: first chart": shown - peer.began,
        "heavy, four charts: lag p99": wall,
        "heavy, four charts: same, own processor time": own,
        "heavy, four charts: share of a core": 100 * window.share,
        "heavy, four charts: memory": window.memory / 1e6,
        "heavy, four charts: on the wire": window.bytes_per_second / 1024,
    }
    take_peer(table, f"textual-plotext, {points:,} points", found)


def peer_leet(table: Table, environment: dict[str, str], seconds: float, points: int, python: str) -> None:
    """Measure a finished offline run of the peer; it is therefore compared with what stands still here."""
    with tempfile.TemporaryDirectory() as scratch:
        made = [python, "-c", OFFLINE_RUN, str(points)]
        subprocess.run(made, cwd=scratch, env=environment, check=True, capture_output=True)
        run = next(Path(scratch, "wandb").glob("offline-run-*"))
        with Session([str(Path(python).with_name("wandb")), "leet", str(run)], environment, Path(scratch)) as peer:
            shown = peer.wait_for(b"grad_norm")
            time.sleep(SETTLE)
            idle = peer.watch(seconds / 2)
            keys = peer.press(b"sw", times=KEYS)
            memory = peer.memory()
            peer.quit()
    found = {
        "opening the long run: first chart": shown - peer.began,
        "idle: on the wire": idle.bytes_per_second / 1024,
        "idle: share of a core": 100 * idle.share,
        "idle: memory": memory / 1e6,
        "idle: key to paint p95": 1000 * quantile(keys, 0.95),
    }
    take_peer(table, f"wandb leet, {points:,} points", found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--peer-python", default="")
    parser.add_argument("--peer-points", type=int, default=2_000)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--quick", action="store_true", help="100,000 points, 5 seconds a stretch")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.quick:
        given.points, given.seconds = 100_000, 5.0
    with tempfile.TemporaryDirectory(prefix="brightrun-bench-") as scratch:
        home = (given.keep or Path(scratch) / "home").resolve()
        os.environ["BRIGHTRUN_HOME"] = str(home)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed app has its bytecode
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONPATH": str(ROOT)}
        from brightrun_tui.paths import get_paths
        from scripts.bench.tui_parts import store

        if not get_paths().database.exists():
            store.fill(home, finished=given.runs, points=given.points)
            os.environ["BRIGHTRUN_HOME"] = str(home / "resting")
            store.fill(home / "resting", finished=30, points=0)
            os.environ["BRIGHTRUN_HOME"] = str(home)
        before = os.getloadavg()[0]
        table = Table()
        first_paint(table, environment)
        watched(table, environment, home, given.seconds)
        if given.peer_python:
            peer_charts(table, environment, home, given.seconds, given.peer_points, given.peer_python)
            peer_leet(table, environment, given.seconds, given.peer_points, given.peer_python)
    table.tell("tui", before, as_json=given.json, points=given.points, runs=given.runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
