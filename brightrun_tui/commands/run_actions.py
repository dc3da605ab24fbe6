"""``brightrun runs`` that ask the engine: stop, pause, resume, change, checkpoint, retry, move, delete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from brightrun_tui.commands.shared.asking import ask_engine
from brightrun_tui.commands.shared.options import RunArgument, bounded
from brightrun_tui.commands.shared.output import JsonOption, YesOption, confirm, print_json, put, say_done
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.live_change import CHANGEABLE
from brightrun_tui.domain.requests import (
    Answer,
    Ask,
    ChangeAnswer,
    ChangeRun,
    CheckpointRun,
    DeleteRun,
    MoveRun,
    PauseRun,
    ResumeRun,
    RetryAnswer,
    RetryRun,
    StopAnswer,
    StopRun,
)
from brightrun_tui.domain.run_states import ACTIVE
from brightrun_tui.store import runs as store

app = typer.Typer()

_PRESSED = {
    "terminated": "is told to end at once; stop it again to kill it",
    "killed": "is killed; its newest checkpoint stays",
}


@app.command()
def stop(
    run: RunArgument,
    force: Annotated[
        bool, typer.Option("--force", help="Kill it now; its newest checkpoint stays, and a retry goes on there.")
    ] = False,
    after: Annotated[
        str, typer.Option("--after", metavar="PLACE", help="Go on until there: evaluation (the next one) or epoch.")
    ] = "",
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """End a run; what it has learnt so far becomes a model. Stopped once more, it is ended at once."""
    if after and force:
        raise UsageError(
            "--after goes on for a while, --force ends it now", fix="give one of them", kind=ErrorKind.BAD_OPTION
        )
    if after:
        said = f"stops after the {after} that is under way or comes next"
        _ask(lambda run_id: StopRun(target=run_id, after=after), run, as_json, said)
        return
    confirm(yes, f"Stop run {run}?")
    _ask(lambda run_id: StopRun(target=run_id, force=force), run, as_json, "stopping; its newest state is saved first")


@app.command()
def pause(run: RunArgument, as_json: JsonOption = False) -> None:
    """Save a checkpoint and let the machine go; “resume” continues exactly there."""
    _ask(lambda run_id: PauseRun(target=run_id), run, as_json, "pausing")


@app.command()
def resume(run: RunArgument, as_json: JsonOption = False) -> None:
    """Continue a paused run from its newest checkpoint. A stopped or failed one is retried."""
    _ask(lambda run_id: ResumeRun(target=run_id), run, as_json, "continues")


@app.command()
def retry(
    run: RunArgument,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting.")] = None,
    suggested: Annotated[bool, typer.Option("--suggested", help="Apply the change that the failure suggests.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Try a failed run again: as it was from its newest checkpoint, or as a new run with changes."""
    from brightrun_tui.commands.shared.options import parse_overrides

    overrides = parse_overrides(settings or [])
    _ask(
        lambda run_id: RetryRun(target=run_id, overrides=overrides, apply_suggestion=suggested),
        run,
        as_json,
        "tries again",
    )


@app.command()
def change(
    run: RunArgument,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help=f"From the next step on: {' or '.join(CHANGEABLE)}."),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget", metavar="USD", min=0, callback=bounded, help="What the run may cost in all from now on."
        ),
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(
            "--time-limit",
            "--max-hours",
            metavar="HOURS",
            min=0,
            callback=bounded,
            help="How long it may train in all from now on.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change a run that is under way; what was changed, and from which step on, stays on its record."""
    from brightrun_tui.commands.shared.options import parse_overrides

    overrides = parse_overrides(settings or [])
    _ask(
        lambda run_id: ChangeRun(target=run_id, settings=overrides, budget_usd=budget, max_hours=time_limit),
        run,
        as_json,
        "is changed; its log says from which step on" if overrides else "is changed; that holds at once",
    )


@app.command()
def checkpoint(run: RunArgument, as_json: JsonOption = False) -> None:
    """Save a checkpoint now and go on."""
    _ask(lambda run_id: CheckpointRun(target=run_id), run, as_json, "saves a checkpoint")


@app.command()
def move(
    run: RunArgument,
    to: Annotated[str, typer.Argument(metavar="PLACE", help="first, last, up, down, or a number from 1.")] = "first",
    as_json: JsonOption = False,
) -> None:
    """Give a run that waits another place in the queue."""
    _ask(lambda run_id: MoveRun(target=run_id, to=to), run, as_json, "has another place in the queue")


@app.command()
def delete(run: RunArgument, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Forget a run that has ended, its files included. Its model stays."""
    confirm(yes, f"Delete run {run}, its checkpoints and its logs?")
    _ask(lambda run_id: DeleteRun(target=run_id), run, as_json, "deleted")


def _ask(make: Callable[[str], Ask[Answer]], word: str, as_json: bool, said: str) -> None:
    async def ask(session: Session) -> tuple[str, str, Answer]:
        run_id = await store.locate(session.db, word)
        name = (await store.names(session.db))[run_id]
        return run_id, name, await ask_engine(session, make(run_id))

    require_changes()
    run_id, name, answer = with_store(ask)
    if as_json:
        print_json({"run": run_id, **answer.model_dump(mode="json", exclude_unset=True)})
    else:
        if isinstance(answer, StopAnswer) and answer.state == "stopping":
            said = _PRESSED.get(answer.ending, said)
        if isinstance(answer, ChangeAnswer) and answer.state not in ACTIVE:
            said = f"is {answer.state}; the change holds once it goes on"
        say_done(f"run {name} ({run_id}) {said}")
        if isinstance(answer, RetryAnswer) and answer.run != run_id:
            put(answer.run)
