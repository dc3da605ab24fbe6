"""``brightrun notify``: channels that tell people what happens, and what has happened."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import asdict
from getpass import getpass
from typing import Annotated, Any

import typer

from brightrun_tui.commands.shared.options import LinesOption
from brightrun_tui.commands.shared.output import JsonOption, print_json, print_table, put, say, say_done
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.domain.error_kinds import ErrorKind, ExitCode
from brightrun_tui.domain.errors import NotConnectedError, UsageError
from brightrun_tui.domain.humanize import ago
from brightrun_tui.domain.notification import NewsKind, Notification
from brightrun_tui.integrations import channels
from brightrun_tui.notify.opening import notify_settings
from brightrun_tui.paths import get_paths
from brightrun_tui.store import notifications

app = typer.Typer(add_completion=False)

ChannelArgument = Annotated[str, typer.Argument(metavar="NAME", help="As “brightrun notify list” has it.")]
SHOWN = 20


@app.callback(invoke_without_command=True)
def look(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List channels. With a verb: what that verb says."""
    if ctx.invoked_subcommand is None:
        list_channels(as_json)


@app.command("list")
def list_channels(as_json: JsonOption = False) -> None:
    """List where news goes. Addresses hold keys and are not shown."""
    saved = channels.saved_channels(get_paths())
    others = notify_settings(get_paths()).channels
    if as_json:
        print_json(
            {"channels": {name: one.model_dump(mode="json") for name, one in saved.items()}, "configured": others}
        )
        return
    rows = [
        (name, one.service, _kinds(one.kinds), one.quiet or "never", ago(one.added_at)) for name, one in saved.items()
    ]
    if rows:
        print_table(("name", "leads to", "tells", "quiet", "added"), rows)
    else:
        say("No channel yet. Add one: ", ("brightrun notify add NAME", "bold"))
    say(f"In config.toml, [notify] channels: {', '.join(others) or 'none'}")


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Yours to choose, such as mail or team.")],
    kinds: Annotated[
        list[NewsKind] | None, typer.Option("--kind", help="What it tells. Repeatable; without it everything.")
    ] = None,
    quiet: Annotated[str, typer.Option("--quiet", metavar="HH:MM-HH:MM", help="Hours in which it is silent.")] = "",
    untested: Annotated[bool, typer.Option("--untested", help="Save it without sending a word first.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Add a channel, or change it. Its address is asked for, or read from stdin; never given as an argument: it holds keys.

    Addresses are those of apprise: ntfys://ntfy.sh/TOPIC, mailtos://USER:PASSWORD@example.com?to=YOU, slack://…, discord://…,
    jsons://HOST/PATH for a webhook.
    """
    require_changes()
    paths, url = get_paths(), _read_url()
    if not url and name not in channels.saved_channels(paths):
        raise UsageError("the address is missing", where="stdin", kind=ErrorKind.BAD_CHANNEL, fix=channels.EXAMPLE)
    if url and not untested:
        why = asyncio.run(channels.try_channel(name, channels.AppriseChannel(name, url)))
        if why:
            raise NotConnectedError(
                f"a word to try it did not arrive: {why}",
                where=name,
                kind=ErrorKind.CHANNEL_FAILED,
                fix="correct the address, or save it anyway with --untested",
            )
    saved = channels.add_channel(paths, name, url, kinds=tuple(kinds or channels.EVERYTHING), quiet=quiet)
    if as_json:
        print_json({"channel": name, **saved.model_dump(mode="json")})
    else:
        say_done(f"{name}: {saved.service}, tells {_kinds(saved.kinds)}")


@app.command()
def remove(name: ChannelArgument, as_json: JsonOption = False) -> None:
    """Forget a channel and its address."""
    require_changes()
    forgotten = channels.remove_channel(get_paths(), name)
    if as_json:
        print_json({"channel": name, "forgotten": forgotten})
    else:
        say_done(f"{name}: forgotten") if forgotten else say(f"There is no channel {name}.")


@app.command()
def test(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Only this one.")] = "", as_json: JsonOption = False
) -> None:
    """Send a word over a channel, or over all of them. Exit code 4 when one does not take it."""
    paths = get_paths()
    names = [name] if name else list(channels.saved_channels(paths))
    found = {one: asyncio.run(channels.try_channel(one, channels.open_channel(paths, one))) for one in names}
    if as_json:
        print_json({"channels": {one: {"arrived": not why, "why": why} for one, why in found.items()}})
    else:
        for one, why in found.items():
            say(("✗", "red"), f" {one}: {why}") if why else say_done(f"{one}: sent")
        if not found:
            say("No channel yet. Add one: ", ("brightrun notify add NAME", "bold"))
    if any(found.values()):
        raise typer.Exit(ExitCode.NOT_CONNECTED)


@app.command()
def history(
    lines: LinesOption = SHOWN,
    read: Annotated[bool, typer.Option("--read", help="Count all of it as read from now on.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List what has happened, newest first, and how each channel delivered it."""
    if read:
        require_changes()

    async def look(session: Session) -> tuple[list[Notification], dict[int, dict[str, str]]]:
        found = await notifications.latest(session.db, lines or notifications.KEPT)
        if read and found:
            await notifications.mark_read(session.db, up_to=found[0].id)
        return found, await notifications.deliveries(session.db, [one.id for one in found])

    found, told = with_store(look)
    if as_json:
        print_json({"news": [{**_fields(one), "channels": told.get(one.id, {})} for one in found]})
    elif found:
        now = time.time()
        print_table(
            ("", "when", "about", "what", "told by"),
            [
                (
                    "" if one.read_at else "●",
                    ago(one.time, now),
                    one.subject,
                    one.message,
                    ", ".join(told.get(one.id, {})),
                )
                for one in found
            ],
        )
    else:
        put("Nothing has happened yet.")


def _fields(one: Notification) -> dict[str, Any]:
    return {key: value for key, value in asdict(one).items() if key != "key"}


def _kinds(kinds: tuple[NewsKind, ...]) -> str:
    return "everything" if set(kinds) == set(NewsKind) else ", ".join(kinds)


def _read_url() -> str:
    if sys.stdin.isatty():
        say(f"Address, {channels.EXAMPLE} (empty: as it is)")
        return getpass("› ").strip()
    return sys.stdin.readline().strip()
