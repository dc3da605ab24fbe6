"""Versions beside one another, in words."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from brightrun_tui.domain import humanize
from brightrun_tui.registry.compare_many import ManyAnswer, ManyComparison, ManyRow
from brightrun_tui.registry.data_diff import LearntData
from brightrun_tui.tui.widgets import cells, reflow
from brightrun_tui.tui.widgets.answer_text import prompt_lines
from brightrun_tui.tui.widgets.model_text import MEASURE_WIDTH

STYLES = ("$primary", "$accent", "$secondary", "$success", "$warning")
"""Of the names of the versions, in turn."""
FEWEST_CELLS, GAP = 14, 1
"""Of a version's column, and between two of them; those for which there is no room stand in a table of their own below."""


def comparison(found: ManyComparison, width: int) -> reflow.Lines:
    """Show facts and settings of every version, the best value of each line marked; then what they learnt from."""
    lines: reflow.Lines = []
    for caution in found.cautions:
        lines += reflow.marked(reflow.text(caution, width - 2, "$warning"), 2, "!", "bold $warning")
    count = len(found.models)
    tables = -(-count // max(2, (width - MEASURE_WIDTH) // (FEWEST_CELLS + GAP)))
    each = -(-count // tables)
    for first in range(0, count, each):
        lines += [Content("")] if first else []
        lines += _table(found, range(first, min(count, first + each)), width)
    if found.data:
        lines += [Content(""), *reflow.heading("What they learnt from", width)]
        for place, learnt in enumerate(found.data):
            lines += _learnt(learnt, _style(place), width)
    return lines


def _table(found: ManyComparison, places: Sequence[int], width: int) -> reflow.Lines:
    column = max(10, (width - MEASURE_WIDTH) // len(places) - GAP)

    def row(what: str, values: Sequence[tuple[str, str]]) -> Content:
        parts = [(f"{cells.fit(what, MEASURE_WIDTH)} ", "$muted")]
        for value, style in values:
            parts += [(cells.fit(value, column), style), (" " * GAP, "")]
        return Content.assemble(*parts[:-1])

    def values(each: ManyRow) -> list[tuple[str, str]]:
        best = "bold $success"
        return [(f"{each.values[at]} ✓", best) if at == each.best else (each.values[at], "") for at in places]

    lines = [row("", [(fit_ref(found.models[at], column), f"bold {_style(at)}") for at in places])]
    lines += [row(each.what, values(each)) for each in found.facts]
    if found.settings:
        lines += [Content(""), *reflow.heading("Settings that differ", width)]
        lines += [row(each.what, values(each)) for each in found.settings]
    return lines


def _style(place: int) -> str:
    return STYLES[place % len(STYLES)]


def fit_ref(ref: str, width: int) -> str:
    """Return ``name:version`` in so many cells; the version is always to be seen."""
    name, colon, version = ref.rpartition(":")
    tail = f"{colon}{version}"
    return cells.fit(cells.fit(name, max(1, min(len(name), width - len(tail)))) + tail, width)


def _learnt(learnt: LearntData, style: str, width: int) -> reflow.Lines:
    lines = reflow.text(
        Content.assemble((cells.one_line(learnt.ref), f"bold {style}"), "  ", cells.one_line(learnt.words)), width
    )
    for question in learnt.examples:
        lines += reflow.indented(reflow.text(Content.styled(cells.one_line(question), "$muted"), width - 2))
    return lines


def compared_answers(models: Sequence[str], answers: Sequence[ManyAnswer], width: int) -> reflow.Lines:
    """Return prompts that all of them answered, the answers beside one another."""
    lines: reflow.Lines = []
    for each in answers:
        blocks = [
            _said(ref, _style(place), answer, width)
            for place, (ref, answer) in enumerate(zip(models, each.answers, strict=True))
        ]
        if each.wanted:
            blocks.append(_said("wanted", "$success", each.wanted, width))
        lines += [Content(""), *prompt_lines(each.turns, width), *reflow.by_two(blocks, width)]
    return lines


def _said(name: str, style: str, answer: str, width: int) -> reflow.Lines:
    said = cells.plain(answer) or humanize.NOTHING
    return [Content.styled(cells.one_line(name), f"bold {style}"), *reflow.text(said, reflow.column_width(width))]
