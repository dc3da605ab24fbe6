"""``brightrun train --sweep``: one run with several values of a setting, as a group of runs, and which came out best."""

from __future__ import annotations

import asyncio

import typer

from brightrun_tui.commands.shared.follow import display, follow_run
from brightrun_tui.commands.shared.output import print_json, print_table, say, talk
from brightrun_tui.commands.shared.preflight import print_preflight, refuse
from brightrun_tui.commands.shared.session import Session, with_store
from brightrun_tui.commands.shared.starting import agree, plan_run
from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ExitCode, exit_code_of
from brightrun_tui.domain.halving import NOT_COMPARABLE, RULE
from brightrun_tui.domain.run import Run
from brightrun_tui.orchestrator import client
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.offers import require_account
from brightrun_tui.planning.remedies import find_remedies
from brightrun_tui.planning.sweep import Values, are_comparable, parse_sweep, sweep_drafts, sweep_sentence, sweep_specs
from brightrun_tui.store import models


def train_sweep(draft: Draft, wanted: str, *, stop_worst: bool, yes: bool, detach: bool, as_json: bool) -> None:
    """Start a run for every combination of the values, wait for all, and print them, the best first.

    Raises:
        typer.Exit: unless one of them completed.
    """
    values = parse_sweep(wanted)
    runs = with_store(lambda session: _start(session, draft, values, stop_worst=stop_worst, yes=yes))
    if not detach:
        try:
            runs = with_store(lambda session: _follow(session, runs))
        except KeyboardInterrupt:
            _print(runs, as_json)
            raise typer.Exit(ExitCode.INTERRUPTED) from None
    _print(runs, as_json)
    if not detach and not any(run.state == "completed" for run in runs):
        raise typer.Exit(next((exit_code_of(run.failure.error) for run in runs if run.failure), exit_code_of("")))


async def _start(session: Session, draft: Draft, values: Values, *, stop_worst: bool, yes: bool) -> list[Run]:
    name = (await plan_run(draft, session.paths)).name
    plans = [await plan_run(one, session.paths) for one in sweep_drafts(draft, name, values)]
    odd = next((plan for plan in plans if not plan.ready), plans[0])
    print_preflight(talk(), odd)
    refuse(talk(), odd, await asyncio.to_thread(find_remedies, odd, session.paths))
    comparable = are_comparable(values)
    specs = sweep_specs(plans, stop_worst=stop_worst and comparable)
    say((sweep_sentence(plans), "bold"))
    if stop_worst:
        say((RULE if comparable else NOT_COMPARABLE, "dim"))
    agree(sum(plan.estimate.cost_usd_high for plan in plans if plan.estimate), yes=yes)
    runs = []
    for plan, spec in zip(plans, specs, strict=True):
        if plan.estimate is not None:
            await require_account(plan.draft, session.paths, plan.estimate)
        runs.append(await client.submit(session.db, session.paths, spec, plan.estimate))
    return runs


async def _follow(session: Session, runs: list[Run]) -> list[Run]:
    say("Ctrl-C leaves them running.")
    ended = []
    for run in runs:
        say("Run ", (run.name, "bold"), f" ({run.id})")
        with display() as shown:
            ended.append(await follow_run(session, run, shown))
    return ended


def _print(runs: list[Run], as_json: bool) -> None:
    best_first = sorted(runs, key=lambda run: (run.held_out_loss is None, run.held_out_loss or 0.0, run.created_at))
    made = with_store(lambda session: _models(session, best_first))
    if as_json:
        shown = [{"run": run, "held_out_loss": run.held_out_loss, "model": ref or None} for run, ref in made]
        print_json({"sweep": runs[0].spec.group, "runs": shown})
    else:
        rows = [[run.name, run.state, humanize.loss(run.held_out_loss), ref or "", run.id] for run, ref in made]
        print_table(("run", "state", "held-out loss", "model", "id"), rows)


async def _models(session: Session, runs: list[Run]) -> list[tuple[Run, str]]:
    found = [(run, await models.by_run(session.db, run.id)) for run in runs]
    return [(run, model.ref if model else "") for run, model in found]
