"""Measuring versions again, on any data, and who does best on it."""

from __future__ import annotations

from typing import Annotated

import typer

from brightrun_tui import registry
from brightrun_tui.commands.shared.checking import check_aloud
from brightrun_tui.commands.shared.follow import display, follow_run
from brightrun_tui.commands.shared.options import (
    ColumnOption,
    GpusOption,
    SharedGpuOption,
    bounded,
    machine_overrides,
    parse_columns,
)
from brightrun_tui.commands.shared.output import JsonOption, page, print_json, put, say
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.domain.answer_evaluation import AnswerEvaluation
from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.error_kinds import ErrorKind, ExitCode, exit_code_of
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.evaluation import Evaluation
from brightrun_tui.domain.run import Run
from brightrun_tui.orchestrator import client
from brightrun_tui.paths import get_paths
from brightrun_tui.registry.leaderboard import LEVEL_WITH_FIRST
from brightrun_tui.serving import with_liveness
from brightrun_tui.store import endpoints, evaluations
from brightrun_tui.store import models as store


def evaluate(
    models: Annotated[list[str], typer.Argument(metavar="NAME[:VERSION]…", help="One version or more.")],
    data: Annotated[
        str,
        typer.Option("--data", metavar="DATA", help="What to measure on; else the data that the first was trained on."),
    ] = "",
    answers: Annotated[
        int, typer.Option("--answers", min=0, max=64, callback=bounded, help="Prompts that are answered, to their end.")
    ] = registry.ANSWERS,
    records: Annotated[
        int, typer.Option("--records", min=1, callback=bounded, help="Records that judge, at most.")
    ] = registry.RECORDS,
    endpoint: Annotated[
        str,
        typer.Option(
            "--endpoint", metavar="NAME", help="Only ask, at this endpoint that serves it: nothing is loaded here."
        ),
    ] = "",
    columns: ColumnOption = None,
    gpus: GpusOption = "",
    shared_gpu: SharedGpuOption = False,
    detach: Annotated[bool, typer.Option("--detach", help="Start it and return at once; the engine goes on.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure versions on records that none of them learnt from, as a report card does, whenever you like.

    The version is loaded on this machine for that. One that is too large for it can be asked where it is served, here or on a
    rented machine (--endpoint): then its answers are compared with the wanted ones, and no losses are measured.
    """
    require_changes()
    if endpoint and (len(models) > 1 or detach or gpus or shared_gpu):
        raise UsageError(
            "an endpoint answers for one version, and uses nothing of this machine",
            where="--endpoint",
            fix="name one version, and leave --detach, --gpus and --shared-gpu out",
            kind=ErrorKind.BAD_OPTION,
        )
    roles = parse_columns(columns or [])

    async def named(session: Session) -> str:
        return data or await registry.own_data(session.db, await store.find(session.db, models[0]))

    report = check_aloud(with_store(named), roles, get_paths())

    if endpoint:
        _ask_at(endpoint, models[0], report, answers, as_json)
        return

    async def start(session: Session) -> list[Run]:
        specs = await registry.plan_evaluations(
            session.db,
            [await store.find(session.db, ref) for ref in models],
            report,
            answers=answers,
            records=records,
            machine=machine_overrides(gpus, shared_gpu),
        )
        return [await client.submit(session.db, session.paths, spec) for spec in specs]

    begun = with_store(start)
    if detach:
        _print_detached(begun, as_json)
        return
    try:
        ended = with_store(lambda session: _follow(session, begun))
    except KeyboardInterrupt:
        _print_detached(begun, as_json)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    _finish(ended, as_json)


def _ask_at(endpoint: str, model: str, report: DatasetReport, answers: int, as_json: bool) -> None:
    """Measure by asking only, and print what came of it."""
    from brightrun_tui.commands.shared.measured import print_answers

    async def ask(session: Session) -> AnswerEvaluation:
        version = await store.find(session.db, model)
        (serving,) = with_liveness([await endpoints.find(session.db, endpoint)])
        say("Asking ", (version.ref, "bold"), f" at endpoint {serving.id}")
        return await registry.evaluate_at_endpoint(session.db, version, report, serving, answers=answers or 1)

    found = with_store(ask)
    if as_json:
        print_json({"answers": found})
    else:
        print_answers(page(), found)


def leaderboard(
    dataset: Annotated[
        str, typer.Argument(metavar="[DATASET]", help="Its name, or the beginning of its fingerprint; else every one.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Rank versions by what they were measured to be worth: those measured on the very same records stand together."""
    from brightrun_tui.commands.shared.measured import print_board

    boards = with_store(lambda session: registry.leaderboards(session.db, dataset))
    if as_json:
        print_json({"boards": boards})
        return
    if not boards:
        say("No models yet. Make one: ", ("brightrun train DATA", "bold"))
    for board in boards:
        print_board(page(), board)
    if any(each.level for board in boards for each in board.standings):
        say(LEVEL_WITH_FIRST)


async def _follow(session: Session, begun: list[Run]) -> list[Run]:
    ended = []
    for run in begun:
        say("Measuring ", (run.spec.measures.ref if run.spec.measures else run.name, "bold"), f" ({run.id})")
        with display() as shown:
            ended.append(await follow_run(session, run, shown))
    return ended


def _print_detached(begun: list[Run], as_json: bool) -> None:
    if as_json:
        print_json({"runs": begun, "detached": True})
        return
    say("It goes on. Watch it: ", (f"brightrun runs logs -f {begun[0].id}", "bold"))
    for run in begun:
        put(run.id)


def _finish(ended: list[Run], as_json: bool) -> None:
    """Print what came of it.

    Raises:
        typer.Exit: unless all of it was done, with code 1 or the one of the first failure.
    """
    from brightrun_tui.commands.shared.measured import print_evaluation

    async def look(session: Session) -> list[Evaluation]:
        found = [await evaluations.by_run(session.db, run.id) for run in ended]
        return [each for each in found if each is not None]

    found = with_store(look)
    undone = [run for run in ended if run.state != "completed"]
    if as_json:
        print_json({"runs": ended, "evaluations": found})
    for each in () if as_json else found:
        print_evaluation(page(), each)
    for run in undone:
        failure = run.failure
        say(("✗", "red"), f" {run.name}: {failure.cause if failure else run.state}")
        if failure and failure.fix:
            say(("  fix", "dim"), f" {failure.fix}")
    if undone:
        raise typer.Exit(exit_code_of(undone[0].failure.error if undone[0].failure else ""))
