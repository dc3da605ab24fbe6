"""Runs side by side: their facts, curves and answers, read from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brightrun_tui.domain.events import Sample
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.run_compare import ComparedRow, compare, names
from brightrun_tui.store import Database, events, metrics, runs
from brightrun_tui.tui.curve import Curve

CURVES = ("eval_loss", "train_loss")
"""Metrics that are drawn over one another."""


@dataclass(frozen=True)
class AnsweredPrompt:
    """What was asked, what was wanted, and the newest answer of each run; empty where a run was not asked that."""

    prompt: tuple[str, ...]
    reference: str
    answers: tuple[str, ...]
    base: str = ""


@dataclass(frozen=True)
class ComparedRuns:
    """``names``, ``curves`` and the values of the rows are in the order of the runs."""

    runs: tuple[Run, ...]
    names: tuple[str, ...]
    rows: tuple[ComparedRow, ...]
    curves: tuple[Mapping[str, Curve], ...] = ()
    answers: tuple[AnsweredPrompt, ...] = ()


def facts_of(runs: Sequence[Run]) -> ComparedRuns:
    """Return what is known of them without reading anything."""
    return ComparedRuns(tuple(runs), names(runs), compare(runs))


async def read(db: Database, runs: Sequence[Run]) -> ComparedRuns:
    """Read runs with their curves and answers. Raises `BrightrunError`."""
    curves, answers = [], []
    for run in runs:
        curves.append(await _curves(db, run))
        said = await events.read(db, run.id, kinds=("sample",))
        answers.append([event.body for event in said if isinstance(event.body, Sample)])
    known = facts_of(runs)
    return ComparedRuns(known.runs, known.names, known.rows, tuple(curves), _side_by_side(answers))


async def _curves(db: Database, run: Run) -> Mapping[str, Curve]:
    mark, first = await metrics.overview(db, run.id)
    curves = {name: Curve() for name in CURVES}
    for name, curve in curves.items():
        curve.extend(first.get(name, []))
    for point in (await metrics.changes(db, run.id, mark)).points:
        if point.name in curves:
            curves[point.name].add(point.step, point.value, point.time)
    now = await runs.readable(db, run.id) or run
    for name, curve in curves.items():
        curve.go_back(now.upto(name))
    return curves


def _side_by_side(samples: Sequence[Sequence[Sample]]) -> tuple[AnsweredPrompt, ...]:
    """Return prompts that two runs or more were asked, the newest answer of each."""
    asked: dict[tuple[str, ...], dict[int, Sample]] = {}
    base: dict[tuple[str, ...], str] = {}
    for place, said in enumerate(samples):
        for sample in said:
            prompt = tuple(turn.content for turn in sample.prompt)
            if sample.source == "base":
                base.setdefault(prompt, sample.answer)
            else:
                asked.setdefault(prompt, {})[place] = sample
    return tuple(
        AnsweredPrompt(
            prompt,
            next((one.reference for one in found.values() if one.reference), ""),
            tuple(found[place].answer if place in found else "" for place in range(len(samples))),
            base.get(prompt, ""),
        )
        for prompt, found in asked.items()
        if len(found) > 1
    )
