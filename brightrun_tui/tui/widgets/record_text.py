"""One entry of a dataset in words, and as the tokens of a model: what is learnt is told by a mark and a line under it."""

from __future__ import annotations

import json

from textual.content import Content

from brightrun_tui.datasets.problems import LEFT_OUT, REMARKS
from brightrun_tui.datasets.reading import EntryOutcome
from brightrun_tui.domain.token_view import TokenExample, TokenView
from brightrun_tui.tui.widgets import cells, plan_text, reflow

LEARNT = "bold underline $success"
UNLEARNT = "$muted"
BEYOND = "strike $faint"
BORDER = "│"
_LONGEST_VALUE = 20_000
_LONGEST_TEXT = 60_000
"""Characters that are laid out; of a longer record the beginning is shown, and that it goes on."""


def outcome(found: EntryOutcome, width: int) -> reflow.Lines:
    """Return the conversation with what was remarked on it; of an entry that is left out, why, and what the file holds."""
    if found.record is None:
        reason = LEFT_OUT[found.left_out]
        why = cells.plain(f"left out: {reason.said(1, found.detail)}")
        value = json.dumps(found.value, ensure_ascii=False, default=str, indent=1)
        return [
            *reflow.marked(reflow.text(why, width - 2, "$warning"), 2, "!", "bold $warning"),
            *reflow.marked(reflow.text(cells.plain(reason.fix), width - 2), 2, "→", "bold $accent"),
            Content(""),
            *reflow.text(cells.plain(value[:_LONGEST_VALUE]), width),
        ]
    lines = plan_text.conversation(found.record, width)
    labels = " · ".join(f"{name}: {value}" for name, value in found.record.categories.items())
    remarks = " · ".join(REMARKS[kind].said(1, "…") for kind in found.remarks if kind in REMARKS)
    for note in filter(None, (labels, remarks)):
        lines += [Content(""), *reflow.text(cells.plain(note), width, "$muted")]
    return lines


def tokens(view: TokenView, limit: int, width: int, *, borders: bool = False) -> reflow.Lines:
    """Return the record as the model sees it. ``borders``: with a line between each two tokens."""
    lines: reflow.Lines = []
    if view.notice:
        lines += reflow.text(cells.plain(view.notice), width, "$muted")
    if view.left_out:
        why = reflow.text(cells.plain(f"left out: {view.left_out}"), width - 2, "$warning")
        lines += reflow.marked(why, 2, "!", "bold $warning")
    for number, example in enumerate(view.examples, start=1):
        part = f"example {number} of {len(view.examples)} · " if len(view.examples) > 1 else ""
        said = f"{part}{len(example.pieces):,} tokens, {example.learnt:,} learnt"
        over = bool(limit) and len(example.pieces) > limit
        head = Content.assemble((said, "bold"), ("   ▌", LEARNT.replace("underline ", "")), ("learnt", LEARNT))
        lines += [Content("")] if lines else []
        lines += reflow.text(head, width)
        if over:
            lines += reflow.text(
                f"! longer than the limit of {limit:,} tokens; what is beyond it is struck out", width, "$warning"
            )
        lines += _marked(_styled(example, limit, borders), width)
    return lines


def _styled(example: TokenExample, limit: int, borders: bool) -> Content:
    parts: list[tuple[str, str]] = []
    if borders:
        for number, piece in enumerate(example.pieces):
            style = BEYOND if limit and number >= limit else LEARNT if piece.learnt else UNLEARNT
            parts += [(piece.text.replace("\n", "↵\n"), style), (BORDER, "$line")]
    else:
        parts = [
            (text, BEYOND if beyond else LEARNT if learnt else UNLEARNT) for text, learnt, beyond in example.runs(limit)
        ]
    shown, room = [], _LONGEST_TEXT
    for text, style in parts:
        if room <= 0:
            shown.append((" … and more", "$muted"))
            break
        shown.append((cells.plain(text[:room]), style))
        room -= len(text)
    return Content.assemble(*shown)


def _marked(content: Content, width: int) -> reflow.Lines:
    """Wrap the text, with a mark before every line that holds something learnt."""
    lines = []
    for line in content.wrap(max(4, width - 2)):
        learnt = any(span.style == LEARNT and line.plain[span.start : span.end].strip() for span in line.spans)
        lines.append(Content.assemble(("▌ " if learnt else "  ", "bold $success"), line))
    return lines
