#!/usr/bin/env python3
"""Does the first run come out usable? Small datasets of many kinds × every template that ships, defaults untouched.

    scripts/bench/first_try.py [--only DATASET/TEMPLATE …] [--base MODEL] [--home DIRECTORY] [--jobs N] [--seed N]
                               [--seeds N] [--keep] [--json]

Each cell is a real run: planned as ``brightrun train DATA --base MODEL --template NAME`` plans it, prepared as the engine
prepares it, trained by the worker in a process of its own. A cell is right when the tuned model beats the base on
records held out of training and its answers end by themselves. ``--only`` takes patterns, such as ``qa/*`` or ``*/quick``.
``--base`` is any base model, ``small`` (the default) the one of 1.2 million weights that the tests train: made once, in a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.model import Report
from brightrun_tui.domain.run import Run, RunSpec
from brightrun_tui.orchestrator.prepare import prepare
from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.planning.bases import fetch_base
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.plan import make_plan, make_spec
from brightrun_tui.planning.templates import load_templates
from scripts.bench.first_try_data import DATASETS, make_records
from tests.small_model import kept_small_model

GOAL = 0.95
ENDS = 0.9
"""Share of the sample answers that must end by themselves."""
TIMEOUT = 3600.0


@dataclass(frozen=True)
class Cell:
    """One run. Losses in nats a supervised token on held-out records; ``ended``: share of sample answers of the tuned model.

    ``credit``: share of right answers (partly right ones half) of the tuned model, the base model and the constant answer.
    """

    dataset: str
    template: str
    seed: int
    seconds: float
    base: float = 0.0
    tuned: float = 0.0
    ended: float = 0.0
    answers: int = 0
    grade: str = "failed"
    reasons: tuple[str, ...] = ()
    steps: int = 0
    planned_steps: int = 0
    planned_seconds: float = 0.0
    sample: tuple[str, str, str] = ("", "", "")
    style: str = ""
    content: str = ""
    credit: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def name(self) -> str:
        return f"{self.dataset}/{self.template}" + (f" (seed {self.seed})" if self.seed else "")

    @property
    def better(self) -> bool:
        return self.grade != "failed" and self.tuned < self.base

    @property
    def ends(self) -> bool:
        return self.grade != "failed" and self.ended >= ENDS

    @property
    def styled(self) -> bool:
        return self.style == "good"

    @property
    def above_floor(self) -> bool:
        """More answers right than if the same were always said."""
        return self.grade != "failed" and self.credit[0] > self.credit[2]

    @property
    def right(self) -> bool:
        return self.better and self.ends


def run_cell(dataset: str, template: str, seed: int, base: str, folder: Path, paths: Paths, keep: bool) -> Cell:
    """Plan, prepare, train, read the report card."""
    began = time.monotonic()
    data = folder / f"{dataset}-{seed}.jsonl"
    plan = make_plan(Draft(name=f"{dataset}-{template}-{seed}", data=str(data), base=base, template=template), paths)
    try:
        spec = make_spec(plan)
        directory = paths.run_directory(spec.run_id)
        prepare(_run(spec, directory), paths, lambda what: None)
    except BrightrunError as error:
        return Cell(dataset, template, seed, time.monotonic() - began, reasons=(f"refused before the start: {error}",))
    try:
        with (directory / "worker.log").open("wb") as log:
            subprocess.run(
                [sys.executable, "-m", "brightrun_tui.trainer", str(directory)],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                timeout=TIMEOUT,
                check=False,
            )
        if not (directory / "manifest.json").is_file():
            return Cell(dataset, template, seed, time.monotonic() - began, reasons=(_failure(directory),))
        report = Report.model_validate_json((directory / "report.json").read_bytes())
        shown = report.samples[0] if report.samples else None
        return Cell(
            dataset,
            template,
            seed,
            time.monotonic() - began,
            report.base.loss,
            report.tuned.loss,
            report.scores["ended"]["tuned"],
            report.scores["answers"],
            report.verdict.grade,
            (report.verdict.summary, *report.verdict.reasons),
            report.training.steps,
            plan.estimate.steps if plan.estimate else 0,
            plan.estimate.seconds if plan.estimate else 0.0,
            (shown.reference, shown.base, shown.tuned) if shown else ("", "", ""),
            report.verdict.style or "",
            report.verdict.content or "not known",
            _credit(report),
        )
    finally:
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)


def _credit(report: Report) -> tuple[float, float, float]:
    content = report.scores.get("content", {})
    return content.get("tuned", 0.0), content.get("base", 0.0), content.get("floor", 0.0)


def _run(spec: RunSpec, directory: Path) -> Run:
    return Run(
        id=spec.run_id,
        name=spec.name,
        state="preparing",
        spec=spec,
        directory=str(directory),
        created_at=spec.created_at,
        updated_at=spec.created_at,
    )


def _failure(directory: Path) -> str:
    """Return the worker's own words."""
    try:
        events = [json.loads(line) for line in (directory / "events.jsonl").read_text("utf-8").splitlines()]
    except (OSError, ValueError):
        events = []
    failed = next((event for event in reversed(events) if event["kind"] == "failed"), None)
    return (
        f"the run failed: {failed['cause']}"
        if failed
        else f"the worker ended without a word, see {directory}/worker.log"
    )


def play(
    wanted: list[tuple[str, str, int]], base: str, folder: Path, paths: Paths, jobs: int, keep: bool
) -> list[Cell]:
    """Run all cells, telling each as it ends."""
    cells: list[Cell] = []

    def one(cell: tuple[str, str, int]) -> Cell:
        done = run_cell(*cell, base, folder, paths, keep)
        cells.append(done)
        mark = "✓" if done.right else "✗"
        print(
            f"{len(cells):4}/{len(wanted)}  {mark} {done.name:32} {describe(done):66} {done.steps:4} steps "
            f"{done.seconds:5.0f} s",
            file=sys.stderr,
            flush=True,
        )
        return done

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, wanted))


def describe(cell: Cell) -> str:
    """Describe a cell in one line: ``2.31 → 0.45, 100 % end, good``."""
    if cell.grade == "failed":
        return "failed"
    right, before, floor = (f"{share:.0%}" for share in cell.credit)
    return (
        f"{cell.base:.2f} → {cell.tuned:.2f}, {cell.ended:.0%} end, {right} right (base {before}, floor {floor}), "
        f"{cell.grade}"
    )


def table(cells: list[Cell], templates: list[str]) -> str:
    """Return the matrix in Markdown. One cell: loss of base → tuned, share of answers that end; right answers, the
    base's and the floor's; grade.
    """
    rows = [["dataset", *templates], ["---"] * (len(templates) + 1)]
    seeds = {cell.seed for cell in cells}
    for dataset in DATASETS:
        for seed in sorted(seeds):
            found = {c.template: c for c in cells if c.dataset == dataset and c.seed == seed}
            if found:
                row = [dataset + (f" ({seed})" if len(seeds) > 1 else "")]
                rows.append([*row, *(_short(found[name]) if name in found else "" for name in templates)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in rows
    )


def _short(cell: Cell) -> str:
    if cell.grade == "failed":
        return "✗ failed"
    right = "/".join(f"{share:.0%}" for share in cell.credit)
    return f"{'' if cell.right else '✗ '}{cell.base:.2f} → {cell.tuned:.2f} {cell.ended:.0%}; {right} {cell.grade}"


def totals(cells: list[Cell], minutes: float) -> list[tuple[str, str]]:
    """Add up the whole matrix."""
    right, better, ends = (sum(getattr(cell, what) for cell in cells) for what in ("right", "better", "ends"))
    share = right / len(cells)
    verdict = "met" if share >= GOAL else "missed"
    grades = Counter(cell.grade for cell in cells)
    return [
        ("cells", f"{len(cells)}, in {minutes:.0f} minutes"),
        ("tuned better than base, and answers end", f"{right} ({share:.1%}); goal {GOAL:.0%}: {verdict}"),
        ("tuned better than base on held-out records", f"{better}"),
        (f"at least {ENDS:.0%} of the answers end", f"{ends}"),
        ("style good", f"{sum(cell.styled for cell in cells)} ({sum(cell.styled for cell in cells) / len(cells):.1%})"),
        (
            "more answers right than the best constant one",
            f"{sum(cell.above_floor for cell in cells)} ({sum(cell.above_floor for cell in cells) / len(cells):.1%})",
        ),
        (
            "verdicts",
            ", ".join(f"{grades[grade]} {grade}" for grade in ("good", "mixed", "poor", "failed") if grades[grade]),
        ),
    ]


def fetch(base: str, paths: Paths) -> str:
    """Fetch the base model to this machine, and return the name by which a run knows it."""
    said: set[str] = set()

    def tell(what: str, _fraction: float) -> None:
        head = what.split(":")[0]
        if head not in said:
            said.add(head)
            print(f"base model: {head}", file=sys.stderr, flush=True)

    if base == "small":
        return str(kept_small_model(lambda fraction, what: tell(what, fraction)))
    return fetch_base(base, paths, tell).id


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", action="extend", metavar="DATASET/TEMPLATE", help="patterns")
    parser.add_argument("--base", default="small", metavar="MODEL", help="“small”, or what train takes as --base")
    parser.add_argument("--home", type=Path, help="BRIGHTRUN_HOME to use and to keep")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time, a thread each")
    parser.add_argument("--seeds", type=int, default=1, help="versions of every dataset")
    parser.add_argument(
        "--seed", type=int, default=0, help="the first version; trainer and templates were tuned with 0"
    )
    parser.add_argument("--keep", action="store_true", help="leave the run directories (below --home)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["BRIGHTRUN_HOME"] = str((arguments.home or Path(scratch) / "home").absolute())
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        paths = get_paths()
        templates = [template.name for template in load_templates(paths)[0]]
        seeds = range(arguments.seed, arguments.seed + arguments.seeds)
        wanted = [
            (dataset, template, seed)
            for seed in seeds
            for dataset in DATASETS
            for template in templates
            if any(fnmatch(f"{dataset}/{template}", pattern) for pattern in arguments.only or ["*"])
        ]
        if not wanted:
            parser.error(f"--only: datasets are {', '.join(DATASETS)}; templates are {', '.join(templates)}")
        for dataset, _, seed in wanted:
            lines = [json.dumps(record, ensure_ascii=False) for record in make_records(dataset, seed)]
            (Path(scratch) / f"{dataset}-{seed}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        base = fetch(arguments.base, paths)
        began = time.monotonic()
        cells = play(wanted, base, Path(scratch), paths, arguments.jobs, arguments.keep)
    minutes = (time.monotonic() - began) / 60
    wrong = [cell for cell in cells if not cell.right]
    if arguments.json:
        machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
        rows = [
            {
                "what": cell.name,
                "unit": "nats",
                "ours": cell.tuned,
                "peer": cell.base,
                "peer_name": "base model",
                "ratio": cell.tuned / cell.base if cell.base else None,
                "goal": "tuned < base, answers end",
                "met": cell.right,
                **asdict(cell),
            }
            for cell in cells
        ]
        print(
            json.dumps({"name": "first_try", "machine": machine, "minutes": minutes, "rows": rows}, ensure_ascii=False)
        )
    else:
        print(table(cells, [name for name in templates if any(cell.template == name for cell in cells)]), end="\n\n")
        for what, value in totals(cells, minutes):
            print(f"{what:46} {value}")
        for cell in wrong:
            print(f"\n✗ {cell.name}: {describe(cell)}", *cell.reasons, sep="\n    ")
    return int(len(wrong) > (1 - GOAL) * len(cells))


if __name__ == "__main__":
    sys.exit(main())
