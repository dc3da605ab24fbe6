#!/usr/bin/env python3
"""How fast a large dataset is checked, in how much memory, and how many of the near-copies put into it are found.

    scripts/bench/million.py [--records 1000000] [--file FILE] [--runs 1] [--quick] [--json]

The file is made first (about 1 KB a record: a system message and one to three exchanges): one record in fifty is an
exact copy of another, one in fifty a copy with a few words changed. The peer is ``datasets.load_dataset("json")``, which
makes an Arrow file of it and looks at nothing. Every run is a process of its own; ``--file`` keeps the file for the next call.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
ONE_IN = 50
OURS = """
import json, sys
from brightrun_tui import datasets
report = datasets.check(sys.argv[1])
print(json.dumps({"usable": report.usable, **{problem.kind: problem.count for problem in report.problems}}))
"""
PEER = """
import json, sys
from datasets import load_dataset
rows = load_dataset("json", data_files=sys.argv[1], cache_dir=sys.argv[2], split="train")
print(json.dumps({"usable": len(rows)}))
"""


class Run(NamedTuple):
    """Seconds by the clock and of the processor, bytes held at most, and what was printed."""

    wall: float
    cpu: float
    peak: int
    found: dict[str, int]


def make_file(path: Path, records: int) -> tuple[int, int]:
    """Write the records; returns how many are exact and how many are near-copies of others. The same for the same number."""
    dice = random.Random(7)
    words = [
        f"{a}{b}{c}"
        for a in ("ka", "lo", "mi", "ne", "su", "ta", "vor", "zen")
        for b in "aeiou"
        for c in ("", "r", "n", "st", "ling", "mer", "dok", "pra", "t", "sh")
    ]
    copies = near = 0
    kept: list[list[str]] = []
    with path.open("w", encoding="utf-8") as stream:
        for number in range(records):
            kind = number % ONE_IN
            if kind == 0 and len(kept) > 10:
                texts = dice.choice(kept)
                copies += 1
            elif kind == 1 and len(kept) > 10:
                texts = [_changed(text, words, dice) for text in dice.choice(kept)]
                near += 1
            else:
                texts = [
                    " ".join(dice.choices(words, k=size))
                    for size in ((18, 120), (12, 60, 10, 50), (15, 100))[number % 3]
                ]
                if kind == 2 and len(kept) < 20_000:
                    kept.append(texts)
            turns = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(texts)]
            stream.write(
                json.dumps(
                    {
                        "messages": [{"role": "system", "content": "You answer kindly and to the point."}, *turns],
                        "topic": f"topic {number % 9}",
                    }
                )
                + "\n"
            )
    return copies, near


def _changed(text: str, words: list[str], dice: random.Random) -> str:
    """Return the text with one word in forty replaced."""
    parts = text.split()
    for _ in range(len(parts) // 40):
        parts[dice.randrange(len(parts))] = dice.choice(words)
    return " ".join(parts)


def measure(code: str, *arguments: str) -> Run:
    """Run a piece of Python in a process of its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, env=environment, cwd=ROOT
    )
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"a run ended with {process.returncode}")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Run(time.monotonic() - began, usage.ru_utime + usage.ru_stime, peak, json.loads(printed.splitlines()[-1]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="20,000 records")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    records = 20_000 if given.quick else given.records
    ours, peer = [], []
    with tempfile.TemporaryDirectory(prefix="brightrun-bench-") as scratch:
        path = given.file or Path(scratch) / "records.jsonl"
        copies, near = make_file(path, records)
        size = path.stat().st_size
        for run in range(given.runs):
            ours.append(measure(OURS, str(path)))
            peer.append(measure(PEER, str(path), str(Path(scratch) / f"cache-{run}")))
    found = ours[-1].found
    rows: list[dict[str, Any]] = [
        _row(
            "records a second of processor time", "1/s", records, [run.cpu for run in ours], [run.cpu for run in peer]
        ),
        _row("records a second by the clock", "1/s", records, [run.wall for run in ours], [run.wall for run in peer]),
        {
            "what": "memory at most",
            "unit": "MB",
            "ours": round(statistics.median(run.peak for run in ours) / 1e6),
            "peer": round(statistics.median(run.peak for run in peer) / 1e6),
        },
        {"what": f"exact copies found, of {copies:,}", "unit": "", "ours": found.get("duplicate", 0), "peer": None},
        {"what": f"near-copies found, of {near:,}", "unit": "", "ours": found.get("near_copy", 0), "peer": None},
    ]
    about = f"{records:,} records, {size / 1e6:,.0f} MB"
    if given.json:
        print(
            json.dumps(
                {
                    "name": "million",
                    "machine": f"{os.cpu_count()} cores",
                    "about": about,
                    "rows": [{**row, "peer_name": "datasets.load_dataset"} for row in rows],
                }
            )
        )
        return 0
    print(f"{about}\n{'':<40}{'ours':>10}{'load_dataset':>14}")
    for row in rows:
        peers = "" if row["peer"] is None else f"{row['peer']:,}"
        print(f"{row['what']:<40}{row['ours']:>10,}{peers:>14} {row['unit']}")
    return 0


def _row(what: str, unit: str, records: int, ours: list[float], peer: list[float]) -> dict[str, Any]:
    return {
        "what": what,
        "unit": unit,
        "ours": round(records / statistics.median(ours)),
        "peer": round(records / statistics.median(peer)),
    }


if __name__ == "__main__":
    sys.exit(main())
