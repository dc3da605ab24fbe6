"""Prompts and the answers to them, side by side: while a run trains, and on a report card."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from brightrun_tui.domain import humanize
from brightrun_tui.domain.events import Sample
from brightrun_tui.tui.snapshot import RunDetail
from brightrun_tui.tui.widgets import cells, reflow


def answers(detail: RunDetail | None, width: int, *, waits: bool = True) -> reflow.Lines:
    """Return sample answers: for each prompt the base model's, the newest of the tuned one, and what was wanted.

    ``waits``: whether there may be some later, where there are none yet.
    """
    if detail is None or not detail.samples:
        hint = "Sample answers appear at the first evaluation." if waits else "It ended before it answered anything."
        return [Content.styled(hint, "$faint")]
    by_prompt: dict[str, dict[str, Sample]] = {}
    for event in detail.samples:
        by_prompt.setdefault(event.body.id, {})[event.body.source] = event.body
    lines: reflow.Lines = []
    for found in by_prompt.values():
        some = next(iter(found.values()))
        if lines:
            lines.append(Content(""))
        lines += prompt_lines([turn.content for turn in some.prompt], width)
        base, tuned = found.get("base"), found.get("tuned")
        lines += compare_answers(
            base.answer if base else "",
            tuned.answer if tuned else "",
            some.reference,
            width,
            tuned_note=f"step {tuned.step}" if tuned else "not yet",
        )
    return lines


def prompt_lines(turns: Sequence[str], width: int) -> reflow.Lines:
    """Return the last turn of a prompt; earlier ones only as a count."""
    if not turns:
        return []
    note = f"  ({len(turns) - 1} turn{'s' if len(turns) > 2 else ''} before)" if len(turns) > 1 else ""
    body = reflow.text(Content.assemble((cells.plain(turns[-1]), "bold"), (note, "$faint")), width - 2)
    return [Content.assemble(("❯ " if not index else "  ", "bold $accent"), line) for index, line in enumerate(body)]


def compare_answers(base: str, tuned: str, reference: str, width: int, *, tuned_note: str = "") -> reflow.Lines:
    """Lay answers side by side where there is room, else below one another."""

    def block(title: str, answer: str, style: str, room: int) -> reflow.Lines:
        return [Content.styled(title, style), *reflow.text(cells.plain(answer) or humanize.NOTHING, room)]

    note = f" · {tuned_note}" if tuned_note else ""
    if width >= 90:
        half = reflow.column_width(width - 2)
        lines = reflow.beside(
            block("base", base, "$muted", half), block(f"tuned{note}", tuned, "bold $curve-train", half), width - 2
        )
    else:
        lines = [
            *block("base", base, "$muted", width - 2),
            *block(f"tuned{note}", tuned, "bold $curve-train", width - 2),
        ]
    if reference:
        lines += block("wanted", reference, "$success", width - 2)
    return reflow.indented(lines)
