"""``brightrun endpoints`` and ``undeploy``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from brightrun_tui.commands.endpoint_answers import answers
from brightrun_tui.commands.endpoint_keys import app as keys
from brightrun_tui.commands.endpoint_requests import requests
from brightrun_tui.commands.shared.ending import end_endpoint
from brightrun_tui.commands.shared.endpoints import key_or_nothing, place_text, state_text, usage_texts
from brightrun_tui.commands.shared.options import EndpointArgument
from brightrun_tui.commands.shared.output import JsonOption, print_json, print_table, say, say_done
from brightrun_tui.commands.shared.session import require_changes, with_store
from brightrun_tui.domain.humanize import ago
from brightrun_tui.serving import read_usage, with_liveness
from brightrun_tui.store import endpoints as store

app = typer.Typer(add_completion=False)
app.add_typer(keys, name="keys")
app.command()(answers)
app.command()(requests)


@app.callback(invoke_without_command=True)
def endpoints(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    show_key: Annotated[bool, typer.Option("--show-key", help="With their bearer keys.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List endpoints, and where they answer. With a verb: what that verb says."""
    if ctx.invoked_subcommand is not None:
        return
    listed = with_store(lambda session: store.list_endpoints(session.db))
    found = with_liveness(one for one in listed if every or not one.ended)
    keys = {endpoint.id: key_or_nothing(endpoint) for endpoint in found} if show_key else {}
    if as_json:
        print_json(
            {
                "endpoints": [
                    {
                        **endpoint.model_dump(mode="json"),
                        "served_name": endpoint.served_name,
                        "down_since": endpoint.down_since or None,
                        "asleep": endpoint.asleep,
                        "restarting": endpoint.restarting or None,
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
                    endpoint.ref,
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


def undeploy(endpoint: EndpointArgument, as_json: JsonOption = False) -> None:
    """Stop serving, and wait until the server is gone."""
    require_changes()
    ended = with_store(lambda session: end_endpoint(session, endpoint))
    if as_json:
        print_json({"endpoint": ended})
    else:
        say_done(f"{ended.id} {ended.state}")
