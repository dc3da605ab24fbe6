"""What was measured, as tables for a terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from brightrun_tui.domain.answer_evaluation import AnswerEvaluation
from brightrun_tui.domain.evaluation import Evaluation
from brightrun_tui.domain.humanize import ago, duration
from brightrun_tui.domain.model import Report
from brightrun_tui.domain.tally import chance_interval, credit_of
from brightrun_tui.domain.text import shortened
from brightrun_tui.registry import (
    LOSS_MEANS,
    PERPLEXITY_MEANS,
    QUANTISED_BASE_MEANS,
    Board,
    bounds_words,
    judging_words,
    loss_of,
    measured_on,
    score_lines,
    share_right,
)


def print_evaluation(out: Console, found: Evaluation) -> None:
    """Print one measurement: on what, the scores, and how sure they are."""
    out.print(Text.assemble((f"● {found.ref}  ", "bold"), f"measured on {found.dataset_name}"))
    out.print(scores_table(found))
    loss, right = loss_of(found.tuned, found.scores), share_right(found.samples)
    sure = [f"loss {bounds_words(loss, '.3f')}", *([f"answers right {bounds_words(right, '.0%')}"] if right else [])]
    out.print(Text(f"with 95% confidence: {', '.join(sure)}", style="dim italic"))
    out.print(Text(f"took {duration(found.seconds)} on {found.device}\n", style="dim italic"))


def print_answers(out: Console, found: AnswerEvaluation) -> None:
    """Print what a version answered at an endpoint, and how much of it is right."""
    out.print(
        Text.assemble((f"● {found.ref}  ", "bold"), f"asked at endpoint {found.endpoint}, on {found.dataset_name}")
    )
    marks = [each.mark for each in found.answers if each.mark is not None]
    low, high = chance_interval(marks)
    table = Table("", "", box=None, show_header=False, padding=(0, 2), pad_edge=False)
    table.add_row("answers right", f"{credit_of(marks):.0%}  (with 95% confidence {low:.0%} – {high:.0%})")
    table.add_row("exactly as wanted", f"{found.exact_match:.0%}")
    table.add_row("words as wanted (F1)", f"{found.token_f1:.0%}")
    out.print(table)
    for each in found.answers:
        said = Table.grid(padding=(0, 2))
        for name, text in (("asked", each.question), (each.mark or "answered", each.said), ("wanted", each.wanted)):
            said.add_row(Text(name, style="dim"), Text(shortened(text, 300)))
        out.print(said)
        out.print()
    left = f"; {found.left_out} were left out, whose answers call tools" if found.left_out else ""
    out.print(Text(f"on {judging_words(found.judging)}{left}", style="dim italic"))
    out.print(
        Text(
            "An endpoint tells answers and no losses: this is on no leaderboard, and the base is not asked.",
            style="dim italic",
        )
    )


def print_board(out: Console, board: Board) -> None:
    """Print versions measured on the same records, the best first."""
    out.print(Text(f"{board.dataset} · {board.records:,} records · ordered by {board.by}", style="bold"))
    if board.note:
        out.print(Text(f"! {board.note}", style="yellow"))
    table = Table(box=None, header_style="dim", padding=(0, 2), pad_edge=False)
    for column in ("", "model", "loss, 95%", "base", "answers right, 95%", "measured"):
        table.add_column(column, overflow="fold")
    for place, each in enumerate(board.standings, 1):
        table.add_row(
            f"{place}{' =' if each.level else ''}",
            Text(f"{each.ref}{' ★' if each.champion else ''}", style="bold" if each.champion else ""),
            f"{each.loss.value:.3f}  {bounds_words(each.loss, '.3f')}",
            f"{each.base_loss:.3f}",
            f"{each.right.value:.0%} of {each.answers}  {bounds_words(each.right, '.0%')}" if each.right else "–",
            f"{ago(each.measured_at, time.time())}, {each.source}{' from elsewhere' if each.elsewhere else ''}",
        )
    out.print(table)
    out.print()


def evaluations_table(measured: Sequence[Evaluation]) -> Table:
    """Return a table with a measurement a line."""
    table = Table(
        "data",
        "records",
        "loss",
        "base",
        "answers right",
        "when",
        box=None,
        header_style="dim",
        padding=(0, 2),
        pad_edge=False,
    )
    for each in measured:
        loss, right = loss_of(each.tuned, each.scores), share_right(each.samples)
        table.add_row(
            Text(each.dataset_name),
            f"{each.judging.records:,}",
            f"{loss.value:.3f}  ({bounds_words(loss, '.3f')})",
            f"{each.base.loss:.3f}",
            f"{right.value:.0%} of {len(each.samples)}" if right else "–",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(each.created_at)),
        )
    return table


def scores_table(report: Report | Evaluation) -> Group:
    """Return base and tuned model by every measure, with what it means."""
    table = Table("", "base", "tuned", "what it means", box=None, header_style="dim", padding=(0, 2), pad_edge=False)
    for name, before, after, form, means in (
        ("surprise (loss)", report.base.loss, report.tuned.loss, ".3f", LOSS_MEANS),
        ("perplexity", report.base.perplexity, report.tuned.perplexity, ",.2f", PERPLEXITY_MEANS),
    ):
        table.add_row(
            name,
            f"{before:{form}}",
            Text(f"{after:{form}}", style="bold"),
            Text.assemble(change_words(before, after), "; ", (means, "dim")),
        )
    if report.quantised_base:
        table.add_row(
            "… of the 4-bit base", f"{report.quantised_base.loss:.3f}", "", Text(QUANTISED_BASE_MEANS, style="dim")
        )
    for line in score_lines(report):
        style = {"tuned": "bold green", "base": "bold red", "": "bold"}[line.better]
        table.add_row(
            line.what,
            line.base,
            Text(line.tuned, style=style),
            Text.assemble(line.note, "; " if line.note else "", (line.means, "dim")),
        )
    on = (
        f"{report.tuned.records} {measured_on(report)}" if isinstance(report, Report) else judging_words(report.judging)
    )
    return Group(table, Text(f"on {on}, {report.tuned.tokens:,} tokens", style="dim italic"))


def change_words(before: float, after: float) -> Text:
    """Return the relative change of a loss in per cent, coloured by whether it fell."""
    if not before:
        return Text("–")
    change = (after - before) / before
    return Text(f"{change:+.0%}", style="green" if change < 0 else "red" if change > 0 else "dim")
