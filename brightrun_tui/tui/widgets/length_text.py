"""How long the records of a dataset are, as a drawn histogram: in tokens of a base with its limits, else in characters."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from brightrun_tui.domain import humanize
from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.histogram import Range, ranges, rows
from brightrun_tui.domain.token_lengths import TokenLengths
from brightrun_tui.tui.widgets import cells, reflow

_INDENT = 4
_PERCENT = 6


def in_tokens(found: TokenLengths, width: int) -> reflow.Lines:
    """Show lengths in tokens, with the marks of max length and context, and what becomes of longer ones."""
    said = f"half have up to {found.middle:,}, the longest {found.longest:,}; {found.fate}"
    if found.counted:
        said += f"; {found.counted}"
    style = "$warning" if found.over or found.unwritten else "$muted"
    title = Content.assemble((f"tokens of {cells.one_line(found.base)}  ", "bold"), (said, style))
    beyond = reflow.indented(
        reflow.text(cells.one_line(found.marks_beyond), width - _INDENT, "$muted"), _INDENT, "", ""
    )
    return [
        *reflow.text(title, width),
        *_drawn(found.ranges, found.marks, width),
        *(beyond if found.marks_beyond else []),
    ]


def in_characters(report: DatasetReport, why: str, width: int) -> reflow.Lines:
    """Show lengths in characters, and ``why`` they are not in tokens."""
    found = report.characters
    if not found.percentiles:
        return []
    said = f"half have up to {found.p50:,}, the longest {found.longest:,}; {why}"
    title = Content.assemble(("characters  ", "bold"), (said, "$muted"))
    return [*reflow.text(title, width), *_drawn(ranges(found.percentiles), (), width)]


def _drawn(found: Sequence[Range], marks: Sequence[tuple[int, str]], width: int) -> reflow.Lines:
    highest = max((each.share for each in found), default=0.0) or 1.0
    lines: reflow.Lines = []
    for label, share in rows(found, marks):
        if share is None:
            lines.append(
                Content.styled(f"{' ' * (_INDENT - 2)}── {cells.one_line(label)} ──", "$warning").truncate(
                    width, ellipsis=True
                )
            )
            continue
        filled, _ = cells.bar(share / highest, max(4, width - _INDENT - len(label) - _PERCENT - 4))
        lines.append(
            Content.assemble(
                " " * _INDENT,
                (label, "$muted"),
                "  ",
                (f"{filled} " if share else "", "$primary"),
                humanize.share(share),
            )
        )
    return lines
