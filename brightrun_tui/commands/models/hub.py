"""Versions to the Hugging Face Hub, and from it."""

from __future__ import annotations

from typing import Annotated

import typer

from brightrun_tui import registry
from brightrun_tui.commands.models.files import ItsBaseOption, take_in
from brightrun_tui.commands.shared.options import ModelArgument
from brightrun_tui.commands.shared.output import (
    JsonOption,
    YesOption,
    confirm,
    print_json,
    put,
    say,
    say_done,
    say_over,
)
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.store import models as store

_WIDTH = 78


def push(
    model: ModelArgument,
    to: Annotated[str, typer.Option("--to", metavar="OWNER/REPO", help="Made, private, where it is not there yet.")],
    tag: Annotated[str, typer.Option("--tag", help="Else v and the version's number.")] = "",
    sign: Annotated[bool, typer.Option("--sign", help="Sign it with the key of this installation.")] = False,
    public: Annotated[bool, typer.Option("--public", help="Where everybody can read it; asks once more.")] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Upload a version to the Hugging Face Hub: private, with its report card, and a tag for each version."""
    require_changes()
    found = with_store(lambda session: store.find(session.db, model))
    if public:
        count = len(found.report.samples)
        confirm(
            yes, f"Everybody will be able to read {found.ref} and the {count} questions on its report card. Publish?"
        )

    async def send(session: Session) -> registry.Pushed:
        seal = registry.sign(session.paths, found) if sign else None
        return await registry.push(session.paths, found, to, tag=tag, public=public, seal=seal, tell=_tell)

    pushed = with_store(send)
    if as_json:
        print_json({"pushed": pushed})
        return
    seen = "private" if pushed.private else "public: everybody can read it"
    what = "is there already, with these very files" if pushed.already else "is there"
    say_done(f"{pushed.ref} {what} ({seen}), tag {pushed.tag}, commit {pushed.commit[:10]}")
    if not pushed.private and not public:
        say(("!", "yellow"), " it was to be private: somebody changed the repository meanwhile")
    put(pushed.url)


def pull(
    source: Annotated[str, typer.Argument(metavar="OWNER/REPO[@TAG]", help="What brightrun models push has made.")],
    base: ItsBaseOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take a version from the Hugging Face Hub. Nothing of it is run; what does not belong there is refused."""

    take_in(lambda session: registry.pull(session.db, session.paths, source, _tell), base, as_json)


def _tell(what: str, share: float) -> None:
    say_over(what[:_WIDTH].ljust(_WIDTH), last=share >= 1.0)
