"""``brightrun deploy``, ``endpoints`` and ``undeploy``."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from brightrun_tui.commands.endpoint_answers import answers
from brightrun_tui.commands.endpoint_keys import app as keys
from brightrun_tui.commands.shared.asking import ask_engine
from brightrun_tui.commands.shared.options import BudgetOption, GpuOption, ModelArgument, bounded
from brightrun_tui.commands.shared.output import JsonOption, YesOption, print_json, print_table, put, say, say_done
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.domain.durations import parse_duration
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, EngineError, UsageError
from brightrun_tui.domain.humanize import ago, clock, count, latency, money, money_counted, rate, span
from brightrun_tui.domain.model import Endpoint
from brightrun_tui.domain.requests import Deploy, Undeploy
from brightrun_tui.orchestrator import client
from brightrun_tui.planning.serving_machine import RentalWish, plan_rental
from brightrun_tui.serving import Usage, read_key, read_state, read_usage, stop, with_liveness
from brightrun_tui.store import endpoints as store
from brightrun_tui.store import models

READY_SECONDS = 960.0
RENTED_READY_SECONDS = 7200.0
"""A machine must be had, prepared and loaded before; what becomes of that is told."""
UNDEPLOY_ANSWER_SECONDS = 10.0
UNDEPLOY_SECONDS = 40.0
"""Longer than the engine takes to end a server that does not want to."""
RETURN_SECONDS = 300.0
"""And to have it proven that a machine is gone, where its provider answers."""
LOOK_SECONDS = 0.3
ENDED = ("stopped", "failed")


def deploy(
    model: ModelArgument,
    name: Annotated[
        str,
        typer.Option(
            "--name", help="The endpoint's name; its key is kept, too, when it is undeployed. Without: the model's."
        ),
    ] = "",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, callback=bounded, help="0: a free one, kept from then on.")
    ] = 0,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", help="A file with the bearer key. Without: a new one is made up.")
    ] = None,
    engine: Annotated[
        str,
        typer.Option("--engine", help="auto, llama.cpp, vllm or transformers; auto takes the fastest that is here."),
    ] = "auto",
    on: Annotated[
        str,
        typer.Option("--on", "--provider", metavar="PLACE", help="Where it runs: a rental service, a box of yours."),
    ] = "local",
    gpu: GpuOption = "",
    budget: BudgetOption = None,
    max_price: Annotated[
        float | None,
        typer.Option("--max-price", metavar="USD", min=0.001, callback=bounded, help="The most an hour may cost."),
    ] = None,
    idle_stop: Annotated[
        str | None,
        typer.Option(
            "--idle-stop",
            metavar="TIME",
            help="Without a request for so long a rented machine is returned. Without: 15m. 0: never. Of workers that come and "
            "go: until a worker ends. Without: 60s.",
        ),
    ] = None,
    repository: Annotated[
        str,
        typer.Option(
            "--repository",
            metavar="OWNER/NAME",
            help="Where workers find the adapter at the Hub (models push --public).",
        ),
    ] = "",
    volume: Annotated[
        str,
        typer.Option(
            "--volume", metavar="ID:PATH", help="A merged model on a network volume, instead of --repository."
        ),
    ] = "",
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=10, callback=bounded, help="The most workers at a time.")
    ] = 1,
    yes: YesOption = False,
    idle_unload: Annotated[
        str,
        typer.Option(
            "--idle-unload",
            metavar="TIME",
            help="Without a request for so long (30m, 2h) the model leaves memory; the next one brings it back. 0: never.",
        ),
    ] = "0",
    as_json: JsonOption = False,
) -> None:
    """Serve a model at an OpenAI-compatible endpoint, and wait until it answers.

    NAME alone serves the champion, and whichever version becomes the champion later, at the same address. NAME:VERSION serves
    that version. Deployed under a name that serves already, a version takes the place of the other without a request that fails.

    With --on runpod, vast or the name of a box of yours the model computes there, and the address stays here. Price and time are
    said before anything is rented. With --on runpod-serverless workers of RunPod's come when somebody asks, and end when nobody
    does; they load the adapter from a public repository of the Hub (--repository) or a network volume (--volume).

    stdout: the base URL, the model's name there and the bearer key. The key also lies in a file that only you can read.
    """
    require_changes()
    pinned = ":" in model
    rents = on != "local"
    elsewhere = (gpu, repository, volume, workers > 1, *(one is not None for one in (budget, max_price, idle_stop)))
    if not rents and any(elsewhere):
        raise UsageError(
            "--gpu, --budget, --max-price, --idle-stop, --repository, --volume and --workers are about a machine elsewhere",
            where="deploy",
            fix="say where with --on, or leave them out",
            kind=ErrorKind.BAD_OPTION,
        )
    if rents and parse_duration(idle_unload, "--idle-unload"):
        raise UsageError(
            "memory of a machine elsewhere is not given back, the whole machine is",
            where="--idle-unload",
            fix="use --idle-stop",
            kind=ErrorKind.BAD_OPTION,
        )
    idle = None if idle_stop is None else parse_duration(idle_stop, "--idle-stop")
    wanted = Deploy(
        target=model,
        name=name or ("" if pinned else model),
        port=port,
        engine=engine,
        key_file=str(key_file.absolute()) if key_file else "",
        keeps_key=bool(name),
        follows="" if pinned else "champion",
        idle_unload=parse_duration(idle_unload, "--idle-unload"),
    )

    async def begin(session: Session) -> Endpoint:
        wish = RentalWish(on, gpu, max_price, budget, idle, repository, volume, workers)
        return await deploy_and_wait(session, await _agree(session, wanted, wish, yes=yes) if rents else wanted)

    endpoint = with_store(begin)
    key = read_key(Path(endpoint.directory))
    if as_json:
        print_json({"endpoint": endpoint, "url": endpoint.url, "model": _served_name(endpoint), "key": key})
        return
    say(("✓", "green"), f" {_version(endpoint)} answers. End it: ", (f"brightrun undeploy {endpoint.id}", "bold"))
    say(f"Engine: {engine_text(endpoint)}")
    put(f"url    {endpoint.url}\nmodel  {_served_name(endpoint)}\nkey    {key}")


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
    keys = {endpoint.id: _key_or_nothing(endpoint) for endpoint in found} if show_key else {}
    if as_json:
        print_json(
            {
                "endpoints": [
                    {
                        **endpoint.model_dump(mode="json"),
                        "served_name": _served_name(endpoint),
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
                    _version(endpoint),
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


async def _agree(session: Session, wanted: Deploy, wish: RentalWish, *, yes: bool) -> Deploy:
    """What is to be rented, said and agreed to; where it serves there already, nothing is asked.

    Raises:
        UsageError: it costs money, and there is nobody to ask.
        BrightrunError: see `plan_rental`.
    """
    version = await models.find(session.db, wanted.target)
    for one in await store.list_endpoints(session.db, live_only=True):
        if one.rental is None or one.rental.place != wish.on or one.state == "stopping" or one.model != version.name:
            continue
        same = one.model_version == version.version and wanted.name in ("", one.id)
        if same or (wanted.name == one.id and one.rental.serverless is None):
            if not same:
                _require_no_other_terms(wish, one)
                say(
                    f"{version.ref} is loaded on the machine that serves {one.model}:{one.model_version}; no other one is rented."
                )
            return wanted.model_copy(update={"rental": one.rental})
    rental, offer = await plan_rental(version, wish, session.paths)
    say(
        (offer.hardware.gpu or "a machine without a GPU", "bold"),
        f" on {rental.place}: {rental.price_words(offer.once_usd)}.",
    )
    say(f"The first answer comes after about {span(rental.cold_start)}. {rental.end_words}")
    if offer.price_per_hour and not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UsageError(
                "this machine costs money, and there is nobody to ask",
                where="--on",
                fix="add --yes to agree beforehand",
                kind=ErrorKind.NOT_CONFIRMED,
            )
        once = "Make it" if rental.serverless else "Rent it"
        typer.confirm(f"{once} for {money(offer.price_per_hour)} an hour?", abort=True, err=True)
    return wanted.model_copy(update={"rental": rental})


def _require_no_other_terms(wish: RentalWish, running: Endpoint) -> None:
    """Raises ``UsageError`` where a machine is asked for that is not the one of the endpoint."""
    if wish.gpu or any(one is not None for one in (wish.max_price, wish.budget_usd, wish.idle_stop)):
        raise UsageError(
            f"endpoint {running.id} runs on {wish.on}; its machine, budget and idle time are fixed",
            where="--on",
            fix=f"leave --gpu and all about money and time out, or: brightrun undeploy {running.id}, and deploy it again",
            kind=ErrorKind.IN_USE,
        )


async def deploy_and_wait(session: Session, wanted: Deploy) -> Endpoint:
    """The endpoint of a model version, ready; the one that serves it already, if there is one.

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
        say(f"{what} for {version.ref}; it stays until: brightrun undeploy {answer.endpoint}")
    seconds = RENTED_READY_SECONDS if wanted.rental else READY_SECONDS
    endpoint = await _await_state(session, answer.endpoint, ("ready", *ENDED, "asleep"), seconds)
    if endpoint.state != "ready":
        log = Path(endpoint.directory) / ("machine.log" if endpoint.rental else "server.log")
        raise EngineError(
            endpoint.error or f"the endpoint is {endpoint.state}",
            where=endpoint.directory,
            kind=ErrorKind.DEPLOY_FAILED,
            fix=f"see {log}" if log.exists() else "mend that, and deploy it again",
        )
    return endpoint


async def _await_version(session: Session, endpoint_id: str, number: int) -> Endpoint:
    """The endpoint once it serves another version than before. Raises ``EngineError`` where that one does not come up."""
    say(f"Loading version {number} beside the one that serves; that one answers until it is ready.")
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        endpoint = await store.find(session.db, endpoint_id)
        if endpoint.model_version == number:
            return endpoint
        if endpoint.refused_version == number or endpoint.state in ENDED:
            raise EngineError(
                endpoint.error or f"the endpoint is {endpoint.state}",
                where=endpoint.directory,
                kind=ErrorKind.DEPLOY_FAILED,
                fix=f"version {endpoint.model_version} goes on; see {Path(endpoint.directory) / 'server.log'}",
            )
        await client.ensure_engine(session.paths)
        await asyncio.sleep(LOOK_SECONDS)
    raise EngineError(
        f"version {number} is still being loaded after {READY_SECONDS:.0f} s",
        fix="see: brightrun endpoints",
        kind=ErrorKind.ENDPOINT_SLOW,
    )


async def _undeploy(session: Session, word: str) -> Endpoint:
    """By the engine; where there is none to be had, or it does not come to it, by ourselves."""
    endpoint = await store.find(session.db, word)
    directory = Path(endpoint.directory)
    if endpoint.state not in ENDED:
        try:
            await ask_engine(session, Undeploy(target=endpoint.id), wait=UNDEPLOY_ANSWER_SECONDS)
            seconds = RETURN_SECONDS if endpoint.rental else UNDEPLOY_SECONDS
            return await _await_state(session, endpoint.id, ENDED, seconds)
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


async def _await_state(
    session: Session, endpoint_id: str, states: tuple[str, ...], seconds: float = READY_SECONDS
) -> Endpoint:
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
        f"the endpoint is still {endpoint.state} after {seconds:.0f} s",
        where=endpoint.directory,
        fix="see: brightrun engine logs",
        kind=ErrorKind.ENDPOINT_SLOW,
    )


def _doing(endpoint: Endpoint) -> str:
    """What a server that is starting does at the moment; empty where it does not say."""
    if endpoint.rental:
        return endpoint.doing
    server = read_state(Path(endpoint.directory))
    return server.engine_note if server is not None and server.status in ("starting", "restarting") else ""


def state_text(endpoint: Endpoint) -> str:
    """How it is, in some words."""
    if endpoint.down:
        return f"down since {clock(endpoint.down_since)}"
    if endpoint.asleep:
        return "asleep"
    said = endpoint.error or (endpoint.doing if endpoint.rental else "")
    return f"{endpoint.state}: {said}" if said else endpoint.state


def place_text(endpoint: Endpoint) -> str:
    """Where it computes, and what that costs."""
    if endpoint.rental is None:
        return "here"
    return f"{endpoint.rental.place}, {money_counted(endpoint.cost_usd)} so far"


def engine_text(endpoint: Endpoint) -> str:
    """The engine, and why it is not a faster one."""
    return endpoint.engine + (f" ({endpoint.engine_note})" if endpoint.engine_note else "")


def usage_texts(usage: Usage) -> tuple[str, str, str]:
    """Tokens a second, time to the first token, and requests with those refused."""
    refused = f", {count(usage.refused)} refused" if usage.refused else ""
    return rate(usage.tokens_per_second), latency(usage.first_token), f"{count(usage.requests)}{refused}"


def _served_name(endpoint: Endpoint) -> str:
    """The model's name in the API: without its version where that may change."""
    return endpoint.model if endpoint.follows else _version(endpoint)


def _version(endpoint: Endpoint) -> str:
    return f"{endpoint.model}:{endpoint.model_version}"


def _key_or_nothing(endpoint: Endpoint) -> str:
    try:
        return read_key(Path(endpoint.directory))
    except BrightrunError:
        return ""
