"""``brightrun engine``: the background process."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import Annotated

import typer

from brightrun_tui.commands.shared.logs import LOOK_SECONDS, print_last_lines, print_new_lines
from brightrun_tui.commands.shared.machines import paid_machine
from brightrun_tui.commands.shared.options import LinesOption
from brightrun_tui.commands.shared.output import JsonOption, print_json, put, say, say_done
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, EngineError
from brightrun_tui.domain.humanize import ago
from brightrun_tui.domain.money import Lease
from brightrun_tui.lines import LineFollower
from brightrun_tui.orchestrator import boot, client
from brightrun_tui.orchestrator.engine_status import EngineStatus, engine_status, lock_is_held
from brightrun_tui.paths import get_paths
from brightrun_tui.store import leases

app = typer.Typer(add_completion=False)


@app.callback(invoke_without_command=True)
def default(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Say whether the engine runs. With a verb: what that verb says."""
    if ctx.invoked_subcommand is None:
        status(as_json)


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Say whether the engine runs. It starts by itself when there is work, and ends when there is none."""

    async def look(session: Session) -> tuple[EngineStatus, list[Lease]]:
        return await engine_status(session.db, session.paths), await leases.paid(session.db)

    found, paid = with_store(look)
    if as_json:
        print_json({"engine": asdict(found), "machines": [lease.name for lease in paid]})
    elif not found.running:
        put("not running")
        for lease in paid:
            put(f"! nobody looks after a machine that costs money: {paid_machine(lease)}. Fix: brightrun engine start")
    else:
        since = ago(found.started_at, time.time()) if found.started_at else "just now"
        put(f"{'stuck' if found.stale else 'running'}, pid {found.pid}, started {since}, version {found.version}")
        for trouble in found.troubles:
            put(f"! {trouble}")


@app.command()
def start(as_json: JsonOption = False) -> None:
    """Start the engine now."""
    require_changes()
    found = with_store(lambda session: client.start_engine(session.db, session.paths))
    if as_json:
        print_json({"engine": asdict(found)})
    else:
        say_done("the engine runs")


@app.command()
def stop(as_json: JsonOption = False) -> None:
    """End the engine. Runs and endpoints go on; the next engine takes care of them again."""
    require_changes()
    # Where none runs there may be no store to open, or no room to open it in; where one runs, it may have been damaged since.
    if running := lock_is_held(get_paths()):
        try:
            with_store(lambda session: client.stop_engine(session.db, session.paths))
        except EngineError:
            raise
        except BrightrunError as error:
            asyncio.run(client.end_engine(get_paths(), error))
    if as_json:
        print_json({"stopped": running})
    else:
        say_done("the engine ended") if running else say("the engine was not running")


@app.command()
def install(as_json: JsonOption = False) -> None:
    """Have systemd start the engine at boot, so that endpoints answer again by themselves."""
    require_changes()
    found = boot.install()
    if as_json:
        print_json({"unit": str(found.unit), "linger": found.linger})
        return
    say_done(f"systemd starts the engine: {found.unit}")
    if not found.linger:
        say("It starts when you log in. To have it start at boot: ", (found.linger_command, "bold"))


@app.command()
def uninstall(as_json: JsonOption = False) -> None:
    """Take away what `install` set up. Runs and endpoints go on."""
    require_changes()
    gone = boot.uninstall()
    if as_json:
        print_json({"uninstalled": gone})
    elif gone:
        say_done("systemd no longer starts the engine")
    else:
        say("systemd was not told to start the engine.")


@app.command()
def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay, and print what comes.")] = False,
    lines: LinesOption = 0,
) -> None:
    """Print what the engine wrote."""
    path = get_paths().engine_log
    if not path.exists():
        raise EngineError("the engine has written nothing yet", where=str(path), kind=ErrorKind.NO_LOG)
    follower = LineFollower(path)
    print_last_lines(follower, lines)
    if follow:
        asyncio.run(_follow(follower))


async def _follow(follower: LineFollower) -> None:
    """Print what comes; where the log was closed and another one begun, that from its beginning."""
    while True:
        follower.look()
        print_new_lines(follower)
        await asyncio.sleep(LOOK_SECONDS)
