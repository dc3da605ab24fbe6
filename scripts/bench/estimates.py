#!/usr/bin/env python3
"""How near is the estimate? Real runs of several shapes, each beside what was expected of its time and its memory.

    scripts/bench/estimates.py [--only PATTERN …] [--base NAME=DIRECTORY …] [--steps N] [--quick] [--json]

Shapes are BASE/DATA/MICRO-BATCH/HELD-OUT, such as ``small/short/0/8``; ``--only`` takes patterns of them (``starter/*``).
``small`` is the model of 1.2 million weights that the tests train, ``starter`` the one of `brightrun bases`.
Each run is planned twice: by the formula alone, and corrected by a probe of the base, as before a first run, and by the rows
above it. *Others*: processors that other programs kept busy meanwhile; where that is much, the machine was not the one that
was reckoned with.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from itertools import product
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from brightrun_tui.domain.model import Report, TrainingFacts
from brightrun_tui.domain.money import Estimate
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.time_parts import PARTS, TimeParts
from brightrun_tui.orchestrator.prepare import prepare
from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.planning import machine_speed
from brightrun_tui.planning.bases import fetch_base
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.estimate import estimate
from brightrun_tui.planning.learning import Measured
from brightrun_tui.planning.measured import measured_of, measured_runs
from brightrun_tui.planning.plan import make_plan, make_spec
from brightrun_tui.store.history import PastRun
from tests.small_model import kept_small_model

TIME_GOAL, MEMORY_GOAL = 0.25, 0.15
WORDS = (
    "the order left our warehouse on monday and will arrive within three days please keep the number for later".split()
)
SHAPES = {"short": (12, 20), "long": (20, 350), "prompt-heavy": (500, 15)}
"""Words of question and answer."""
QUICK = ("*/short/0/8",)


@dataclass(frozen=True)
class Row:
    """One run. Seconds and bytes; ``others`` in processors."""

    what: str
    by_formula: float
    expected: float
    low: float
    high: float
    took: TimeParts
    expected_parts: TimeParts
    memory_expected: int
    memory: int
    others: float

    @property
    def time_error(self) -> float:
        return self.expected / self.took.total - 1

    @property
    def memory_error(self) -> float:
        return self.memory_expected / self.memory - 1


def write_data(path: Path, question: int, answer: int, count: int) -> Path:
    """Write records whose lengths vary by half around so many words."""
    lines = []
    for number in range(count):
        scale = 0.75 + (number * 7 % 11) / 20
        turn = [
            " ".join(WORDS[(number * 3 + i * 5) % len(WORDS)] for i in range(max(2, int(size * scale))))
            for size in (question, answer)
        ]
        lines.append(
            json.dumps(
                {
                    "messages": [
                        {"role": "user", "content": f"{number}: {turn[0]}?"},
                        {"role": "assistant", "content": f"{turn[1]}."},
                    ]
                }
            )
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def measure(
    what: str, base: str, data: Path, micro: int, held_out: int, steps: int, paths: Paths, known: list[Measured]
) -> tuple[Row, Measured | None]:
    """Plan, prepare, train; what came of it, and what it teaches."""
    draft = Draft(
        name="estimates",
        data=str(data),
        base=base,
        overrides={
            "training.max_steps": steps,
            "training.batch_size": 8,
            "training.micro_batch_size": micro,
            "data.eval_fraction": 0.5,
            "data.eval_max_records": held_out,
            "evaluation.sample_prompts": 2,
        },
    )
    plan = make_plan(draft, paths)
    spec = make_spec(plan)
    assert plan.base and plan.report and plan.estimate
    if machine_speed.is_unknown(plan, paths):
        asyncio.run(machine_speed.measure(plan, paths))
    formula: Estimate = estimate(plan.base, plan.report, plan.settings, plan.hardware)
    shown = [*measured_runs(plan.hardware, paths, plan.base), *known]
    expected = estimate(plan.base, plan.report, plan.settings, plan.hardware, known=shown)
    directory = paths.run_directory(spec.run_id)
    prepare(
        Run(
            id=spec.run_id,
            name=spec.name,
            state="preparing",
            spec=spec,
            directory=str(directory),
            created_at=spec.created_at,
            updated_at=spec.created_at,
        ),
        paths,
        lambda what: None,
    )
    before = psutil.cpu_times()
    with (directory / "worker.log").open("wb") as log:
        command = [sys.executable, "-m", "brightrun_tui.trainer", str(directory)]
        worker = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)
        _, code, used = os.wait4(worker.pid, 0)
    after = psutil.cpu_times()
    if code:
        raise SystemExit(f"{what} failed: see {directory}/worker.log")
    facts: TrainingFacts = Report.model_validate_json((directory / "report.json").read_bytes()).training
    shutil.rmtree(directory)
    assert facts.spent
    busy = sum(getattr(after, kind) - getattr(before, kind) for kind in ("user", "nice", "system"))
    busy -= used.ru_utime + used.ru_stime
    row = Row(
        what,
        formula.seconds,
        expected.seconds,
        expected.seconds_low,
        expected.seconds_high,
        facts.spent,
        expected.parts,
        expected.memory,
        facts.peak_memory,
        max(0.0, busy) / facts.spent.total,
    )
    return row, measured_of(PastRun(base=spec.base, estimate=formula, training=facts))


def table(rows: list[Row]) -> str:
    """Return the table in Markdown; the parts as expected → taken."""
    head = ["run", "formula", "expected", "took", "time", *PARTS, "memory expected", "memory", "", "others"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        inside = "" if row.low <= row.took.total <= row.high else " (outside its interval)"
        lines.append(
            [
                row.what,
                f"{row.by_formula:.0f} s",
                f"{row.expected:.0f} s",
                f"{row.took.total:.0f} s{inside}",
                f"{row.time_error:+.0%}",
                *(f"{getattr(row.expected_parts, part):.0f} → {getattr(row.took, part):.0f}" for part in PARTS),
                f"{row.memory_expected / 1e9:.2f} GB",
                f"{row.memory / 1e9:.2f} GB",
                f"{row.memory_error:+.0%}",
                f"{row.others:.1f}",
            ]
        )
    near = sum(abs(row.time_error) <= TIME_GOAL for row in rows)
    held = sum(abs(row.memory_error) <= MEMORY_GOAL for row in rows)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + (
        f"\n\n{near} of {len(rows)} within ±{TIME_GOAL:.0%} of the time, {held} within ±{MEMORY_GOAL:.0%} of the memory"
    )


def _directory_of(base: str) -> str:
    return str(kept_small_model()) if base == "small" else fetch_base(base, get_paths(), lambda share, what: None).path


def main() -> int:
    """Run the chosen shapes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=["*"])
    parser.add_argument("--base", nargs="+", default=[], help="NAME=DIRECTORY")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    given = dict(word.split("=", 1) for word in wanted.base)
    patterns = QUICK if wanted.quick else wanted.only
    names = [
        f"{base}/{data}/{micro}/{held_out}"
        for base, data, micro, held_out in product(given or ("small", "starter"), SHAPES, (0, 1, 4), (8, 32))
    ]
    chosen = [name for name in names if any(fnmatch(name, pattern) for pattern in patterns)]
    rows: list[Row] = []
    known: list[Any] = []
    with tempfile.TemporaryDirectory(prefix="brightrun-estimates-") as folder, suppress(KeyboardInterrupt):
        home = Path(folder)
        paths = Paths(home / "config", home / "data", home / "cache", home / "logs")
        for name in chosen:
            base, data, micro, held_out = name.split("/")
            place = given.get(base) or _directory_of(base)
            file = write_data(home / f"{data}.jsonl", *SHAPES[data], 80)
            row, taught = measure(name, place, file, int(micro), int(held_out), wanted.steps, paths, known)
            rows.append(row)
            known += [taught] if taught else []
            print(table([row]).splitlines()[2], file=sys.stderr, flush=True)
    if wanted.json:
        plain = [
            asdict(row) | {"took": row.took.model_dump(), "expected_parts": row.expected_parts.model_dump()}
            for row in rows
        ]
        print(
            json.dumps({"name": "estimates", "machine": f"{os.cpu_count()} cores, {platform.machine()}", "rows": plain})
        )
    else:
        print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
