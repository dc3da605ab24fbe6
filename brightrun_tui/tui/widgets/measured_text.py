"""Measurements in words: boards of versions, and what a version was measured to be worth later."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from brightrun_tui.domain import humanize
from brightrun_tui.domain.evaluation import Evaluation
from brightrun_tui.registry import Board, Standing, bounds_words, judging_words, loss_of, share_right
from brightrun_tui.registry.leaderboard import LEVEL_WITH_FIRST
from brightrun_tui.tui.widgets import cells, reflow

NONE_YET = "Nothing was measured yet. Versions come here with their report cards; E measures them on other data."
_PLACE, _REF, _LOSS, _RIGHT = 5, 30, 25, 19


def boards_text(boards: Sequence[Board], width: int) -> reflow.Lines:
    """Return one table a board: place, version, loss and share of right answers, each with its bounds."""
    if not boards:
        return reflow.text(NONE_YET, width, "$muted")
    lines: reflow.Lines = []
    for board in boards:
        lines += [Content("")] if lines else []
        title = f"{cells.plain(board.dataset)} · {board.records:,} records"
        lines += reflow.heading(title, width, f"ordered by {board.by}")
        if board.note:
            lines += reflow.marked(reflow.text(board.note, width - 2, "$warning"), 2, "!", "bold $warning")
        ref = max(12, min(_REF, width - _PLACE - _LOSS - _RIGHT))
        head = f"{'':{_PLACE + ref}}{'loss, 95%':{_LOSS}}answers right"
        lines.append(Content.styled(head, "$muted").truncate(width, ellipsis=True))
        lines += [
            _standing(place, each, ref).truncate(width, ellipsis=True) for place, each in enumerate(board.standings, 1)
        ]
    if any(each.level for board in boards for each in board.standings):
        lines += [Content(""), *reflow.text(LEVEL_WITH_FIRST, width, "$muted")]
    if any(each.elsewhere for board in boards for each in board.standings):
        told = "?: it came with these numbers, and nobody here has measured them; E in the Registry does"
        lines += [Content(""), *reflow.text(told, width, "$warning")]
    return lines


def _standing(place: int, each: Standing, ref: int) -> Content:
    mark = "★ " if each.champion else ""
    doubt = " ?" if each.elsewhere else ""
    said = f"{mark}{cells.fit_ref(each.ref, ref - 1 - len(mark) - len(doubt)).rstrip()}{doubt}"
    name = Content.styled(cells.fit(said, ref - 1), "bold $accent" if each.champion else "bold")
    right = f"{each.right.value:.0%}" if each.right else "–"
    return Content.assemble(
        (f"{place:>2}{' =' if each.level else ''}".ljust(_PLACE), "$success" if place == 1 else "$muted"),
        name,
        " ",
        _with_bounds(f"{each.loss.value:.3f}", bounds_words(each.loss, ".3f"), _LOSS),
        _with_bounds(right, bounds_words(each.right, ".0%"), _RIGHT),
    )


def _with_bounds(value: str, bounds: str, width: int) -> Content:
    shown = Content.assemble(value, (f"  {bounds}" if bounds != "–" else "", "$muted"))
    return Content.assemble(shown, " " * max(0, width - shown.cell_length))


def measured_again(found: Sequence[Evaluation], width: int) -> reflow.Lines:
    """Return a heading, and some lines for each measurement; nothing if there are none."""
    if not found:
        return []
    lines = [Content(""), *reflow.heading("Measured again", width, "E measures on other data")]
    for each in found:
        loss, right = loss_of(each.tuned, each.scores), share_right(each.samples)
        said = f"loss {loss.value:.3f} ({bounds_words(loss, '.3f')}), base {each.base.loss:.3f}"
        if right:
            said += f"; {right.value:.0%} of {len(each.samples)} answers right ({bounds_words(right, '.0%')})"
        lines += reflow.pair(humanize.day(each.created_at), f"{cells.plain(each.dataset_name)}: {said}", width, 11)
        lines += reflow.pair("", Content.styled(f"on {judging_words(each.judging)}", "$muted"), width, 11)
    return lines
