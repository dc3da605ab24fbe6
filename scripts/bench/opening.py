#!/usr/bin/env python3
"""How fast the app opens and how much memory its processes take, against the smallest app of the same framework.

    scripts/bench/opening.py [--runs 5] [--home DIRECTORY] [--json]

First paint: from starting the command to the first frame with its text, in a terminal of 120 × 40. With ``--home`` the
installation there is opened (and its engine counted), else an empty one.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
PEER = """
from textual.app import App
from textual.widgets import Static
App.compose = lambda self: [Static("first paint")]
App().run()
"""
PATIENCE = 30.0


def open_once(command: list[str], marker: bytes, environment: dict[str, str]) -> tuple[float, int]:
    """Seconds to the frame that holds ``marker``, and the bytes that the process then holds."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=ROOT, start_new_session=True
    )
    os.close(slave)
    seen = b""
    try:
        while marker not in seen:
            if time.monotonic() - began > PATIENCE:
                raise SystemExit(f"{' '.join(command)} painted nothing:\n{seen.decode(errors='replace')[-2000:]}")
            if select.select([master], [], [], 0.1)[0]:
                seen += os.read(master, 65536)
        return time.monotonic() - began, psutil.Process(process.pid).memory_info().rss
    finally:
        process.kill()
        process.wait()
        os.close(master)


def engine_memory(home: str) -> int:
    """Bytes held by the engine of this installation; 0 when none runs."""
    for process in psutil.process_iter():
        try:
            if "brightrun_tui.orchestrator" in process.cmdline() and process.environ().get("BRIGHTRUN_HOME") == home:
                return int(process.memory_info().rss)
        except psutil.Error:
            continue
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="brightrun-bench-") as scratch:
        home = str(given.home.resolve() if given.home else Path(scratch) / "home")
        environment = {**os.environ, "BRIGHTRUN_HOME": home, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        ours, peer = [], []
        for _ in range(given.runs):
            ours.append(open_once([sys.executable, "-m", "brightrun_tui"], b"Integrations", environment))
            peer.append(open_once([sys.executable, "-c", PEER], b"first paint", environment))
        engine = engine_memory(home)
    seconds, bare = (statistics.median(second for second, _ in each) for each in (ours, peer))
    memory, bare_memory = (statistics.median(held for _, held in each) for each in (ours, peer))
    rows = [
        {
            "what": "first paint",
            "unit": "s",
            "ours": round(seconds, 3),
            "peer": round(bare, 3),
            "ratio": round(seconds / bare, 2),
        },
        {
            "what": "memory of the app",
            "unit": "MB",
            "ours": round(memory / 1e6),
            "peer": round(bare_memory / 1e6),
            "ratio": round(memory / bare_memory, 2),
        },
        *(
            [{"what": "memory of the engine", "unit": "MB", "ours": round(engine / 1e6), "peer": 0, "ratio": 0}]
            if engine
            else []
        ),
    ]
    if given.json:
        print(json.dumps({"name": "opening", "rows": rows}))
    else:
        for row in rows:
            print(f"{row['what']:<24}{row['ours']:>8} {row['peer']:>8} {row['unit']:<4}{row['ratio']:>6}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
