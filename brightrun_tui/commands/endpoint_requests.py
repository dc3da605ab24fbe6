"""``brightrun endpoints requests``: the log of an endpoint's requests, without what was asked or answered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brightrun_tui.commands.shared.options import EndpointArgument, bounded
from brightrun_tui.commands.shared.output import JsonOption, print_json, print_table, say
from brightrun_tui.commands.shared.session import with_store
from brightrun_tui.domain.humanize import count, date, latency
from brightrun_tui.files import plain_disk_errors
from brightrun_tui.serving import read_requests
from brightrun_tui.store import endpoints as store


def requests(
    endpoint: EndpointArgument,
    last: Annotated[int, typer.Option("--last", "-n", min=0, callback=bounded, help="So many of them. 0: all.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List its newest requests, newest first: when, with which key, the outcome, tokens and times. What was asked and
    answered is not kept here.
    """
    found = with_store(lambda session: store.find(session.db, endpoint))
    directory = Path(found.directory)
    with plain_disk_errors(directory):
        logged = read_requests(directory, last)
    if as_json:
        print_json({"endpoint": found.id, "requests": logged})
    elif logged:
        print_table(
            ("when", "key", "path", "version", "status", "read", "answered", "first token", "took"),
            [
                (
                    date(one.time),
                    one.key,
                    one.path,
                    one.ref,
                    one.outcome,
                    count(one.prompt_tokens),
                    count(one.completion_tokens),
                    latency(one.first_token or None),
                    latency(one.seconds),
                )
                for one in logged
            ],
        )
    else:
        say(f"{found.id} has not been asked anything yet.")
