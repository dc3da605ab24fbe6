"""``brightrun train`` and ``brightrun estimate``."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

from brightrun_tui.commands.shared.checking import check_aloud
from brightrun_tui.commands.shared.follow import display, follow_run
from brightrun_tui.commands.shared.options import (
    BaseOption,
    BudgetOption,
    ColumnOption,
    DataArgument,
    EncodingOption,
    GpuOption,
    GpusOption,
    HoursOption,
    IntensityOption,
    InterruptibleOption,
    NameOption,
    NotBeforeOption,
    ProjectOption,
    ProviderOption,
    SetOption,
    SettingsOption,
    SharedGpuOption,
    SheetOption,
    SweepOption,
    TemplateOption,
    machine_overrides,
    parse_overrides,
    parse_reading,
)
from brightrun_tui.commands.shared.output import JsonOption, YesOption, page, print_json, put, say, talk
from brightrun_tui.commands.shared.preflight import print_estimate, print_preflight, print_warnings, refuse
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.commands.shared.starting import agree, plan_run
from brightrun_tui.commands.sweep import train_sweep
from brightrun_tui.config import RunDefaults, load_section
from brightrun_tui.domain.advice import name_data
from brightrun_tui.domain.error_kinds import ErrorKind, ExitCode, exit_code_of
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.humanize import duration
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.settings import Overrides
from brightrun_tui.orchestrator import client
from brightrun_tui.paths import get_paths, typed_path
from brightrun_tui.planning import machine_speed
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.intensity import Intensity
from brightrun_tui.planning.offers import require_account
from brightrun_tui.planning.plan import Plan, make_spec
from brightrun_tui.planning.remedies import find_remedies
from brightrun_tui.planning.settings_file import SettingsFile, read_settings
from brightrun_tui.store import models


def train(
    data: DataArgument,
    name: NameOption = "",
    base: BaseOption = None,
    template: TemplateOption = None,
    provider: ProviderOption = None,
    gpu: GpuOption = "",
    gpus: GpusOption = "",
    shared_gpu: SharedGpuOption = False,
    interruptible: InterruptibleOption = False,
    budget: BudgetOption = None,
    max_hours: HoursOption = None,
    settings: SetOption = None,
    intensity: IntensityOption = Intensity.BALANCED,
    settings_file: SettingsOption = "",
    columns: ColumnOption = None,
    encoding: EncodingOption = "",
    sheet: SheetOption = "",
    project: ProjectOption = None,
    not_before: NotBeforeOption = "",
    sweep: SweepOption = "",
    run_all: Annotated[
        bool,
        typer.Option("--run-all", help="With --sweep: none of its runs is stopped early for being behind the others."),
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Start it and return at once; the engine goes on.")] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fine-tune a base model on DATA, and wait until the model is in the registry."""
    require_changes()
    if run_all and not sweep:
        raise UsageError("--run-all is about the runs of a sweep", fix="give --sweep too", kind=ErrorKind.BAD_OPTION)
    draft = make_draft(
        data,
        name,
        base,
        template,
        provider,
        gpu,
        interruptible,
        budget,
        max_hours,
        settings,
        parse_reading(columns, encoding, sheet),
        project,
        settings_file=settings_file,
        machine=machine_overrides(gpus, shared_gpu),
        intensity=intensity,
        not_before=not_before,
    )
    _check_data(draft)
    if sweep:
        train_sweep(draft, sweep, stop_worst=not run_all, yes=yes, detach=detach, as_json=as_json)
        return
    run = with_store(lambda session: _start(session, draft, yes=yes))
    if detach:
        _print_detached(run, as_json)
        return
    try:
        run = with_store(lambda session: _follow(session, run))
    except KeyboardInterrupt:
        _print_detached(run, as_json)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    _finish(run, as_json)


def estimate(
    data: DataArgument,
    name: NameOption = "",
    base: BaseOption = None,
    template: TemplateOption = None,
    provider: ProviderOption = None,
    gpu: GpuOption = "",
    gpus: GpusOption = "",
    shared_gpu: SharedGpuOption = False,
    interruptible: InterruptibleOption = False,
    budget: BudgetOption = None,
    max_hours: HoursOption = None,
    settings: SetOption = None,
    intensity: IntensityOption = Intensity.BALANCED,
    settings_file: SettingsOption = "",
    columns: ColumnOption = None,
    encoding: EncodingOption = "",
    sheet: SheetOption = "",
    as_json: JsonOption = False,
) -> None:
    """Estimate memory, time and cost of a run before anything is paid."""
    draft = make_draft(
        data,
        name,
        base,
        template,
        provider,
        gpu,
        interruptible,
        budget,
        max_hours,
        settings,
        parse_reading(columns, encoding, sheet),
        settings_file=settings_file,
        machine=machine_overrides(gpus, shared_gpu),
        intensity=intensity,
    )
    _check_data(draft)
    plan = asyncio.run(_plan(draft))
    if plan.estimate is None or not plan.ready:
        print_preflight(talk(), plan)
        refuse(talk(), plan, find_remedies(plan, get_paths()))
    elif not as_json:
        print_estimate(page(), plan.estimate, plan.hardware)
        print_warnings(page(), plan)
    if as_json:
        print_json(
            {
                "estimate": plan.estimate,
                "hardware": plan.hardware,
                "ready": plan.ready,
                "checks": [
                    {"name": check.name, "state": check.state, "what": check.what, "fix": check.fix}
                    for check in plan.checks
                ],
            }
        )


async def _plan(draft: Draft) -> Plan:
    """Plan the run, and measure this machine first where its speed with the base model is unknown."""
    plan = await plan_run(draft, get_paths())
    if plan.ready and plan.base and machine_speed.is_unknown(plan, get_paths()):
        say(f"Measuring once how fast this machine is with {plan.base.title} …")
        if await machine_speed.measure(plan, get_paths()):
            return await plan_run(draft, get_paths())
    return plan


def make_draft(
    data: str,
    name: str,
    base: str | None,
    template: str | None,
    provider: str | None,
    gpu: str,
    interruptible: bool,
    budget: float | None,
    max_hours: float | None,
    settings: list[str] | None,
    columns: dict[str, str],
    project: str | None = None,
    *,
    settings_file: str = "",
    machine: Overrides,
    intensity: Intensity = Intensity.BALANCED,
    not_before: str = "",
) -> Draft:
    """Return the draft that the options describe; what was not said comes from the settings file, else from
    ``[defaults]``.

    ``machine``: what `machine_overrides` made of ``--gpus`` and ``--shared-gpu``.
    """
    defaults = load_section(get_paths(), "defaults", RunDefaults)
    given = read_settings(typed_path(settings_file)) if settings_file else SettingsFile()
    return Draft(
        name=name,
        data=_absolute(data),
        base=_absolute(base or given.base or defaults.base),
        template=template or given.template or defaults.template,
        overrides={**given.settings, **parse_overrides(settings or []), **machine},
        provider=provider or defaults.provider,
        gpu=gpu,
        interruptible=interruptible,
        budget_usd=defaults.budget_usd if budget is None else budget,
        max_hours=max_hours,
        columns=columns,
        project=defaults.project if project is None else project,
        not_before=not_before,
        intensity=intensity,
    )


def _absolute(word: str) -> str:
    """Return a path that exists here, made independent of the working directory; any other word as it is."""
    path = typed_path(word)
    return str(path.absolute()) if os.path.exists(path) else word


def _check_data(draft: Draft) -> None:
    """Fetch and check the data before the plan asks for it, here where a person sees the progress and Ctrl-C ends it at once."""
    with suppress(BrightrunError):  # the plan says it again, among what else is wrong
        check_aloud(draft.data, draft.columns, get_paths())


async def _start(session: Session, draft: Draft, *, yes: bool) -> Run:
    plan = await plan_run(draft, session.paths)
    print_preflight(talk(), plan)
    refuse(talk(), plan, await asyncio.to_thread(find_remedies, plan, session.paths))
    spec = make_spec(plan)
    agree(plan.estimate.cost_usd_high if plan.estimate else 0.0, yes=yes)
    if plan.estimate is not None:
        await require_account(draft, session.paths, plan.estimate)
    return await client.submit(session.db, session.paths, spec, plan.estimate)


async def _follow(session: Session, run: Run) -> Run:
    say("Run ", (run.name, "bold"), f" ({run.id}). Ctrl-C leaves it running.")
    with display() as shown:
        return await follow_run(session, run, shown)


def _print_detached(run: Run, as_json: bool) -> None:
    say(
        "The run goes on. Watch it: ",
        (f"brightrun runs logs -f {run.id}", "bold"),
        "\n                 Stop it:  ",
        (f"brightrun runs stop {run.id}", "bold"),
    )
    if as_json:
        print_json({"run": run, "detached": True})
    else:
        put(run.id)


def _finish(run: Run, as_json: bool) -> None:
    """Print what came of the run.

    Raises:
        typer.Exit: unless it completed, with code 1 or the one of its failure.
    """
    from brightrun_tui.commands.shared.report_card import print_summary

    model = with_store(lambda session: models.by_run(session.db, run.id))
    failure = run.failure
    if as_json:
        document = {"run": run, "model": model.ref if model else None, "report": model.report if model else None}
        error = (
            {"kind": failure.error, "what": failure.cause, "where": f"run {run.id}", "fix": failure.fix}
            if failure
            else None
        )
        print_json({**document, "error": error} if error else document)
    if not (as_json and sys.stdout.isatty()):
        took = duration(run.worked_seconds(run.finished_at)) if run.finished_at and run.started_at else ""
        say((run.state, "bold"), f" {took}" if took else "")
        if failure:
            say(("✗", "red"), f" {failure.cause}")
        if failure and failure.fix:
            say(("  fix", "dim"), f" {failure.fix}")
        if model:
            data = run.spec.dataset
            named = name_data(model.report, data.path, data.columns)
            print_summary(talk(), model.model_copy(update={"report": named}))
        if model and not as_json:
            put(model.ref)
    if run.state != "completed":
        raise typer.Exit(exit_code_of(failure.error if failure else ""))
