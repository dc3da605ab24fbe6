#!/usr/bin/env python3
"""What the form of a new run costs with a large dataset chosen and many runs stored: a key to its paint, a change to its plan.

    scripts/bench/form.py [--records 200000] [--runs 300] [--times 30] [--json]

The app in a real terminal of 120 × 40. A changed setting counts until the first paint of another number of steps. The peer for
a key is the smallest Textual app with two fields in the same call; nobody else plans.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.bench.tui import Table, quantile
from scripts.bench.tui_parts.session import Session

TWO_FIELDS = """
from textual.app import App
from textual.widgets import Button
App.compose = lambda self: [Button("first paint"), Button("second")]
App().run()
"""
SETTLE = 3.0
PATIENCE = 10.0
DOWN_TO_EPOCHS = 11
"""Fields, from the first one."""
ESCAPE = re.compile(rb"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
STEPS = re.compile(rb"Steps +([\d,]+)")


def make_dataset(path: Path, records: int) -> None:
    with path.open("w") as file:
        for number in range(records):
            file.write(
                json.dumps({"question": f"Where is order {number}?", "answer": f"It is on shelf {number * 7}."}) + "\n"
            )


def steps_shown(output: bytes) -> bytes:
    """Return the last number of steps in the output; empty if there is none."""
    found = STEPS.findall(ESCAPE.sub(b"", output))
    return found[-1] if found else b""


def output_since(session: Session, moment: float) -> bytes:
    return b"".join(piece for at, piece in session.pieces if at >= moment)


def change(session: Session, key: bytes, before: bytes) -> tuple[float, bytes]:
    """Return the seconds from the key to the first paint of another number of steps, and that number."""
    pressed = time.monotonic()
    session.press(key, pause=0)
    while time.monotonic() - pressed < PATIENCE:
        seen = b""
        for at, piece in list(session.pieces):
            if at >= pressed:
                seen += piece
                now = steps_shown(seen)
                if now and now != before:
                    return at - pressed, now
        time.sleep(0.02)
    raise SystemExit(f"{key!r} changed no number of steps:\n{output_since(session, pressed).decode(errors='replace')}")


def keys_of_peer(environment: dict[str, str], times: int) -> list[float]:
    with Session([sys.executable, "-c", TWO_FIELDS], environment, ROOT) as peer:
        peer.wait_for(b"first paint")
        time.sleep(SETTLE)
        return peer.press(b"\t", times=times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="brightrun-bench-") as scratch:
        home, file = Path(scratch, "home"), Path(scratch, "orders.jsonl")
        os.environ["BRIGHTRUN_HOME"] = str(home)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed app has its bytecode
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONPATH": str(ROOT)}
        from brightrun_tui.paths import get_paths
        from brightrun_tui.tui.remembered import remember_also
        from scripts.bench.tui_parts import store

        make_dataset(file, given.records)
        store.fill(home, finished=given.runs, points=0)
        command = [sys.executable, "-m", "brightrun_tui"]
        subprocess.run(
            [*command, "datasets", "add", str(file)], env=environment, cwd=scratch, check=True, capture_output=True
        )
        remember_also(get_paths(), data=str(file), mode="new_run")
        before = os.getloadavg()[0]
        with Session(command, environment, ROOT) as ours:
            ours.wait_for(b"Integrations")
            ours.press(b"2")
            ours.wait_for(b"Steps ")
            time.sleep(SETTLE)
            shown = steps_shown(output_since(ours, 0))
            moves = ours.press(b"jk", times=given.times)
            moved_cpu = ours.cpu()
            ours.press(b"jk", times=given.times)
            moved_cpu = (ours.cpu() - moved_cpu) / given.times
            ours.press(b"j" * DOWN_TO_EPOCHS, times=DOWN_TO_EPOCHS, pause=0.05)
            time.sleep(SETTLE)
            plans = []
            for number in range(given.times):
                took, shown = change(ours, b"l" if number % 2 == 0 else b"h", shown)
                plans.append(took)
                time.sleep(0.4)
            ours.press(b"q")
        peer = keys_of_peer(environment, given.times)
        table = Table()
        of_peer = 1000 * quantile(peer, 0.95)
        table.add(
            "a key that moves to its paint, p95",
            "ms",
            1000 * quantile(moves, 0.95),
            30,
            of_peer,
            "two buttons in Textual",
        )
        table.add("a key that moves to its paint, median", "ms", 1000 * quantile(moves, 0.5))
        table.add("processor time of such a key", "ms", 1000 * moved_cpu)
        table.add("a changed setting to its plan, p95", "ms", 1000 * quantile(plans, 0.95), 200)
        table.add("a changed setting to its plan, median", "ms", 1000 * quantile(plans, 0.5))
    table.tell("form", before, as_json=given.json, records=given.records, runs=given.runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
