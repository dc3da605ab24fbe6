"""The columns of the runs table: what each shows, how wide it is, and by what it sorts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual.content import Content

from brightrun_tui.domain import humanize
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.run_states import STATE_GLYPHS
from brightrun_tui.tui.run_reader import Vitals
from brightrun_tui.tui.widgets import cells
from brightrun_tui.tui.widgets.places import place
from brightrun_tui.tui.widgets.run_text import STATE_STYLE, alarmed, progress

Cell = str | Content


@dataclass(frozen=True)
class RunColumn:
    """``cell`` makes the text; ``sort`` the key, None comes last. Where there is no room, the highest ``rank`` goes first.

    ``words``: the title where there is room for whole words.
    """

    name: str
    title: str
    width: int
    rank: int
    cell: Callable[[Run, Vitals], Cell]
    sort: Callable[[Run], str | float | None]
    left: bool = False
    words: str = ""


FLAT = 0.005
"""Part of a loss by which it must have changed to be called falling or rising."""


def _trend(value: float | None, change: float | None, style: str) -> Content:
    if value is None:
        return Content("")
    arrow = " " if change is None else "→" if abs(change) < FLAT else "↓" if change < 0 else "↑"
    return Content.assemble((humanize.loss(value), style), (f" {arrow}", "$muted"))


def seconds_per_step(run: Run) -> float | None:
    """Return the seconds a step takes by the worker's own estimate of the time left."""
    left = run.total_steps - run.step
    return run.eta_seconds / left if run.eta_seconds and left > 0 and run.state == "running" else None


def _rate(run: Run, _: Vitals) -> str:
    each = seconds_per_step(run)
    if each is None:
        return ""
    if each < 1:
        return f"{1 / each:.1f}/s"
    return f"{each:.{1 if each < 9.95 else 0}f} s each" if each < 1000 else humanize.roughly(each)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


COLUMNS: tuple[RunColumn, ...] = (
    RunColumn(
        "state",
        "State",
        13,
        0,
        lambda run, _: Content.styled(f"{STATE_GLYPHS[run.state]} {run.state}", f"bold {STATE_STYLE[run.state]}"),
        lambda run: run.state,
        left=True,
    ),
    RunColumn("progress", "Progress", 13, 1, lambda run, _: progress(run, 13), lambda run: run.fraction, left=True),
    RunColumn("left", "Left", 10, 2, lambda run, _: _left(run), lambda run: run.eta_seconds, words="Time left"),
    RunColumn("rate", "Speed", 10, 8, _rate, seconds_per_step),
    RunColumn(
        "train",
        "Train",
        8,
        3,
        lambda run, v: _trend(run.train_loss, v.train_trend, "$curve-train"),
        lambda run: run.train_loss,
        words="Training loss",
    ),
    RunColumn(
        "eval",
        "Eval",
        8,
        4,
        lambda run, v: _trend(run.eval_loss, v.eval_trend, "$curve-eval"),
        lambda run: run.eval_loss,
        words="Held-out loss (eval)",
    ),
    RunColumn(
        "best",
        "Best",
        7,
        11,
        lambda run, _: humanize.loss(run.best_eval_loss),
        lambda run: run.best_eval_loss,
        words="Best held-out loss",
    ),
    RunColumn(
        "lr",
        "Lrn rate",
        8,
        9,
        lambda _, v: _number(v.learning_rate),
        lambda run: run.spec.settings.training.learning_rate,
        words="Learning rate",
    ),
    RunColumn("epoch", "Epoch", 9, 10, lambda run, _: _epochs(run), lambda run: run.epoch),
    RunColumn("cost", "Cost", 9, 6, lambda run, _: _cost(run), lambda run: run.cost_usd),
    RunColumn(
        "where",
        "Where",
        14,
        7,
        lambda run, _: run.hardware.device or run.spec.gpu or place(run.spec.provider),
        lambda run: place(run.spec.provider),
        left=True,
    ),
    RunColumn("age", "Age", 10, 5, lambda run, _: _age(run), lambda run: -run.created_at),
    RunColumn("base", "Base", 16, 13, lambda run, _: run.spec.base.id, lambda run: run.spec.base.id, left=True),
    RunColumn(
        "data", "Data", 16, 12, lambda run, _: run.spec.dataset.name, lambda run: run.spec.dataset.name, left=True
    ),
)
BY_NAME = {column.name: column for column in COLUMNS}
NAME_WIDTH = 18
"""Cells that the name of a run has at least."""
SORTS: dict[str, tuple[str, Callable[[Run], str | float | None]]] = {
    "name": ("Name", lambda run: run.name.casefold()),
    **{column.name: (column.words or column.title, column.sort) for column in COLUMNS},
}
GROUPS: dict[str, tuple[str, Callable[[Run], str]]] = {
    "name": ("Name", lambda run: run.name),
    "state": ("State", lambda run: run.state),
    "data": ("Dataset", lambda run: run.spec.dataset.name),
    "base": ("Base model", lambda run: run.spec.base.id),
    "sweep": ("Sweep", lambda run: f"sweep {run.spec.group}" if run.spec.group else "no sweep"),
    "project": ("Project", lambda run: run.spec.project or "no project"),
}


def columns_for(width: int, wanted: Sequence[str] = ()) -> tuple[RunColumn, ...]:
    """Return those that fit beside the name: the wanted ones in their order, or by rank; at least the state."""
    chosen = [BY_NAME[name] for name in wanted if name in BY_NAME] or list(COLUMNS)
    room = width - NAME_WIDTH - 2
    kept: set[str] = set()
    for column in chosen if wanted else sorted(chosen, key=lambda one: one.rank):
        if column.width + 1 > room:
            break
        room -= column.width + 1
        kept.add(column.name)
    return tuple(column for column in chosen if column.name in kept)


def heading(width: int, wanted: Sequence[str], sort: str, reverse: bool) -> Content:
    """Return the names of the columns; the one that sorts has an arrow."""
    parts = [_titled("Name", "name", sort, reverse, name_width(width, wanted) + 2, left=True)]
    parts += [
        _titled(one.title, one.name, sort, reverse, one.width, left=one.left) for one in columns_for(width, wanted)
    ]
    return Content.styled(" ".join(parts), "bold $muted")


def _titled(title: str, name: str, sort: str, reverse: bool, width: int, *, left: bool) -> str:
    text = f"{title}{('▼' if reverse else '▲') if name == sort else ''}"
    return cells.fit(text, width) if left else text.rjust(width)[:width]


def name_width(width: int, wanted: Sequence[str]) -> int:
    """Return the cells for the name: what the columns leave."""
    return max(8, width - 2 - sum(one.width + 1 for one in columns_for(width, wanted)))


def column_at(x: int, width: int, wanted: Sequence[str]) -> str:
    """Return the column that a click on the heading means."""
    edge = name_width(width, wanted) + 3
    if x < edge:
        return "name"
    for column in columns_for(width, wanted):
        edge += column.width + 1
        if x < edge:
            return column.name
    return "name"


def table_row(
    run: Run, vitals: Vitals, width: int, *, wanted: Sequence[str], mark: str, silent: bool, alert: str
) -> Content:
    """Return one line: a mark, the name, the columns. ``silent``: nothing was heard of a run that should be working;
    ``alert``: the level of what is wrong with it.
    """
    parts: list[Content | str] = [
        Content.styled(f"{mark or ' '} ", "bold $accent"),
        Content.styled(cells.fit(run.name, name_width(width, wanted)), "bold"),
    ]
    for column in columns_for(width, wanted):
        made = "silent" if silent and column.name == "left" else column.cell(run, vitals)
        text = made if isinstance(made, Content) else Content(cells.one_line(made))
        text = alarmed(text, alert) if column.name == "state" else text
        text = text.truncate(column.width, ellipsis=True)
        gap = max(0, column.width - text.cell_length)
        parts += [" ", text.pad_right(gap) if column.left else text.pad_left(gap)]
    line = Content("").join([part if isinstance(part, Content) else Content(part) for part in parts])
    return line.stylize("dim") if silent else line


def _left(run: Run) -> str:
    return humanize.roughly(run.eta_seconds) if run.active and run.eta_seconds is not None else ""


def _epochs(run: Run) -> str:
    return f"{run.epoch:.1f}/{run.spec.settings.training.epochs:g}" if run.epoch else ""


def _cost(run: Run) -> str:
    return humanize.money(run.cost_usd) if run.cost_usd else "free" if run.spec.here else ""


def _age(run: Run) -> str:
    return (
        humanize.roughly(time.time() - run.created_at)
        if run.active
        else humanize.day(run.finished_at or run.created_at)
    )
