"""``brightrun endpoints answers``: what an endpoint was asked and answered, kept where one wants that, and corrected."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from brightrun_tui import registry
from brightrun_tui.commands.shared.options import EndpointArgument, bounded
from brightrun_tui.commands.shared.output import JsonOption, YesOption, confirm, print_json, print_table, say, say_done
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.domain.correction import Correction
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.humanize import ago
from brightrun_tui.domain.text import one_line, shortened
from brightrun_tui.files import plain_disk_errors
from brightrun_tui.serving import KeptAnswer, keep_answers, keeps_answers, read_answers
from brightrun_tui.store import endpoints as store

SHOWN = 60


def answers(
    endpoint: EndpointArgument,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep questions and answers from now on, in a file only you can read.")
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Keep them no longer, and delete those that were kept.")
    ] = False,
    wrong: Annotated[str, typer.Option("--wrong", metavar="ID", help="This answer is wrong; with --wanted.")] = "",
    wanted: Annotated[str, typer.Option("--wanted", metavar="ANSWER", help="With --wrong: the right answer.")] = "",
    last: Annotated[int, typer.Option("--last", "-n", min=0, callback=bounded, help="So many of them. 0: all.")] = 20,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what it was asked and answered, newest first. Nothing is kept before you say --keep.

    --wrong makes a correction of one, which the model's next version learns: brightrun models corrections NAME
    --dataset
    """
    if sum((keep, forget, bool(wrong or wanted))) > 1 or bool(wrong) != bool(wanted):
        raise UsageError(
            "these options do not go together",
            where="brightrun endpoints answers",
            fix="give --keep, or --forget, or --wrong with --wanted",
            kind=ErrorKind.BAD_OPTION,
        )
    found = with_store(lambda session: _find(session, endpoint))
    directory = Path(found.directory)
    if keep or forget:
        require_changes()
        if forget and keeps_answers(directory):
            confirm(yes, f"Delete the questions and answers that {found.id} kept?")
        with plain_disk_errors(directory):
            keep_answers(directory, keep)
        if as_json:
            print_json({"endpoint": found.id, "kept": keep})
        else:
            say_done(f"{found.id} keeps {'what it is asked and answers' if keep else 'nothing, and nothing is left'}")
    elif wrong:
        require_changes()
        made = _correct(_kept(directory, wrong), wanted)
        if as_json:
            print_json({"correction": made})
        else:
            say_done(f"correction {made.id} of {made.model} is kept")
    else:
        _list(found, directory, last, as_json)


def _list(endpoint: Endpoint, directory: Path, last: int, as_json: bool) -> None:
    kept, on = _read(directory, last), keeps_answers(directory)
    if as_json:
        print_json({"endpoint": endpoint.id, "kept": on, "answers": kept})
    elif kept:
        now = time.time()
        print_table(
            ("id", "version", "asked", "answered", "when"),
            [
                (
                    one.id,
                    one.ref,
                    shortened(one_line(one.question), SHOWN),
                    shortened(one_line(one.answer), SHOWN),
                    ago(one.time, now),
                )
                for one in kept
            ],
        )
    elif on:
        say(f"{endpoint.id} has not been asked anything since its answers are kept.")
    else:
        say("Nothing is kept. Keep it from now on: ", (f"brightrun endpoints answers {endpoint.id} --keep", "bold"))


def _correct(answer: KeptAnswer, wanted: str) -> Correction:
    async def correct(session: Session) -> Correction:
        return await registry.correct(session.db, answer.ref, answer.conversation, wanted, answer=answer.answer)

    return with_store(correct)


async def _find(session: Session, word: str) -> Endpoint:
    return await store.find(session.db, word)


def _kept(directory: Path, word: str) -> KeptAnswer:
    for one in _read(directory, 0):
        if one.id == word:
            return one
    raise UsageError(
        f"no answer {word} is kept",
        where=str(directory),
        fix="the list shows their ids: brightrun endpoints answers ENDPOINT --last 0",
        kind=ErrorKind.UNKNOWN_ANSWER,
    )


def _read(directory: Path, most: int) -> list[KeptAnswer]:
    with plain_disk_errors(directory):
        return read_answers(directory, most)
