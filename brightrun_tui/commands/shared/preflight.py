"""What is known before a run starts: the checks, and the estimate."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

from rich.console import Console
from rich.table import Table
from rich.text import Text

from brightrun_tui.domain.humanize import duration, money, size
from brightrun_tui.domain.money import Estimate, Hardware
from brightrun_tui.domain.time_parts import PARTS
from brightrun_tui.planning.check import Check
from brightrun_tui.planning.plan import Plan
from brightrun_tui.planning.quantisation import held_as
from brightrun_tui.planning.remedies import Remedy

GLYPHS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red"), "pending": ("…", "dim")}
"""The mark and its style."""
FITS = {"safe": "green", "tight": "yellow", "no": "red"}


def print_preflight(out: Console, plan: Plan) -> None:
    """Print one line a check, then the estimate in one line. The first problem is left out: it is the error that ends the
    command.
    """
    table = Table.grid(padding=(0, 1))
    for check in plan.checks:
        if check.error is None or check.error is not plan.first_problem:
            table.add_row(*_row(check))
    out.print(table)
    if plan.estimate is not None:
        facts = plan.estimate
        out.print(f"  about {_time(facts)}, {size(facts.memory)} of memory, {_cost(facts)}", style="dim")


def print_warnings(out: Console, plan: Plan) -> None:
    """Print the checks that warn, one line each; nothing if none does."""
    table = Table.grid(padding=(0, 1))
    for check in plan.checks:
        if check.state == "warning":
            table.add_row(*_row(check))
    if table.row_count:
        out.print(table)


def _row(check: Check) -> tuple[Text, Text, Text]:
    fix = f" ({check.fix})" if check.fix and check.state == "warning" else ""
    return Text(*GLYPHS[check.state]), Text(check.name, "bold"), Text.assemble(check.what, (fix, "dim"))


def refuse(out: Console, plan: Plan, remedies: Sequence[Remedy]) -> None:
    """Raise the plan's first problem, if it has one, with the smallest change that mends it behind its fix; of other checks that
    failed the change is printed.
    """
    problem = plan.first_problem
    if problem is None:
        return
    first = next(check.name for check in plan.checks if check.error is problem)
    for remedy in remedies:
        effect = f" ({remedy.effect})" if remedy.effect else ""
        if remedy.check == first:
            problem = copy(problem)
            problem.fix = f"{problem.fix}; the smallest change: {remedy.option}{effect}"
        else:
            out.print(Text.assemble(("→ ", "bold"), f"{remedy.check}: ", (remedy.option, "bold"), (effect, "dim")))
    raise problem


def print_estimate(out: Console, estimate: Estimate, hardware: Hardware) -> None:
    """Print the estimate in full."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    machine = hardware.gpu or f"{hardware.cores} cores, no GPU"
    table.add_row("machine", Text(machine))
    table.add_row(
        "memory",
        Text(
            f"{size(estimate.memory)} of {size(estimate.memory_available)}: {estimate.fits}", style=FITS[estimate.fits]
        ),
    )
    for name, part in estimate.memory_parts.items():
        table.add_row("", Text(f"{size(part):>10}  {name}", style="dim"))
    table.add_row(
        "time", _time(estimate) + ("" if estimate.measured else "  (estimated, not yet measured on this machine)")
    )
    if estimate.setup_seconds:
        table.add_row(
            "", Text(f"{duration(estimate.setup_seconds):>12}  renting: machine, packages, base model", style="dim")
        )
    for name in PARTS:
        if seconds := getattr(estimate.parts, name):
            table.add_row("", Text(f"{duration(seconds):>12}  {name}", style="dim"))
    table.add_row("weights", f"{held_as(estimate.quantisation, hardware)}: {estimate.quantisation_why}")
    table.add_row("steps", f"{estimate.steps:,} over answers of {estimate.supervised_tokens:,} tokens in all")
    table.add_row("disk", size(estimate.disk))
    table.add_row("cost", _cost(estimate))
    out.print(table)
    for note in estimate.notes:
        out.print(f"· {note}", style="dim")


def _time(estimate: Estimate) -> str:
    if estimate.seconds_high > estimate.seconds_low > 0:
        return f"{duration(estimate.seconds)} ({duration(estimate.seconds_low)} to {duration(estimate.seconds_high)})"
    return duration(estimate.seconds)


def _cost(estimate: Estimate) -> str:
    if not estimate.price_per_hour:
        return "free on this machine"
    traffic = f", {money(estimate.traffic_usd)} for traffic" if estimate.traffic_usd else ""
    rate = f"{money(estimate.price_per_hour)} an hour{traffic}"
    return f"{money(estimate.cost_usd)}, up to {money(estimate.cost_usd_high)} ({rate})"
