#!/usr/bin/env python3
"""How fast the app opens and how much memory its processes take, against the smallest app of the same framework.

    scripts/bench/opening.py [--times 5] [--stored 1000] [--home DIRECTORY] [--beside CHECKOUT] [--json]

First paint: from starting the command to the first frame with a run's name, or with the app's own where there is no run, in a
terminal of 120 × 40; by the clock, and as processor time, which does not count what other programs took. So many runs are
``--stored`` before; with ``--home`` the installation there is opened instead (and its engine counted). ``--beside`` opens
another checkout of Bright Run in turn with this one. Medians; the first round writes bytecode, and is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.bench.tui_parts.session import Session

PEER = """
from textual.app import App
from textual.widgets import Static
App.compose = lambda self: [Static("first paint")]
App().run()
"""
OURS = ["-m", "brightrun_tui"]
NAMED = b"faq-0000"
"""The newest of the stored runs."""


@dataclass(frozen=True)
class Opened:
    """Seconds by the clock and of processor time to the frame that was waited for, and the bytes that were held then."""

    clock: float
    processor: float
    memory: int


def open_once(arguments: list[str], marker: bytes, environment: dict[str, str], tree: Path) -> Opened:
    with Session(
        [sys.executable, *arguments], {**environment, "PYTHONPATH": str(tree)}, Path(tempfile.gettempdir())
    ) as one:
        shown = one.wait_for(marker) - one.began
        return Opened(shown, one.cpu(), one.memory())


def engine_memory(home: str) -> int:
    """Return the bytes held by the engine of this installation; 0 if none runs."""
    for process in psutil.process_iter():
        try:
            if "brightrun_tui.orchestrator" in process.cmdline() and process.environ().get("BRIGHTRUN_HOME") == home:
                return int(process.memory_info().rss)
        except psutil.Error:
            continue
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--stored", type=int, default=0)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--beside", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="brightrun-bench-") as scratch:
        home = (given.home or Path(scratch) / "home").resolve()
        os.environ["BRIGHTRUN_HOME"] = str(home)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed app has its bytecode
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        if given.stored and not given.home:
            from scripts.bench.tui_parts import store

            store.fill(home, finished=given.stored, points=0)
        marker = NAMED if given.stored else b"Integrations"
        wanted = {"ours": (OURS, marker, ROOT), "peer": (["-c", PEER], b"first paint", ROOT)}
        if given.beside:
            wanted["beside"] = (OURS, marker, given.beside.resolve())
        found: dict[str, list[Opened]] = {name: [] for name in wanted}
        for _ in range(given.times + 1):
            for name, (arguments, text, tree) in wanted.items():
                found[name].append(open_once(arguments, text, environment, tree))
        engine = engine_memory(str(home))
    medians = {
        name: Opened(
            statistics.median(one.clock for one in each[1:]),
            statistics.median(one.processor for one in each[1:]),
            round(statistics.median(one.memory for one in each[1:])),
        )
        for name, each in found.items()
    }
    rows = [
        _row("first paint, by the clock", "s", {name: round(one.clock, 3) for name, one in medians.items()}),
        _row("first paint, processor", "s", {name: round(one.processor, 3) for name, one in medians.items()}),
        _row("memory of the app", "MB", {name: round(one.memory / 1e6) for name, one in medians.items()}),
    ]
    if engine:
        rows.append(_row("memory of the engine", "MB", {"ours": round(engine / 1e6)}))
    if given.json:
        print(json.dumps({"name": "opening", "stored": given.stored, "rows": rows}))
    else:
        for row in rows:
            values = "  ".join(f"{name} {row[name]:>7}" for name in ("ours", "beside", "peer") if name in row)
            print(f"{row['what']:<28}{values}  {row['unit']}")
    return 0


def _row(what: str, unit: str, values: dict[str, float]) -> dict[str, object]:
    return {"what": what, "unit": unit, **values}


if __name__ == "__main__":
    sys.exit(main())
