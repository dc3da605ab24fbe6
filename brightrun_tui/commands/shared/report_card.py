"""The report card for a terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from brightrun_tui.commands.shared.measured import change_words, evaluations_table, print_board, scores_table
from brightrun_tui.domain.evaluation import Evaluation
from brightrun_tui.domain.humanize import duration, money, size
from brightrun_tui.domain.model import Advice, ModelVersion, Report, SampleAnswer
from brightrun_tui.domain.text import shortened
from brightrun_tui.domain.verdict_words import ticks_sentence
from brightrun_tui.registry import (
    GRADES_MEAN,
    ManyComparison,
    corrections_line,
    grades_line,
    held_in,
    judgement_sentence,
    left_out,
    mark_words,
    review_lines,
    ruling_words,
    slower,
    splits_words,
    times,
)

GRADES = {"good": "green", "mixed": "yellow", "poor": "red"}
SHOWN_SAMPLES = 8
SHOWN_CHARACTERS = 3000
"""Of an answer that a person is asked about."""
SHOWN_OF_ANSWER = 400
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes")


def print_summary(out: Console, model: ModelVersion) -> None:
    """Print a few lines: the verdict, the losses, one answer, and what to do next."""
    report = model.report
    out.print(_headline(model))
    out.print(Padding(scores_table(report), (0, 0, 0, 2)))
    if report.samples:
        out.print(Padding(_answer(report, 0), (1, 0, 0, 2)))
    if report.verdict.advice:
        out.print(Padding(_advice(report.verdict.advice[:1]), (1, 0, 0, 2)))
    is_it_right = ("\n  Is it right?   ", (f"brightrun models answers {model.ref}", "bold")) if report.samples else ()
    out.print(
        Text.assemble(
            "\n  Talk with it   ",
            (f"brightrun chat {model.ref}", "bold"),
            *is_it_right,
            "\n  Serve it       ",
            (f"brightrun deploy {model.ref}", "bold"),
            "\n  Report card    ",
            (f"brightrun models show {model.ref}", "bold"),
        )
    )


def print_report_card(out: Console, model: ModelVersion, measured: Sequence[Evaluation] = (), origin: str = "") -> None:
    """Print everything the report card holds, what was ``measured`` later, the newest first, and whose it is by its signature."""
    report = model.report
    parts: list[RenderableType] = [_verdict(report)]
    if origin:
        parts.append(Text(origin, style="yellow" if origin.startswith("unverified") else "green"))
    if report.verdict.advice:
        parts += [_heading("What to try next"), _advice(report.verdict.advice)]
    parts += [_heading("Measured"), scores_table(report)]
    if measured:
        parts += [_heading("Measured again"), evaluations_table(measured)]
    if report.by_category:
        parts += [_heading("By category"), _categories(report)]
    if report.corrections:
        corrected: list[tuple[str, str]] = [
            (each.mark, f"{shortened(each.question, 100)} → {shortened(each.answer, 200)}")
            for each in report.corrections
        ]
        parts += [_heading(f"What was corrected: {corrections_line(report)}"), _pairs(corrected)]
    if report.samples:
        answers = [
            Padding(_answer(report, number), (1 if number else 0, 0, 0, 0))
            for number in range(min(SHOWN_SAMPLES, len(report.samples)))
        ]
        parts += [_heading("The same questions, before and after"), *answers]
        if more := len(report.samples) - len(answers):
            parts.append(Text(f"\n{more} more: brightrun models show {model.ref} --markdown", style="dim italic"))
    parts += [_heading("Training"), _pairs(_training(report)), _heading("Where it comes from"), _pairs(_lineage(model))]
    colour = GRADES[report.verdict.grade]
    out.print(
        Panel(
            Group(*parts),
            title=Text(model.ref, "bold"),
            subtitle=Text(_subtitle(model)),
            border_style=colour,
            title_align="left",
            subtitle_align="right",
            padding=(1, 2),
        )
    )


def print_answer_to_tick(out: Console, report: Report, number: int) -> None:
    """Print an answer as a person needs it to say whether it is right: the talk before it, the answer, what was wanted."""
    sample = report.samples[number]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", width=9)
    table.add_column(overflow="fold")
    for role, said in sample.turns:
        table.add_row(role, Text(_whole(said)))
    table.add_row("answer", Text(_whole(sample.tuned) or "(nothing)", style="bold"))
    table.add_row("wanted", Text(_whole(sample.reference) or "–", style="italic"))
    out.print(_heading(f"Answer {number + 1}"))
    out.print(table)


def print_ticked(out: Console, model: ModelVersion) -> None:
    """Print what people have said of the answers, and the verdict that follows."""
    out.print(Text.assemble("\n", ticks_sentence(model.report) or "nobody has said whether any answer is right"))
    out.print(_headline(model))


def print_judgement(out: Console, model: ModelVersion) -> None:
    """Print what a judge made of each sample, and all in all."""
    judgement = model.report.judgement
    if judgement is None:
        return
    styles = {
        "win": ("✓ tuned", "green"),
        "loss": ("✗ base", "red"),
        "tie": ("= neither", "dim"),
        "unparsable": ("? unclear", "yellow"),
    }
    table = Table("better", "question", "why", box=None, header_style="dim", padding=(0, 2), pad_edge=False)
    for sample, ruling in zip(model.report.samples, judgement.rulings, strict=False):
        word, style = styles[ruling.outcome]
        table.add_row(Text(word, style=style), Text(shortened(sample.question, 120)), Text(ruling.reason, style="dim"))
    out.print(table)
    out.print(Text(f"\n{judgement_sentence(judgement)}", style="bold"))
    tokens = judgement.prompt_tokens + judgement.completion_tokens
    facts = [
        f"{judgement.questions} questions asked",
        *([f"{tokens:,} tokens"] if tokens else []),
        *([money(judgement.cost_usd)] if judgement.cost_usd is not None else []),
        *(
            [f"{judgement.swayed} times it followed the order in which the answers were shown"]
            if judgement.swayed
            else []
        ),
    ]
    out.print(Text(", ".join(facts), style="dim"))


def print_comparison(out: Console, found: ManyComparison) -> None:
    """Print one version a column; the best value of a row has a ✓, also where there are no colours."""
    table = Table("", *found.models, box=None, header_style="bold", padding=(0, 2), pad_edge=False)
    for row in (*found.facts, *found.settings):
        cells = [
            Text(f"{value} ✓" if place == row.best else value, style="green" if place == row.best else "")
            for place, value in enumerate(row.values)
        ]
        table.add_row(Text(row.what, style="dim"), *cells)
    out.print(table)
    for caution in found.cautions:
        out.print(Text(f"! {caution}", style="yellow"))
    for board in found.boards:
        out.print()
        print_board(out, board)
    if found.data:
        out.print(_heading("What they learnt from"))
        only = [[f"  only here: {question}" for question in each.examples] for each in found.data]
        said = [(each.ref, "\n".join((each.words, *lines))) for each, lines in zip(found.data, only, strict=True)]
        out.print(_pairs(said))
    for each in found.answers[:SHOWN_SAMPLES]:
        out.print(_heading("asked"))
        out.print(Text(_whole(each.question), style="bold"))
        said = [*zip(found.models, each.answers, strict=True), *([("wanted", each.wanted)] if each.wanted else [])]
        out.print(_pairs([(ref, shortened(answer, SHOWN_OF_ANSWER)) for ref, answer in said]))


def _heading(text: str) -> Padding:
    return Padding(Rule(text, align="left", style="dim"), (1, 0, 0, 0))


def _headline(model: ModelVersion) -> Text:
    verdict = model.report.verdict
    return Text.assemble((f"● {model.ref}  ", f"bold {GRADES[verdict.grade]}"), verdict.summary)


def _verdict(report: Report) -> Group:
    verdict = report.verdict
    grade = Text.assemble((f"{verdict.grade.upper()}  ", f"bold {GRADES[verdict.grade]}"), verdict.summary)
    if grades := grades_line(report):
        grade.append_text(Text.assemble(f"\n{grades}", (f"  ({GRADES_MEAN})", "dim")))
    reasons = Table.grid(padding=(0, 1))
    for reason in verdict.reasons:
        reasons.add_row("  ·", Text(reason))
    return Group(grade, reasons)


def _advice(advice: Sequence[Advice]) -> Table:
    """Return the advice as a numbered table, each command on lines of its own."""
    table = Table.grid(padding=(0, 1))
    for number, each in enumerate(advice, 1):
        table.add_row(f"{number}.", Text(each.why))
        table.add_row("", Text(each.command, style="bold"))
    return table


def _subtitle(model: ModelVersion) -> str:
    stars = "★" * model.rating + "☆" * (5 - model.rating) if model.rating else ""
    return "  ".join(
        part for part in (stars, " ".join(model.aliases), " ".join(f"#{tag}" for tag in model.tags)) if part
    )


def _categories(report: Report) -> Table:
    table = Table(
        "category",
        "value",
        "base loss",
        "tuned loss",
        "change",
        box=None,
        header_style="dim",
        padding=(0, 2),
        pad_edge=False,
    )
    for category, values in report.by_category.items():
        for value, scores in values.items():
            before, after = scores.get("base", 0.0), scores.get("tuned", 0.0)
            table.add_row(category, value, f"{before:.3f}", f"{after:.3f}", change_words(before, after))
    return table


def _answer(report: Report, number: int) -> Table:
    """Return one sample: what was asked, with the talk before it, the answers of base, tuned model and data, and what
    was said of them.
    """
    sample = report.samples[number]
    rulings = report.judgement.rulings if report.judgement else ()
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", width=9)
    table.add_column(overflow="fold")
    for place, (who, said) in enumerate(_talk(sample)):
        table.add_row("asked" if place == 0 else "", Text(who + shortened(said, SHOWN_OF_ANSWER)))
    table.add_row("base", Text(_said(sample.base, sample.base_ended), style="dim"))
    table.add_row("tuned", Text(_said(sample.tuned, sample.tuned_ended), style="bold"))
    if sample.reference:
        table.add_row("wanted", Text(shortened(sample.reference, SHOWN_OF_ANSWER), style="italic"))
    if checked := mark_words(report, number):
        table.add_row("checked", Text(checked))
    if number < len(rulings):
        table.add_row("judge", Text(ruling_words(rulings[number])))
    return table


def _talk(sample: SampleAnswer) -> list[tuple[str, str]]:
    """Return the turns before the answer, with who spoke where there are several."""
    turns = sample.turns
    return [("", sample.question)] if len(turns) == 1 else [(f"{role}: ", said) for role, said in turns]


def _said(answer: str, ended: bool) -> str:
    """Return the answer; one that ran into the limit shows it."""
    return (shortened(answer, SHOWN_OF_ANSWER) or "(nothing)") + ("" if ended or not answer else " … (cut off)")


def _training(report: Report) -> list[tuple[str, str]]:
    facts = report.training
    share = f" ({facts.trainable_parameters / facts.base_parameters:.1%} of the base)" if facts.base_parameters else ""
    dropped = [f"{facts.records_dropped} dropped"] * bool(facts.records_dropped) + [
        f"{facts.records_truncated} truncated"
    ] * bool(facts.records_truncated)
    return [
        (
            "records",
            f"{facts.train_records} to learn from, {facts.eval_records} held out{splits_words(report)}"
            + "".join(f", {d}" for d in dropped),
        ),
        (
            "steps",
            f"{facts.steps} in {facts.epochs:.2g} epochs"
            + (", stopped early" if facts.early_stopped else "")
            + (f", best at {facts.best_step}" if facts.best_step else ""),
        ),
        (
            "steps took",
            f"{duration(facts.seconds)} at {facts.tokens_per_second:,.0f} tokens/s, for {money(report.cost_usd)}",
        ),
        *_times(report),
        *([("samples", left_out(report))] if left_out(report) else []),
        ("adapter", f"{facts.trainable_parameters:,} parameters{share}"),
        (
            "machine",
            f"{facts.device or 'unknown'}, {size(facts.peak_memory)} of memory at most"
            + (f", {size(report.planned_memory)} expected" if report.planned_memory else ""),
        ),
    ]


def _times(report: Report) -> list[tuple[str, str]]:
    """Return each part of the time beside what was expected of it."""
    found = times(report)
    if not found:
        return []
    parts = [
        f"{what} {duration(took)}" + (f" ({duration(planned)} expected)" if planned is not None else "")
        for what, took, planned in found
    ]
    whole = report.training.spent.training_share if report.training.spent else 0.0
    rows = [("time", ", ".join(parts) + f"; {whole:.0%} of it trained")]
    return rows + ([("", late)] if (late := slower(report)) else [])


def _lineage(model: ModelVersion) -> list[tuple[str, str]]:
    lineage = model.report.lineage
    packages = ", ".join(f"{name} {lineage.packages[name]}" for name in PACKAGES if name in lineage.packages)
    return [
        ("dataset", f"{lineage.dataset_name}  {lineage.dataset_fingerprint[:16]}"),
        ("base", f"{lineage.base_id}  {(lineage.base_revision or lineage.base_fingerprint)[:16]}"),
        *([("", f"its weights are dequantised {lineage.base_quantisation}")] if lineage.base_quantisation else []),
        ("", f"held in {held_in(model.report)} while it was trained"),
        ("run", f"{lineage.run_id}, template {lineage.template or '–'}"),
        (
            "made",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(model.created_at))
            + (f" with {packages}" if packages else ""),
        ),
        ("files", f"{model.directory}  {size(model.bytes)}"),
        *([("about", model.description)] if model.description else []),
        *[
            (("said" if place == 0 else ""), f"{who}  {what}".strip())
            for place, (who, what) in enumerate(review_lines(model))
        ],
    ]


def _pairs(pairs: list[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", width=max([9, *(len(name) for name, _ in pairs)]))
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(name, Text(value))
    return table


def _whole(text: str) -> str:
    """Return the text as it was written, up to what fits on a screen."""
    text = text.strip()
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + " …"
