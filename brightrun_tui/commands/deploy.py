"""``brightrun deploy``."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import typer

from brightrun_tui.commands.shared.endpoints import deploy_and_wait, engine_text
from brightrun_tui.commands.shared.options import BudgetOption, GpuOption, ModelArgument, bounded
from brightrun_tui.commands.shared.output import JsonOption, YesOption, print_json, put, require_somebody, say
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.domain.durations import parse_duration
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.humanize import money, span
from brightrun_tui.domain.requests import Deploy, followed_alias, lasting_name
from brightrun_tui.domain.service_names import HERE
from brightrun_tui.planning.serving_machine import RentalRequest, plan_rental
from brightrun_tui.serving import read_key
from brightrun_tui.store import endpoints as store
from brightrun_tui.store import models

NameOption = Annotated[
    str,
    typer.Option(
        "--name", help="The endpoint's name; its key is kept, too, when it is undeployed. Without: the model's."
    ),
]
PortOption = Annotated[
    int, typer.Option("--port", min=0, max=65535, callback=bounded, help="0: a free one, kept from then on.")
]
HostOption = Annotated[
    str,
    typer.Option(
        "--host",
        metavar="ADDRESS",
        help="The address of this machine at which others reach it, 0.0.0.0 for all of them. Without: this machine only.",
    ),
]
KeyFileOption = Annotated[
    Path | None, typer.Option("--key-file", help="A file with the bearer key. Without: a new one is made up.")
]
EngineOption = Annotated[
    str, typer.Option("--engine", help="auto, llama.cpp, vllm or transformers; auto takes the fastest that is here.")
]
OnOption = Annotated[
    str, typer.Option("--on", "--provider", metavar="PLACE", help="Where it runs: a rental service, a box of yours.")
]
MaxPriceOption = Annotated[
    float | None,
    typer.Option("--max-price", metavar="USD", min=0.001, callback=bounded, help="The most an hour may cost."),
]
IdleStopOption = Annotated[
    str | None,
    typer.Option(
        "--idle-stop",
        metavar="TIME",
        help="A rented machine is returned after this long without a request. Default: 15m. 0: never. Of workers that come and "
        "go: until a worker ends. Without: 60s.",
    ),
]
RepositoryOption = Annotated[
    str,
    typer.Option(
        "--repository", metavar="OWNER/NAME", help="Where workers find the adapter at the Hub (models push --public)."
    ),
]
VolumeOption = Annotated[
    str,
    typer.Option("--volume", metavar="ID:PATH", help="A merged model on a network volume, instead of --repository."),
]
WorkersOption = Annotated[
    int, typer.Option("--workers", min=1, max=10, callback=bounded, help="The most workers at a time.")
]
IdleUnloadOption = Annotated[
    str,
    typer.Option(
        "--idle-unload",
        metavar="TIME",
        help="The model leaves memory after this long without a request (30m, 2h); the next one brings it back. 0: never.",
    ),
]


def deploy(
    model: ModelArgument,
    name: NameOption = "",
    port: PortOption = 0,
    host: HostOption = "",
    key_file: KeyFileOption = None,
    engine: EngineOption = "auto",
    on: OnOption = HERE,
    gpu: GpuOption = "",
    budget: BudgetOption = None,
    max_price: MaxPriceOption = None,
    idle_stop: IdleStopOption = None,
    repository: RepositoryOption = "",
    volume: VolumeOption = "",
    workers: WorkersOption = 1,
    yes: YesOption = False,
    idle_unload: IdleUnloadOption = "0",
    as_json: JsonOption = False,
) -> None:
    """Serve a model at an OpenAI-compatible endpoint, and wait until it answers.

    NAME alone serves the champion, and whichever version becomes the champion later, at the same address. NAME:ALIAS follows
    that alias, NAME:VERSION serves that version. Deployed under a name that serves already, a version takes the place of the
    other without a request that fails.

    With --on runpod, vast or the name of a box of yours the model computes there, and the address stays here. Price and time are
    said before anything is rented. With --on runpod-serverless workers of RunPod's come when somebody asks, and end when nobody
    does; they load the adapter from a public repository of the Hub (--repository) or a network volume (--volume).

    stdout: the base URL, the model's name there and the bearer key. The key also lies in a file that only you can read.
    """
    require_changes()
    idle = None if idle_stop is None else parse_duration(idle_stop, "--idle-stop")
    request = RentalRequest(on, gpu, max_price, budget, idle, repository, volume, workers)
    wanted = Deploy(
        target=model,
        name=name or lasting_name(model),
        port=port,
        host=_address(host),
        engine=engine,
        key_file=str(key_file.absolute()) if key_file else "",
        keeps_key=bool(name),
        follows=followed_alias(model),
        idle_unload=parse_duration(idle_unload, "--idle-unload"),
    )
    _require_sense(wanted, request)

    async def begin(session: Session) -> Endpoint:
        rents = request.on != HERE
        return await deploy_and_wait(session, await _agree(session, wanted, request, yes=yes) if rents else wanted)

    endpoint = with_store(begin)
    key = read_key(Path(endpoint.directory))
    if as_json:
        print_json({"endpoint": endpoint, "url": endpoint.url, "model": endpoint.served_name, "key": key})
        return
    say(("✓", "green"), f" {endpoint.ref} answers. End it: ", (f"brightrun undeploy {endpoint.id}", "bold"))
    say(f"Engine: {engine_text(endpoint)}")
    if endpoint.wanted_host and not ip_address(endpoint.wanted_host).is_loopback:
        say(
            ("!", "yellow"),
            f" It answers others at {endpoint.wanted_host}, without encryption: who can read the traffic can read the key. "
            "Put a proxy with TLS before it where that is not only you.",
        )
    put(f"url    {endpoint.url}\nmodel  {endpoint.served_name}\nkey    {key}")


def _address(text: str) -> str:
    """Return the address. Raises ``UsageError`` for what is not one."""
    if not text:
        return ""
    try:
        return str(ip_address(text))
    except ValueError:
        raise UsageError(
            f"“{text}” is not an address",
            where="--host",
            fix="an address of this machine, such as 192.168.1.20, or 0.0.0.0 for all of them",
            kind=ErrorKind.BAD_OPTION,
        ) from None


def _require_sense(wanted: Deploy, request: RentalRequest) -> None:
    """Raise ``UsageError`` for what is about a machine elsewhere where none is asked for, and the other way round."""
    given = (request.max_price, request.budget_usd, request.idle_stop)
    elsewhere = (
        request.gpu,
        request.repository,
        request.volume,
        request.workers > 1,
        *(one is not None for one in given),
    )
    if request.on == HERE and any(elsewhere):
        raise UsageError(
            "--gpu, --budget, --max-price, --idle-stop, --repository, --volume and --workers are about a machine elsewhere",
            where="deploy",
            fix="say where with --on, or leave them out",
            kind=ErrorKind.BAD_OPTION,
        )
    if request.on != HERE and wanted.idle_unload:
        raise UsageError(
            "memory of a machine elsewhere is not given back, the whole machine is",
            where="--idle-unload",
            fix="use --idle-stop",
            kind=ErrorKind.BAD_OPTION,
        )


async def _agree(session: Session, wanted: Deploy, request: RentalRequest, *, yes: bool) -> Deploy:
    """Say what is to be rented, and have it agreed to; where it serves there already, nothing is asked.

    Raises:
        UsageError: it costs money, and there is nobody to ask.
        BrightrunError: see `plan_rental`.
    """
    version = await models.find(session.db, wanted.target)
    for one in await store.list_endpoints(session.db, live_only=True):
        if one.rental is None or one.rental.place != request.on or one.state == "stopping" or one.model != version.name:
            continue
        same = one.model_version == version.version and wanted.name in ("", one.id)
        if same or (wanted.name == one.id and one.rental.serverless is None):
            if not same:
                _require_no_other_terms(request, one)
                say(
                    f"{version.ref} is loaded on the machine that serves {one.model}:{one.model_version}; no other one is rented."
                )
            return wanted.model_copy(update={"rental": one.rental})
    rental, offer = await plan_rental(version, request, session.paths)
    say(
        (offer.hardware.gpu or "a machine without a GPU", "bold"),
        f" on {rental.place}: {rental.price_words(offer.once_usd)}.",
    )
    say(f"The first answer comes after about {span(rental.cold_start)}. {rental.end_words}")
    if offer.price_per_hour and not yes:
        require_somebody("this machine costs money", where="--on")
        once = "Make it" if rental.serverless else "Rent it"
        typer.confirm(f"{once} for {money(offer.price_per_hour)} an hour?", abort=True, err=True)
    return wanted.model_copy(update={"rental": rental})


def _require_no_other_terms(request: RentalRequest, running: Endpoint) -> None:
    """Raise ``UsageError`` where a machine is asked for that is not the one of the endpoint."""
    if request.gpu or any(one is not None for one in (request.max_price, request.budget_usd, request.idle_stop)):
        raise UsageError(
            f"endpoint {running.id} runs on {request.on}; its machine, budget and idle time are fixed",
            where="--on",
            fix=f"leave --gpu and all about money and time out, or: brightrun undeploy {running.id}, and deploy it again",
            kind=ErrorKind.IN_USE,
        )
