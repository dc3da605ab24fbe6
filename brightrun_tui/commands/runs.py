"""``brightrun runs``: look at runs. What is asked of them is in `run_actions`."""

from __future__ import annotations

import csv
import shutil
import sys
import time
from typing import Annotated

import typer

from brightrun_tui.commands import run_actions
from brightrun_tui.commands.shared.logs import follow_events, follow_text, print_part, print_tail
from brightrun_tui.commands.shared.options import LinesOption, RunArgument
from brightrun_tui.commands.shared.output import JsonOption, page, print_json, print_table, put, say
from brightrun_tui.commands.shared.plots import plot
from brightrun_tui.commands.shared.session import Session, with_store
from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.humanize import ago, duration, money
from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.run_states import STATE_GLYPHS
from brightrun_tui.domain.text import cell, one_line
from brightrun_tui.orchestrator.engine_status import engine_status
from brightrun_tui.store import events
from brightrun_tui.store import leases as rented
from brightrun_tui.store import metrics as curves
from brightrun_tui.store import runs as store
from brightrun_tui.store.rows import DAMAGED

app = typer.Typer(add_completion=False)
app.add_typer(run_actions.app)

LONG = {"spec", "estimate", "hardware", "events_offset", "events_seq", "bad_lines", "bad_in_a_row"}
"""What the list leaves out of a run's JSON; ``runs show`` has it all."""


@app.callback(invoke_without_command=True)
def list_runs(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List runs, newest first. With a verb: what that verb says."""
    if ctx.invoked_subcommand is not None:
        return
    found, damaged, idle = with_store(_list)
    if idle:
        say(("The engine is not running, so nothing moves. Start it: brightrun engine start", "yellow"))
    if as_json:
        print_json({"runs": [run.model_dump(mode="json", exclude=LONG) for run in found], "damaged": damaged})
    elif found or damaged:
        now = time.time()
        print_table(
            ("run", "name", "state", "progress", "loss", "eval", "model", "started"),
            [_row(run, now) for run in found] + [_damaged_row(run, now) for run in damaged],
        )
    else:
        say("No runs yet. Start one: ", ("brightrun train DATA", "bold"))


@app.command()
def show(run: RunArgument, as_json: JsonOption = False) -> None:
    """Show everything about one run, including every machine that it rented and what that cost."""

    async def read(session: Session) -> tuple[Run, list[Lease], list[rented.LedgerLine]]:
        one = await store.find(session.db, run)
        return one, await rented.list_leases(session.db, run_id=one.id), await rented.entries(session.db, run_id=one.id)

    found, leases, ledger = with_store(read)
    if as_json:
        now = time.time()
        rented_for_it = [{**lease.model_dump(mode="json"), "cost_usd": lease.spending(now).total} for lease in leases]
        print_json({"run": found, "leases": rented_for_it, "ledger": ledger})
        return
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for name, value in _facts(found):
        table.add_row(Text(name, style="dim"), Text(value))
    page().print(table)
    if leases:
        columns = ("lease", "state", "gpu", "quoted per hour", "per hour", "cost", "billed", "note")
        print_table(columns, _rented(leases), spare=("lease",))


@app.command()
def logs(
    run: RunArgument,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Stay, and print what comes, until the run ends.")
    ] = False,
    lines: LinesOption = 0,
    machine: Annotated[
        str,
        typer.Option("--machine", metavar="WHICH", help="Of one machine only: 1 is the first, or a word of its name."),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Events instead of text; JSON lines with --follow.")] = False,
) -> None:
    """Print what the worker of a run said."""
    if machine and follow:
        raise UsageError(
            "new lines come from the newest machine anyway",
            where="--machine with --follow",
            fix="leave one of them out",
            kind=ErrorKind.BAD_OPTION,
        )

    async def read(session: Session) -> None:
        found = await store.find(session.db, run)
        if machine:
            print_part(found, machine, lines, as_json)
            return
        if as_json and follow:
            await follow_events(session, found)
        elif as_json:
            told = await events.read(session.db, found.id)
            print_json({"events": [event.as_dict() for event in told[-lines:]]})
        elif follow:
            await follow_text(session, found, lines)
        else:
            print_tail(found, lines)

    with_store(read)


@app.command()
def metrics(
    run: RunArgument,
    as_csv: Annotated[bool, typer.Option("--csv", help="One row a step, one column a curve.")] = False,
    as_plot: Annotated[bool, typer.Option("--plot", help="Draw the curves.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the curves of a run: losses, learning rate, gradient norm, speed."""

    async def read(session: Session) -> dict[str, dict[int, float | None]]:
        found = await store.find(session.db, run)
        return {
            name: {
                point.step: point.value for point in await curves.series(session.db, found.id, name, found.upto(name))
            }
            for name in await curves.names(session.db, found.id)
        }

    found = with_store(read)
    if as_json:
        print_json({"metrics": {name: [list(pair) for pair in points.items()] for name, points in found.items()}})
        return
    if as_plot:
        _draw(found)
        return
    steps = sorted({step for points in found.values() for step in points})
    rows = [[str(step), *(_number(points.get(step)) for points in found.values())] for step in steps]
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([["step", *map(cell, found)], *rows])
    elif rows:
        print_table(("step", *found), rows)
    else:
        say("No numbers yet.")


def _draw(curves: dict[str, dict[int, float | None]]) -> None:
    """Draw the losses in one picture, everything else in one of its own."""
    losses = {name: points for name, points in curves.items() if name.endswith("loss")}
    together = [("loss", losses), *((name, {name: curves[name]}) for name in curves if name not in losses)]
    width = shutil.get_terminal_size().columns
    pictures = [plot(shown, one_line(title), width) for title, shown in together]
    for picture in filter(None, pictures):
        put(picture)
    if not any(pictures):
        say("No numbers yet.")


async def _list(session: Session) -> tuple[list[Run], list[store.DamagedRun], bool]:
    """Return runs, those that cannot be read, and whether some of the others wait for an engine that is not running."""
    found, damaged = await store.list_all(session.db)
    waiting = any(run.active for run in found)
    idle = waiting and not (await engine_status(session.db, session.paths)).running
    return found, damaged, idle


def _row(run: Run, now: float) -> tuple[str, ...]:
    progress = f"{run.step}/{run.total_steps}" if run.total_steps else ""
    model = f"{run.model}:{run.model_version}" if run.model else ""
    return (
        run.id,
        run.name,
        f"{STATE_GLYPHS[run.state]} {run.state}",
        progress,
        _number(run.train_loss),
        _number(run.eval_loss),
        model,
        ago(run.created_at, now),
    )


def _damaged_row(run: store.DamagedRun, now: float) -> tuple[str, ...]:
    started = ago(run.created_at, now) if run.created_at else ""
    return run.id, run.name, f"✗ {DAMAGED}; brightrun runs delete {run.id}", "", "", "", "", started


def _rented(leases: list[Lease]) -> list[tuple[str, ...]]:
    now = time.time()
    return [
        (
            lease.name,
            "still billing" if lease.state == "releasing" and lease.provider_id else lease.state,
            lease.gpu,
            money(lease.quoted),
            money(lease.rate),
            humanize.money_exact(lease.spending(now).total),
            "" if lease.billed_usd is None else humanize.money_exact(lease.billed_usd),
            lease.note or lease.reason,
        )
        for lease in leases
    ]


def _facts(run: Run) -> list[tuple[str, str]]:
    took = run.worked_seconds(time.time()) or None
    facts = [
        ("run", run.id),
        ("name", run.name),
        ("state", f"{STATE_GLYPHS[run.state]} {run.state} {run.phase_detail}".strip()),
        ("dataset", f"{run.spec.dataset.path} ({run.spec.dataset.statement})"),
        ("base", run.spec.base.id),
        ("template", run.spec.template),
        ("provider", run.spec.provider),
        ("gpu", run.gpu_id),
        ("directory", run.directory),
        ("step", f"{run.step} of {run.total_steps}" if run.total_steps else ""),
        ("epoch", f"{run.epoch:.2f}" if run.epoch else ""),
        ("train loss", _number(run.train_loss)),
        ("eval loss", _number(run.eval_loss)),
        ("best eval loss", _number(run.best_eval_loss)),
        ("speed", f"{run.tokens_per_second:.0f} tokens/s" if run.tokens_per_second else ""),
        ("took", duration(took)),
        ("model", f"{run.model}:{run.model_version}" if run.model else ""),
    ]
    if not run.spec.here:
        budget = run.limits.budget_usd
        facts.append(("cost", humanize.money(run.cost_usd) + (f" of {humanize.money(budget)}" if budget else "")))
    for one in run.changes:
        since = "not yet taken over" if one.step is None else f"from step {one.step} on"
        facts.append(("changed", f"{one.words}, {since}"))
    if run.stop_after and run.active:
        facts.append(("stops", f"after the next {run.stop_after}"))
    facts += [(notice.level, notice.message) for notice in run.notices]
    if run.failure:
        facts += [("failed", run.failure.cause), ("fix", run.failure.fix)]
        if run.failure.suggestion:
            changes = ", ".join(f"{key}={value}" for key, value in run.failure.suggestion.items())
            facts.append(("suggested", f"{changes}   (brightrun runs retry {run.id} --suggested)"))
    return [(name, value) for name, value in facts if value]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
