"""The report card for a terminal."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from brightrun_tui.commands.shared.output import duration, money, size
from brightrun_tui.domain.model import ModelVersion, Report
from brightrun_tui.registry import Comparison

GRADES = {"good": "green", "mixed": "yellow", "poor": "red"}
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes")


def print_summary(out: Console, model: ModelVersion) -> None:
    """A few lines: the verdict, the losses, one answer, and what to do next."""
    report = model.report
    out.print(_headline(model))
    out.print(Padding(_scores(report), (0, 0, 0, 2)))
    if report.samples:
        out.print(Padding(_answer(report.samples[0].model_dump()), (1, 0, 0, 2)))
    out.print(Text.assemble("\n  Talk with it   ", (f"brightrun chat {model.ref}", "bold"),
                            "\n  Serve it       ", (f"brightrun deploy {model.ref}", "bold"),
                            "\n  Report card    ", (f"brightrun models show {model.ref}", "bold")))


def print_report_card(out: Console, model: ModelVersion) -> None:
    """Everything the report card holds."""
    report = model.report
    parts: list[RenderableType] = [_verdict(report), Text(), _scores(report)]
    if report.by_category:
        parts += [_heading("By category"), _categories(report)]
    if report.samples:
        answers = [Padding(_answer(sample.model_dump()), (1 if number else 0, 0, 0, 0))
                   for number, sample in enumerate(report.samples)]
        parts += [_heading("The same questions, before and after"), *answers]
    parts += [_heading("Training"), _pairs(_training(report)), _heading("Where it comes from"), _pairs(_lineage(model))]
    colour = GRADES[report.verdict.grade]
    out.print(Panel(Group(*parts), title=f"[bold]{model.ref}[/]", subtitle=_subtitle(model), border_style=colour,
                    title_align="left", subtitle_align="right", padding=(1, 2)))


def print_comparison(out: Console, found: Comparison) -> None:
    """Two versions, one a column; the better value of a row is green."""
    table = Table("", found.a, found.b, box=None, header_style="bold", padding=(0, 2), pad_edge=False)
    for row in (*found.facts, *found.settings):
        table.add_row(Text(row.what, style="dim"), Text(row.a, style="green" if row.better == "a" else ""),
                      Text(row.b, style="green" if row.better == "b" else ""))
    out.print(table)
    if found.caution:
        out.print(Text(f"! {found.caution}", style="yellow"))


def _heading(text: str) -> Padding:
    return Padding(Rule(text, align="left", style="dim"), (1, 0, 0, 0))


def _headline(model: ModelVersion) -> Text:
    verdict = model.report.verdict
    return Text.assemble((f"● {model.ref}  ", f"bold {GRADES[verdict.grade]}"), verdict.summary)


def _verdict(report: Report) -> Text:
    text = Text.assemble((f"{report.verdict.grade.upper()}  ", f"bold {GRADES[report.verdict.grade]}"), report.verdict.summary)
    for reason in report.verdict.reasons:
        text.append(f"\n  · {reason}")
    return text


def _subtitle(model: ModelVersion) -> str:
    stars = "★" * model.rating + "☆" * (5 - model.rating) if model.rating else ""
    return "  ".join(part for part in (stars, " ".join(model.aliases), " ".join(f"#{tag}" for tag in model.tags)) if part)


def _scores(report: Report) -> Group:
    table = Table("held out", "base", "tuned", "change", box=None, header_style="dim", padding=(0, 2), pad_edge=False)
    for name, before, after, form in (("loss", report.base.loss, report.tuned.loss, ".3f"),
                                      ("perplexity", report.base.perplexity, report.tuned.perplexity, ",.2f")):
        table.add_row(name, f"{before:{form}}", Text(f"{after:{form}}", style="bold"), _change(before, after))
    for name, value in report.scores.items():
        if isinstance(value, dict) and isinstance(value.get("base"), int | float) and isinstance(value.get("tuned"), int | float):
            table.add_row(name.replace("_", " "), f"{value['base']:.3g}", Text(f"{value['tuned']:.3g}", style="bold"), "")
    measured = f"on {report.tuned.records} records the training never saw, {report.tuned.tokens:,} tokens"
    return Group(table, Text(measured, style="dim italic"))


def _change(before: float, after: float) -> Text:
    if not before:
        return Text("–")
    change = (after - before) / before
    return Text(f"{change:+.0%}", style="green" if change < 0 else "red" if change > 0 else "dim")


def _categories(report: Report) -> Table:
    table = Table("category", "value", "base loss", "tuned loss", "change", box=None, header_style="dim", padding=(0, 2),
                  pad_edge=False)
    for category, values in report.by_category.items():
        for value, scores in values.items():
            before, after = scores.get("base", 0.0), scores.get("tuned", 0.0)
            table.add_row(category, value, f"{before:.3f}", f"{after:.3f}", _change(before, after))
    return table


def _answer(sample: dict[str, Any]) -> Table:
    """The last question, and what base, tuned model and the data answer."""
    questions = [message.get("content", "") for message in sample["prompt"] if message.get("role") == "user"]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", width=9)
    table.add_column(overflow="fold")
    table.add_row("asked", Text(_short(str(questions[-1] if questions else ""))))
    table.add_row("base", Text(_short(sample["base"]) or "(nothing)", style="dim"))
    table.add_row("tuned", Text(_short(sample["tuned"]) or "(nothing)", style="bold"))
    if sample["reference"]:
        table.add_row("wanted", Text(_short(sample["reference"]), style="italic"))
    return table


def _training(report: Report) -> list[tuple[str, str]]:
    facts = report.training
    share = f" ({facts.trainable_parameters / facts.base_parameters:.1%} of the base)" if facts.base_parameters else ""
    dropped = [f"{facts.records_dropped} dropped"] * bool(facts.records_dropped) \
        + [f"{facts.records_truncated} truncated"] * bool(facts.records_truncated)
    return [
        ("records", f"{facts.train_records} to learn from, {facts.eval_records} held out" + "".join(f", {d}" for d in dropped)),
        ("steps", f"{facts.steps} in {facts.epochs:.2g} epochs" + (", stopped early" if facts.early_stopped else "")
         + (f", best at {facts.best_step}" if facts.best_step else "")),
        ("took", f"{duration(facts.seconds)} at {facts.tokens_per_second:,.0f} tokens/s, for {money(report.cost_usd)}"),
        ("adapter", f"{facts.trainable_parameters:,} parameters{share}"),
        ("machine", f"{facts.device or 'unknown'}, {size(facts.peak_memory)} of memory at most"),
    ]


def _lineage(model: ModelVersion) -> list[tuple[str, str]]:
    lineage = model.report.lineage
    packages = ", ".join(f"{name} {lineage.packages[name]}" for name in PACKAGES if name in lineage.packages)
    return [
        ("dataset", f"{lineage.dataset_name}  {lineage.dataset_fingerprint[:16]}"),
        ("base", f"{lineage.base_id}  {(lineage.base_revision or lineage.base_fingerprint)[:16]}"),
        ("run", f"{lineage.run_id}, template {lineage.template or '–'}"),
        ("made", time.strftime("%Y-%m-%d %H:%M", time.localtime(model.created_at)) + (f" with {packages}" if packages else "")),
        ("files", f"{model.directory}  {size(model.bytes)}"),
        *([("note", model.note)] if model.note else []),
    ]


def _pairs(pairs: list[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", width=9)
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(name, Text(value))
    return table


def _short(text: str, limit: int = 400) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[:limit - 1] + "…"
