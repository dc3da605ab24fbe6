"""Datasets on paper: the report, single records, and a record as tokens."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from brightrun_tui.commands.shared.output import page, print_json
from brightrun_tui.datasets.problems import LEFT_OUT
from brightrun_tui.datasets.reading import EntryOutcome
from brightrun_tui.domain import humanize
from brightrun_tui.domain.dataset import DatasetReport, Problem, Record
from brightrun_tui.domain.histogram import rows
from brightrun_tui.domain.humanize import size
from brightrun_tui.domain.text import shortened
from brightrun_tui.domain.token_lengths import TokenLengths
from brightrun_tui.domain.token_view import TokenView

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

LEARNT, OPEN, CLOSE = "▌", "⟦", "⟧"
"""The mark of a line with learnt text, and what stands around that text: read without colours."""
_LONGEST_VALUE = 2000
_BAR = 40


def print_report(report: DatasetReport, as_json: bool, tokens: TokenLengths | None = None) -> None:
    """Print everything that was found; ``tokens``: and how long the records are for a base."""
    if as_json:
        about = {"dataset": report.as_json(preview=True), "statement": report.statement}
        print_json(about | {"tokens": tokens.as_json()} if tokens else about)
        return
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    origin = report.origin
    for name, value in (
        ("file", f"{report.path}  {size(report.bytes)}"),
        ("format", report.format),
        ("records", report.statement),
        ("turns", f"{report.turns:,}"),
        ("length", f"{report.characters.p50:,} characters at the middle, {report.characters.longest:,} at most"),
        *([("tokens", _tokens_said(tokens))] if tokens else []),
        ("answers", f"{report.answer_characters.p50:,} characters at the middle"),
        *([("languages", report.languages.said(report.usable))] if report.languages.shares else []),
        ("content", report.fingerprint[:16]),
        *([("source", report.source)] if report.source else []),
        *([("made from", f"{origin.name} ({origin.fingerprint[:16]}): {'; '.join(origin.done)}")] if origin else []),
    ):
        table.add_row(name, Text(value))
    parts: list[RenderableType] = [table]
    parts += _histogram(tokens) if tokens else []
    parts += [_problem(problem) for problem in report.problems]
    for name, values in report.categories.items():
        counts = ", ".join(f"{value} {count}" for value, count in list(values.items())[:6])
        parts.append(Text(f"{name}: {counts}{' …' if len(values) > 6 else ''}", style="dim"))
    if report.preview:
        parts += [Text("\nThe first record"), conversation(report.preview[0], longest=200)]
    page().print(Group(*parts))


def _tokens_said(tokens: TokenLengths) -> str:
    counted = f"; {tokens.counted}" if tokens.counted else ""
    return f"{tokens.middle:,} of {tokens.base} at the middle, {tokens.longest:,} at most; {tokens.fate}{counted}"


def _histogram(tokens: TokenLengths) -> list[RenderableType]:
    from rich.text import Text

    highest = max((each.share for each in tokens.ranges), default=0.0) or 1.0
    lines: list[RenderableType] = [Text("")]
    for label, share in rows(tokens.ranges, tokens.marks):
        if share is None:
            lines.append(Text(f"── {label} ──", "yellow"))
        else:
            bar = "━" * round(share / highest * _BAR)
            lines.append(
                Text.assemble((f"  {label}  ", "dim"), (f"{bar} " if bar else "", "cyan"), humanize.share(share))
            )
    return [*lines, Text(f"  {tokens.marks_beyond}", "dim"), Text("")] if tokens.marks_beyond else [*lines, Text("")]


def _problem(problem: Problem) -> RenderableType:
    from rich.text import Text

    places = f" ({', '.join(problem.places[:3])})" if problem.places else ""
    mark, style = ("·", "") if problem.remark else ("!", "yellow")
    fix = f"\n  {problem.fix}" if problem.fix else ""
    return Text.assemble(
        (f"{mark} {problem.count:,} {problem.what}{places}", style), (f"  {problem.kind}", "dim"), (fix, "dim")
    )


def conversation(record: Record, longest: int = 0) -> RenderableType:
    """Return the turns; those that are learnt have a mark. ``longest``: characters of a turn, 0 for all."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    for message in record.messages:
        learnt = message.role == "assistant" and message.train
        text = shortened(message.said, longest) if longest else message.said
        mark = "\n".join(LEARNT for _ in text.split("\n")) if learnt else ""
        table.add_row(Text(mark, "bold cyan"), Text(message.role, "bold cyan" if learnt else "dim"), Text(text))
    return table


def about_outcome(number: int, outcome: EntryOutcome, like: str = "") -> dict[str, Any]:
    """Return an entry for programs; its number from 1."""
    about: dict[str, Any] = {"number": number + 1, "place": outcome.place, "usable": outcome.record is not None}
    if like:
        about["like"] = like
    if outcome.record is None:
        return about | {"left_out": outcome.left_out, "detail": outcome.detail, "value": outcome.value}
    return about | {"record": outcome.record, "remarks": list(outcome.remarks)}


def outcome_lines(number: int, outcome: EntryOutcome, like: str = "") -> Iterator[RenderableType]:
    """Yield an entry with its place; for one that is left out, what the file holds there, and why it is left out."""
    from rich.text import Text

    same = f", as {like}" if like else ""
    yield Text.assemble((f"record {number + 1:,} · {outcome.place}{same}", "bold"))
    if outcome.record is not None:
        yield conversation(outcome.record)
    else:
        yield Text(f"! left out: {why_left_out(outcome)}", "yellow")
        text = json.dumps(outcome.value, ensure_ascii=False, default=str)
        yield Text(text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…")


def why_left_out(outcome: EntryOutcome) -> str:
    """Say in words why the entry was left out."""
    reason = LEFT_OUT.get(outcome.left_out)
    return reason.said(1, outcome.detail) if reason else outcome.left_out


def token_lines(view: TokenView, limit: int) -> Iterator[RenderableType]:
    """Yield the record as the model sees it: learnt text in ``⟦⟧``, and a mark before every line that holds some."""
    from rich.text import Text

    if view.notice:
        yield Text(f"· {view.notice}", "dim")
    if view.left_out:
        yield Text(f"! left out: {view.left_out}", "yellow")
    for number, example in enumerate(view.examples, start=1):
        part = f"example {number} of {len(view.examples)}: " if len(view.examples) > 1 else ""
        over = f"; the limit is {limit:,}" if limit and len(example.pieces) > limit else ""
        yield Text(f"{part}{len(example.pieces):,} tokens, {example.learnt:,} learnt ({OPEN}…{CLOSE}){over}", "bold")
        yield from _marked(example.runs(limit), limit)


def _marked(runs: Iterable[tuple[str, bool, bool]], limit: int) -> Iterator[Text]:
    from rich.text import Text

    line, learnt_here, beyond_before = Text(), False, False
    for text, learnt, beyond in runs:
        if beyond and not beyond_before:
            line.append(f" ── what follows is beyond {limit:,} tokens ── ", "yellow")
            beyond_before = True
        style = "dim strike" if beyond else "bold cyan" if learnt else ""
        said = f"{OPEN}{text}{CLOSE}" if learnt else text
        for index, piece in enumerate(said.split("\n")):
            if index:
                yield Text.assemble((f"{LEARNT} " if learnt_here else "  ", "bold cyan"), line)
                line, learnt_here = Text(), False
            line.append(piece, style)
            learnt_here = learnt_here or (learnt and bool(piece.strip(OPEN + CLOSE)))
    yield Text.assemble((f"{LEARNT} " if learnt_here else "  ", "bold cyan"), line)
