"""``brightrun endpoints keys``: who may ask an endpoint. Changes count at once, without a restart."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from brightrun_tui.commands.shared.options import EndpointArgument
from brightrun_tui.commands.shared.output import JsonOption, YesOption, confirm, print_json, print_table, put, say_done
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.domain.durations import parse_duration
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.humanize import ago, duration
from brightrun_tui.serving import add_key, list_keys, read_key_file, remove_key, rotate_key
from brightrun_tui.store import endpoints as store

KeyFileOption = Annotated[
    Path | None, typer.Option("--key-file", help="A file with the new key. Without: one is made up.")
]

Result = TypeVar("Result")

app = typer.Typer(add_completion=False, help="Bearer keys of an endpoint: list, add, rotate, remove. No restart.")


@app.command("list")
def list_(endpoint: EndpointArgument, as_json: JsonOption = False) -> None:
    """List the names of the keys, and until when each is valid. The keys themselves are kept as a hash, except the main
    one.
    """
    found = list_keys(_directory(endpoint))
    if as_json:
        print_json({"keys": [key.model_dump(exclude={"digest"}) for key in found]})
        return
    now = time.time()
    print_table(
        ("key", "made", "ends in"),
        [
            (key.name, ago(key.created_at, now), duration(key.expires_at - now) if key.expires_at else "never")
            for key in found
        ],
    )


@app.command()
def add(
    endpoint: EndpointArgument,
    name: Annotated[str, typer.Argument(metavar="KEY", help="A name for it: who uses it.")],
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a key. stdout: the key, shown this once."""
    require_changes()
    directory, given = _directory(endpoint), read_key_file(key_file) if key_file else ""
    key = _changed(directory, lambda: add_key(directory, name, given))
    _show(name, key, "is valid from now on", as_json)


@app.command()
def rotate(
    endpoint: EndpointArgument,
    name: Annotated[str, typer.Argument(metavar="[KEY]", help="Which one.")] = "main",
    keep_old: Annotated[
        str, typer.Option("--keep-old", metavar="TIME", help="Keep the old one valid this long: 90s, 30m, 2h, 1d.")
    ] = "0",
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace a key. stdout: the new key."""
    require_changes()
    seconds = parse_duration(keep_old, "--keep-old")
    directory, given = _directory(endpoint), read_key_file(key_file) if key_file else ""
    key = _changed(directory, lambda: rotate_key(directory, name, given, keep_old=seconds))
    _show(name, key, f"has a new key; the old one stays valid for {keep_old}" if seconds else "has a new key", as_json)


@app.command()
def remove(
    endpoint: EndpointArgument,
    name: Annotated[str, typer.Argument(metavar="KEY", help="Which one.")],
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let in nobody with this key any more."""
    require_changes()
    directory = _directory(endpoint)
    confirm(yes, f"Remove the key “{name}”? Whoever uses it is refused from then on.")
    _changed(directory, lambda: remove_key(directory, name))
    if as_json:
        print_json({"removed": name})
    else:
        say_done(f"{name} removed")


def _directory(word: str) -> Path:
    async def find(session: Session) -> Endpoint:
        return await store.find(session.db, word)

    endpoint = with_store(find)
    if endpoint.ended and not endpoint.keeps_key:
        raise UsageError(
            f"{endpoint.id} has ended, and its keys with it", fix="deploy it again", kind=ErrorKind.ENDPOINT_NOT_READY
        )
    return Path(endpoint.directory)


def _changed(directory: Path, change: Callable[[], Result]) -> Result:
    try:
        return change()
    except OSError as error:
        raise BrightrunError(
            f"the keys cannot be written ({error.strerror or error})",
            where=str(directory),
            kind=ErrorKind.ENDPOINT_NOT_WRITABLE,
        ) from None


def _show(name: str, key: str, what: str, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "key": key})
        return
    say_done(f"{name} {what}")
    put(key)
