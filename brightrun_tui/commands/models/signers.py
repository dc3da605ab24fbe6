"""Whose signatures are trusted, and whether a version is what was signed."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from brightrun_tui import registry
from brightrun_tui.commands.shared.options import ModelArgument
from brightrun_tui.commands.shared.output import JsonOption, print_json, print_table, put, say, say_done
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.domain.error_kinds import ErrorKind, ExitCode
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.humanize import ago
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.paths import get_paths
from brightrun_tui.store import models as store


def signers(
    trust: Annotated[
        str, typer.Option("--trust", metavar="KEY", help="What this key signed is verified from now on.")
    ] = "",
    name: Annotated[str, typer.Option("--name", help="With --trust: whose it is.")] = "",
    remove: Annotated[
        str, typer.Option("--remove", metavar="KEY", help="Trust it no more; its beginning is enough.")
    ] = "",
    own: Annotated[bool, typer.Option("--own", help="Only this installation's key, made where there is none.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List keys whose signatures are trusted here; give your own (--own) to those who are to trust your bundles."""
    if name and not trust:
        raise UsageError(
            "a name alone trusts nobody",
            where="--name",
            fix="give the key with it: --trust KEY --name NAME",
            kind=ErrorKind.BAD_OPTION,
        )
    paths = get_paths()
    if trust or remove or own:
        require_changes()
    if trust:
        registry.trust(paths, trust.strip().lower(), name)
    if remove:
        registry.distrust(paths, remove.strip().lower())
    key = registry.own_key(paths) if own else ""
    known = registry.trusted_keys(paths)
    if as_json:
        print_json(
            {"own": key or None, "trusted": [{"key": each, **facts.model_dump()} for each, facts in known.items()]}
        )
    elif own:
        put(key)
    elif known:
        print_table(
            ("key", "whose", "since"),
            [(each, facts.name, ago(facts.added_at, time.time())) for each, facts in known.items()],
        )
    else:
        say("No key is trusted yet. Make your own: ", ("brightrun models signers --own", "bold"))


def verify(model: ModelArgument, as_json: JsonOption = False) -> None:
    """Verify that a version's weights are those that were signed, and say by whom. Exit code 1 where nobody trusted
    signed them.
    """

    async def look(session: Session) -> tuple[ModelVersion, registry.Origin]:
        found = await store.find(session.db, model)
        return found, await registry.verify(session.paths, found)

    found, origin = with_store(look)
    if as_json:
        print_json({"model": found.ref, "origin": origin})
    elif origin.standing == "own":
        say_done(f"{found.ref} was made here")
    elif origin.standing == "verified":
        say_done(f"{found.ref}: {origin.words}")
    else:
        say(("!", "yellow"), f" {found.ref}: {origin.words}")
    if origin.standing in ("unverified", "unsigned"):
        raise typer.Exit(ExitCode.FAILED)
