"""What people say of versions, and which of them a name means."""

from __future__ import annotations

from typing import Annotated

import typer

from brightrun_tui import registry
from brightrun_tui.commands.models.changing import change_version
from brightrun_tui.commands.models.hub import rate_shared
from brightrun_tui.commands.shared.options import ModelArgument, bounded
from brightrun_tui.commands.shared.output import JsonOption
from brightrun_tui.commands.shared.session import Session, require_changes
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.store import models as store


def rate(
    model: ModelArgument,
    stars: Annotated[
        int | None,
        typer.Argument(min=0, max=5, callback=bounded, help="1 to 5; 0 takes them away; none: only the note."),
    ] = None,
    note: Annotated[str | None, typer.Option("--note", help="Why, in your words.")] = None,
    author: Annotated[str, typer.Option("--author", help="Who says so; else your user name.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Give a version stars, a note, or both. Who said what, and when, stays on record. OWNER/REPO: a model of the team's."""
    if "/" in model:
        require_changes()
        rate_shared(model, stars, note or "", as_json)
        return
    if stars is None and note is None:
        raise UsageError("neither stars nor a note", fix="1 to 5, or --note TEXT", kind=ErrorKind.BAD_RATING)
    change_version(
        lambda session: registry.rate(session.db, model, stars or None, note, author=author, keep_stars=stars is None),
        as_json,
    )


def tag(
    model: ModelArgument,
    add: Annotated[list[str] | None, typer.Argument(metavar="[TAG]…", help="Tags to add.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", metavar="TAG", help="A tag to take away.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Add tags, or take some away."""
    change_version(
        lambda session: registry.tag(session.db, model, add=tuple(add or ()), remove=tuple(remove or ())), as_json
    )


def rollback(
    model: Annotated[str, typer.Argument(metavar="NAME[:VERSION]", help="Without a version: to the previous one.")],
    as_json: JsonOption = False,
) -> None:
    """Make an earlier version the champion again."""
    change = registry.promote if ":" in model else registry.rollback
    change_version(lambda session: change(session.db, model), as_json)


def promote(model: ModelArgument, as_json: JsonOption = False) -> None:
    """Make a version the champion: what the model's bare alias “champion” means."""
    change_version(lambda session: registry.promote(session.db, model), as_json)


def alias(
    model: ModelArgument,
    name: Annotated[str, typer.Argument(metavar="ALIAS", help="A word; NAME:ALIAS then means that version.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take it away.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Point a name of your own at a version."""
    if not remove:
        change_version(lambda session: registry.set_alias(session.db, model, name), as_json)
        return

    async def drop(session: Session) -> ModelVersion:
        await registry.drop_alias(session.db, model.partition(":")[0], name)
        return await store.find(session.db, model)

    change_version(drop, as_json)


def describe(
    model: ModelArgument,
    text: Annotated[str, typer.Argument(help="What it is for; empty takes it away.")],
    as_json: JsonOption = False,
) -> None:
    """Say what a version is for."""
    change_version(lambda session: registry.describe(session.db, model, text), as_json)


def archive(
    model: ModelArgument,
    back: Annotated[bool, typer.Option("--back", help="Put it back into the list.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take a version out of the list without deleting anything."""
    change_version(lambda session: registry.archive(session.db, model, not back), as_json)
