"""Versions as files: export, import, where their base is, and removing what is not needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from brightrun_tui import registry
from brightrun_tui.commands.models.changing import change_version
from brightrun_tui.commands.shared.options import ModelArgument
from brightrun_tui.commands.shared.output import JsonOption, YesOption, confirm, print_json, put, say, say_done
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.domain.humanize import size
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.run_directory import CARD
from brightrun_tui.paths import Paths
from brightrun_tui.serving.fidelity import read_fidelity
from brightrun_tui.store import models as store

ItsBaseOption = Annotated[
    str, typer.Option("--base", metavar="DIR|ID", help="Where its base model is, if that is not found automatically.")
]


def export(
    model: ModelArgument,
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="A directory that does not exist yet; a file for a bundle.")
    ],
    form: Annotated[
        str,
        typer.Option(
            "--form",
            help="adapter: for peft. merged: one complete model. gguf, gguf-f16, gguf-q4 (8, 16, 4 bits): for llama.cpp and "
            "Ollama. bundle: one file to carry away. Others: brightrun plugins.",
        ),
    ] = "adapter",
    sign: Annotated[
        bool, typer.Option("--sign", help="Sign the bundle: who made it, and that nobody has changed it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a model as files for other programs."""

    async def write(session: Session) -> Path:
        found = await store.find(session.db, model)
        signed_by = session.paths if sign else None
        return await registry.export(found, target.absolute(), form=form, signed_by=signed_by)

    path = with_store(write)
    found = read_fidelity(path)
    if as_json:
        print_json({"path": str(path), "form": form, "signed": sign, "measured": found})
        return
    if found is not None:
        say(found.words, f" What it answers in other words is in {CARD}." if found.others else "")
    put(str(path))


def import_(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A .brightrun.tar from anybody.")],
    base: ItsBaseOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take a bundle into the registry. Nothing of it is run; what does not belong there is refused."""

    take_in(lambda session: registry.import_bundle(session.db, session.paths, bundle.absolute()), base, as_json)


def take_in(fetch: Callable[[Session], Awaitable[ModelVersion]], base: str, as_json: bool) -> None:
    """Let ``fetch`` register a version from elsewhere, name its base model where ``base`` says it, and tell what it is."""

    async def take(session: Session) -> ModelVersion:
        found = await fetch(session)
        if base:
            found = await registry.set_base(session.db, session.paths, found.ref, base)
        _say_imported(session.paths, found)
        return found

    change_version(take, as_json)


def _say_imported(paths: Paths, found: ModelVersion) -> None:
    """Say who signed a version that came from elsewhere, what it lacks, and what nobody here has checked."""
    origin = registry.origin_of(paths, found)
    if origin.standing == "own":
        say(("✓", "green"), f" this is {found.ref}, which was made and measured here: there is nothing to import")
        return
    say(("✓", "green") if origin.standing == "verified" else ("!", "yellow"), f" {origin.words}")
    if origin.standing == "unverified":
        say("  trust it: ", (f"brightrun models signers --trust {origin.key} --name NAME", "bold"))
    if missing := registry.missing_base(found):
        say(("!", "yellow"), f" {missing}")
    say("Its report card is as the sender wrote it: nothing of it was measured here.")


def set_base(
    model: ModelArgument,
    place: Annotated[str, typer.Argument(metavar="DIR|ID", help="A directory, or a base model's name.")],
    as_json: JsonOption = False,
) -> None:
    """Say where a version's base model is on this machine. Another one than it was trained on is refused."""
    change_version(lambda session: registry.set_base(session.db, session.paths, model, place), as_json)


def clean(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would go, and what takes the disk.")
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Remove what nobody needs any longer: checkpoints of completed runs whose models are in the registry, and the copies that
    llama.cpp served of versions that no endpoint serves now (the next one makes them anew). Models and report cards stay.
    """

    async def look(session: Session) -> tuple[list[registry.Spare], registry.DiskUse]:
        return await registry.find_spare(session.db), await registry.disk_use(session.paths)

    if not dry_run:
        require_changes()
    spare, used = with_store(look)
    total = sum(each.bytes for each in spare)
    if not as_json:
        say(f"On the disk: {used.words}")
        for each in sorted(spare, key=lambda each: -each.bytes):
            what = (
                f"served copy of {each.name}" if each.served_copy else f"checkpoints of run {each.run_id} ({each.name})"
            )
            say(f"  {size(each.bytes):>9}  {what}")
    freed = 0
    if spare and not dry_run:
        confirm(yes, f"Remove {registry.spare_words(spare)}?")
        freed = asyncio.run(registry.clean(spare))
    if as_json:
        words = {"spare" if dry_run else "removed": spare, "bytes": total if dry_run else freed}
        print_json(words | {"used": used})
    elif dry_run:
        say(
            f"{size(total)} can be freed: " if spare else "nothing to remove",
            ("brightrun models clean" * bool(spare), "bold"),
        )
    else:
        say_done(f"{size(freed)} freed" if spare else "nothing to remove")


def delete(model: ModelArgument, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Remove a version and its files for good."""
    require_changes()
    name, number = with_store(lambda session: store.locate(session.db, model))
    ref = f"{name}:{number}"
    confirm(yes, f"Delete {ref} and its files for good?")
    with_store(lambda session: registry.delete(session.db, session.paths, ref))
    if as_json:
        print_json({"deleted": ref})
    else:
        say_done(f"{ref} deleted")
