"""Endpoints for the verbs: asking for one and waiting for it, and how one is in some words."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from brightrun_tui.commands.shared.asking import ask_engine
from brightrun_tui.commands.shared.output import say
from brightrun_tui.commands.shared.session import Session
from brightrun_tui.domain import humanize
from brightrun_tui.domain.endpoint import ENDED, SEE_ENDPOINTS, Endpoint, EndpointState
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, EngineError
from brightrun_tui.domain.humanize import clock, count, latency, money_counted, rate
from brightrun_tui.domain.requests import Deploy
from brightrun_tui.orchestrator import client
from brightrun_tui.orchestrator.engine_status import SEE_LOG
from brightrun_tui.serving import Usage, read_key, read_state
from brightrun_tui.serving.process import LOG, MACHINE_LOG
from brightrun_tui.store import endpoints as store
from brightrun_tui.store import models

READY_SECONDS = 960.0
RENTED_READY_SECONDS = 7200.0
"""A machine must be had, prepared and loaded before; what becomes of that is told."""
LOOK_SECONDS = 0.3


async def deploy_and_wait(session: Session, wanted: Deploy) -> Endpoint:
    """Return the endpoint of a model version, ready; the one that serves it already, if there is one.

    Raises:
        UsageError: there is no such model.
        EngineError: the server did not come up; says why and where its log lies.
    """
    version = await models.find(session.db, wanted.target)
    answer = await ask_engine(session, wanted.model_copy(update={"target": version.ref}))
    if answer.takes:
        return await _await_version(session, answer.endpoint, answer.takes)
    if not answer.already:
        what = "Renting a machine" if wanted.rental else "Starting a server"
        what = "Making an endpoint" if wanted.rental and wanted.rental.serverless else what
        if wanted.base_alone:
            say(f"{what} for the base of {version.ref}; it ends with this command.")
        else:
            say(f"{what} for {version.ref}; it stays until: brightrun undeploy {answer.endpoint}")
    seconds = RENTED_READY_SECONDS if wanted.rental else READY_SECONDS
    endpoint = await await_state(session, answer.endpoint, ("ready", *ENDED, "asleep"), seconds)
    if endpoint.state != "ready":
        log = Path(endpoint.directory) / (MACHINE_LOG if endpoint.rental else LOG)
        raise EngineError(
            endpoint.error or f"the endpoint is {endpoint.state}",
            where=endpoint.directory,
            kind=ErrorKind.DEPLOY_FAILED,
            fix=f"see {log}" if log.exists() else "mend that, and deploy it again",
        )
    return endpoint


async def _await_version(session: Session, endpoint_id: str, number: int) -> Endpoint:
    """Return the endpoint once it serves another version than before. Raises ``EngineError`` where that one does not come up."""
    say(f"Loading version {number} beside the one that serves; that one answers until it is ready.")
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        endpoint = await store.find(session.db, endpoint_id)
        if endpoint.model_version == number:
            return endpoint
        if endpoint.refused_version == number or endpoint.ended:
            raise EngineError(
                endpoint.error or f"the endpoint is {endpoint.state}",
                where=endpoint.directory,
                kind=ErrorKind.DEPLOY_FAILED,
                fix=f"version {endpoint.model_version} goes on; see {Path(endpoint.directory) / LOG}",
            )
        await client.ensure_engine(session.paths)
        await asyncio.sleep(LOOK_SECONDS)
    raise EngineError(
        f"version {number} is still being loaded after {humanize.span(READY_SECONDS)}",
        fix=SEE_ENDPOINTS,
        kind=ErrorKind.ENDPOINT_SLOW,
    )


async def await_state(
    session: Session, endpoint_id: str, states: tuple[EndpointState, ...], seconds: float = READY_SECONDS
) -> Endpoint:
    """Return the endpoint once it is in one of these states. Raises ``EngineError`` where that takes longer than ``seconds``."""
    deadline = time.monotonic() + seconds
    told = ""
    while time.monotonic() < deadline:
        endpoint = await store.find(session.db, endpoint_id)
        if endpoint.state in states:
            return endpoint
        if (doing := await asyncio.to_thread(_doing, endpoint)) and doing != told:
            say(doing)
            told = doing
        await client.ensure_engine(session.paths)
        await asyncio.sleep(LOOK_SECONDS)
    raise EngineError(
        f"the endpoint is still {endpoint.state} after {humanize.span(seconds)}",
        where=endpoint.directory,
        fix=SEE_LOG,
        kind=ErrorKind.ENDPOINT_SLOW,
    )


def _doing(endpoint: Endpoint) -> str:
    """Return what a starting server is doing at the moment; empty where it does not say."""
    if endpoint.rental:
        return endpoint.doing
    server = read_state(Path(endpoint.directory))
    return server.engine_note if server is not None and server.status in ("starting", "restarting") else ""


def state_text(endpoint: Endpoint) -> str:
    """Say in a few words how it is."""
    if endpoint.down:
        return f"down since {clock(endpoint.down_since)}"
    if endpoint.asleep:
        return "asleep"
    if endpoint.restarting:
        return f"restarting: {endpoint.restarting}"
    said = endpoint.error or (endpoint.doing if endpoint.rental else "")
    return f"{endpoint.state}: {said}" if said else endpoint.state


def place_text(endpoint: Endpoint) -> str:
    """Say where it computes, and what that costs."""
    if endpoint.rental is None:
        return "here"
    return f"{endpoint.rental.place}, {money_counted(endpoint.cost_usd)} so far"


def engine_text(endpoint: Endpoint) -> str:
    """Name the engine, and say why it is not a faster one."""
    return endpoint.engine + (f" ({endpoint.engine_note})" if endpoint.engine_note else "")


def usage_texts(usage: Usage) -> tuple[str, str, str]:
    """Return tokens a second, time to the first token, and requests with those refused."""
    refused = f", {count(usage.refused)} refused" if usage.refused else ""
    return rate(usage.tokens_per_second), latency(usage.first_token), f"{count(usage.requests)}{refused}"


def key_or_nothing(endpoint: Endpoint) -> str:
    try:
        return read_key(Path(endpoint.directory))
    except BrightrunError:
        return ""
