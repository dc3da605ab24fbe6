"""``brightrun endpoints`` and ``undeploy``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from brightrun_tui.commands.endpoint_answers import answers
from brightrun_tui.commands.endpoint_keys import app as keys
from brightrun_tui.commands.shared.asking import ask_engine
from brightrun_tui.commands.shared.endpoints import (
    ENDED,
    await_state,
    key_or_nothing,
    place_text,
    served_name,
    state_text,
    usage_texts,
    version_text,
)
from brightrun_tui.commands.shared.output import JsonOption, print_json, print_table, say, say_done
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.domain.errors import EngineError
from brightrun_tui.domain.humanize import ago
from brightrun_tui.domain.model import Endpoint
from brightrun_tui.domain.requests import Undeploy
from brightrun_tui.serving import read_usage, stop, with_liveness
from brightrun_tui.store import endpoints as store

UNDEPLOY_ANSWER_SECONDS = 10.0
UNDEPLOY_SECONDS = 40.0
"""Longer than the engine takes to end a server that does not want to."""
RETURN_SECONDS = 300.0
"""And to have it proven that a machine is gone, where its provider answers."""

app = typer.Typer(add_completion=False, help="Endpoints, and where they answer; their keys.")
app.add_typer(keys, name="keys")
app.command()(answers)


@app.callback(invoke_without_command=True)
def endpoints(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    show_key: Annotated[bool, typer.Option("--show-key", help="With their bearer keys.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Endpoints, and where they answer. With a verb: what that verb says."""
    if ctx.invoked_subcommand is not None:
        return
    listed = with_store(lambda session: store.list_endpoints(session.db))
    found = with_liveness(one for one in listed if every or one.state not in ENDED)
    keys = {endpoint.id: key_or_nothing(endpoint) for endpoint in found} if show_key else {}
    if as_json:
        print_json(
            {
                "endpoints": [
                    {
                        **endpoint.model_dump(mode="json"),
                        "served_name": served_name(endpoint),
                        "down_since": endpoint.down_since or None,
                        "asleep": endpoint.asleep,
                        "usage": read_usage(Path(endpoint.directory)).model_dump(mode="json"),
                        "key_file": str(Path(endpoint.directory) / "key"),
                        **({"key": keys[endpoint.id]} if show_key else {}),
                    }
                    for endpoint in found
                ]
            }
        )
    elif found:
        now = time.time()
        print_table(
            (
                "endpoint",
                "model",
                "state",
                "where",
                "url",
                "engine",
                "speed",
                "first token",
                "requests",
                "since",
                *(["key"] if show_key else []),
            ),
            [
                (
                    endpoint.id,
                    version_text(endpoint),
                    state_text(endpoint),
                    place_text(endpoint),
                    endpoint.url,
                    endpoint.engine,
                    *usage_texts(read_usage(Path(endpoint.directory))),
                    ago(endpoint.created_at, now),
                    *([keys[endpoint.id]] if show_key else []),
                )
                for endpoint in found
            ],
        )
        if any(endpoint.down for endpoint in found):
            say("Nobody answers where it says down. Start them again: ", ("brightrun engine start", "bold"))
    else:
        say("Nothing is served. Serve a model: ", ("brightrun deploy NAME", "bold"))


def undeploy(
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="Its id, or the model it serves.")],
    as_json: JsonOption = False,
) -> None:
    """Stop serving, and wait until the server is gone."""
    require_changes()
    ended = with_store(lambda session: _undeploy(session, endpoint))
    if as_json:
        print_json({"endpoint": ended})
    else:
        say_done(f"{ended.id} {ended.state}")


async def _undeploy(session: Session, word: str) -> Endpoint:
    """By the engine; where there is none to be had, or it does not come to it, by ourselves."""
    endpoint = await store.find(session.db, word)
    directory = Path(endpoint.directory)
    if endpoint.state not in ENDED:
        try:
            await ask_engine(session, Undeploy(target=endpoint.id), wait=UNDEPLOY_ANSWER_SECONDS)
            seconds = RETURN_SECONDS if endpoint.rental else UNDEPLOY_SECONDS
            return await await_state(session, endpoint.id, ENDED, seconds)
        except EngineError as error:
            if endpoint.rental:
                raise EngineError(
                    f"it is not proven yet that the machine of {endpoint.id} is returned ({error.what})",
                    where=endpoint.rental.place,
                    fix="it may still cost money; the engine goes on trying: see brightrun reconcile",
                    kind=error.kind,
                ) from None
            say(f"The engine does not end it ({error.what}); ending the server directly.")
        endpoint = await store.advance(session.db, endpoint, state="stopping")
    await stop(directory)
    return endpoint if endpoint.state in ENDED else await store.advance(session.db, endpoint, state="stopped", pid=None)
