"""Runs side by side, in words and curves."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from brightrun_tui.domain import humanize
from brightrun_tui.tui.compared_runs import ComparedRuns
from brightrun_tui.tui.widgets import cells, reflow
from brightrun_tui.tui.widgets.answer_text import prompt_lines
from brightrun_tui.tui.widgets.chart import OTHERS, Line, View, draw

ROLES = ("train", *OTHERS)
"""Of the runs, in their order; so many can be told apart in one picture."""
STYLES = {
    "train": "$curve-train",
    "axis": "$muted",
    "mark": "$accent",
    "other-1": "$success",
    "other-2": "$warning",
    "other-3": "$secondary",
    "other-4": "$error",
}
TITLES = {"eval_loss": "Held-out loss", "train_loss": "Training loss"}
CHART_HEIGHT = 11


def compared(found: ComparedRuns, width: int) -> reflow.Lines:
    """Show facts with the best of each marked, settings that differ, curves over one another, answers side by side."""
    lines = _facts(found, width)
    for metric, title in TITLES.items():
        lines += _chart(found, metric, title, width)
    if found.answers:
        lines += [Content(""), *reflow.heading("Answers", width, "the newest of each run")]
        lines += _answers(found, width)
    return lines


def _facts(found: ComparedRuns, width: int) -> reflow.Lines:
    label = 24 if width > 70 else 20
    column = max(8, (width - label) // len(found.runs) - 1)

    def row(title: str, values: Sequence[Content]) -> Content:
        parts = [Content.styled(f"{cells.fit(title, label - 1)} ", "$muted")]
        for value in values:
            cut = value.truncate(column, ellipsis=True)
            parts += [cut.pad_right(column - cut.cell_length), Content(" ")]
        return Content("").join(parts)

    lines = [
        row(
            "",
            [Content.styled(cells.one_line(n), f"bold {STYLES[r]}") for n, r in zip(found.names, ROLES, strict=False)],
        )
    ]
    group = ""
    for fact in found.rows:
        if fact.group != group:
            group = fact.group
            lines += [Content(""), *reflow.heading(group, width)]
        values = [
            Content.styled(
                ("★ " if place in fact.best else "") + cells.one_line(value),
                "bold $success" if place in fact.best else "" if fact.differs else "$muted",
            )
            for place, value in enumerate(fact.values)
        ]
        lines.append(row(fact.label, values))
    return lines


def _chart(found: ComparedRuns, metric: str, title: str, width: int) -> reflow.Lines:
    drawn = [
        Line(role, curve.steps, curve.lows, curve.highs, cells.fit(name, min(16, len(name))))
        for role, name, curves in zip(ROLES, found.names, found.curves, strict=False)
        if (curve := curves.get(metric)) is not None and curve.steps
    ]
    if len(drawn) < 2:
        return []
    picture = draw(drawn, width, CHART_HEIGHT, View())
    peak = f"an early peak of {humanize.loss(picture.left_out)} is left out" if picture.left_out is not None else ""
    rows = [Content.assemble(*((text, STYLES.get(role, "")) for role, text in row)) for row in picture.rows]
    return [Content(""), *reflow.heading(title, width, peak), *rows]


def _answers(found: ComparedRuns, width: int) -> reflow.Lines:
    lines: reflow.Lines = []
    for one in found.answers:
        lines += prompt_lines(one.prompt, width)
        blocks = [
            [
                Content.styled(cells.one_line(name), f"bold {STYLES[role]}"),
                *_said(answer, reflow.column_width(width - 2)),
            ]
            for role, name, answer in zip(ROLES, found.names, one.answers, strict=False)
        ]
        lines += reflow.indented(reflow.by_two(blocks, width - 2))
        if one.reference:
            wanted = [Content.styled("wanted", "$success"), *reflow.text(cells.plain(one.reference), width - 2)]
            lines += reflow.indented(wanted)
        lines.append(Content(""))
    return lines


def _said(answer: str, width: int) -> reflow.Lines:
    return reflow.text(cells.plain(answer) or humanize.NOTHING, width)
