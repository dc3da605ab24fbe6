"""Ending an endpoint for the verbs."""

from __future__ import annotations

from pathlib import Path

from brightrun_tui.commands.shared.asking import ask_engine
from brightrun_tui.commands.shared.endpoints import await_state
from brightrun_tui.commands.shared.output import say
from brightrun_tui.commands.shared.session import Session
from brightrun_tui.domain.endpoint import ENDED, Endpoint
from brightrun_tui.domain.errors import EngineError
from brightrun_tui.domain.requests import Undeploy
from brightrun_tui.serving import stop
from brightrun_tui.store import endpoints as store

UNDEPLOY_ANSWER_SECONDS = 10.0
UNDEPLOY_SECONDS = 40.0
"""Longer than the engine takes to end a server that does not want to."""
RETURN_SECONDS = 300.0
"""And to have it proven that a machine is gone, where its provider answers."""


async def end_endpoint(session: Session, word: str) -> Endpoint:
    """End it through the engine, or directly where no engine can be had or answers in time."""
    endpoint = await store.find(session.db, word)
    directory = Path(endpoint.directory)
    if not endpoint.ended:
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
    if endpoint.state == "stopped":
        return endpoint
    return await store.advance(session.db, endpoint, state="stopped", pid=None)
