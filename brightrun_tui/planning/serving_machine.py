"""The machine that an endpoint would get: what the model needs, which one is the best now, what it costs, how long it takes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from brightrun_tui.config import MoneyLimits, RunDefaults, load_section
from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import (
    BaseModelError,
    BrightrunError,
    BudgetError,
    NoCapacityError,
    NoFundsError,
    UsageError,
)
from brightrun_tui.domain.humanize import money, size
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.money import Hardware, Offer
from brightrun_tui.domain.rental import IDLE_STOP_SECONDS, EndpointRental
from brightrun_tui.domain.serverless import IDLE_SECONDS, account_of_place
from brightrun_tui.domain.service_names import OWN_BOXES
from brightrun_tui.integrations.boxes import configured_boxes
from brightrun_tui.integrations.rental import account_of, has_serverless, offers_of, serverless_places
from brightrun_tui.paths import Paths
from brightrun_tui.planning import bases
from brightrun_tui.planning.architecture import BaseModelInfo
from brightrun_tui.planning.estimate import DOWNLOAD_BYTES_PER_SECOND, RENT_SECONDS
from brightrun_tui.planning.hosted_model import hosted_model, refuse_gated_base
from brightrun_tui.planning.memory import SAFE, SERVED_TOKENS, memory_to_serve
from brightrun_tui.planning.need import LEAST_DISK, PACKAGES_BYTES
from brightrun_tui.planning.timing import LOAD_BYTES_PER_SECOND, START_SECONDS
from brightrun_tui.providers.base import Need
from brightrun_tui.providers.local import hardware
from brightrun_tui.providers.offers import relied_upon
from brightrun_tui.providers.spec import provider_names
from brightrun_tui.store.leases import month_spending_of

WORKER_START_SECONDS = 90.0
"""Until a worker's container and its vLLM are up, without its model: reckoned, not measured."""
LEAST_USE_SECONDS = 600.0
"""A machine that could not even be paid for so long after its start is not rented."""
BASE_IDLE_SECONDS = 900.0
"""Without a question for so long a base that stands beside a model leaves memory: whoever compares may have been killed."""
SENT_BYTES_PER_SECOND = 1e7
"""Of a base model that is sent from here, over a common line."""


@dataclass(frozen=True)
class RentalRequest:
    """What a person said of the machine. ``on``: a provider, a place whose workers come and go, or the name of a box;
    ``idle_stop`` in seconds, None: as is usual there. ``repository``, ``volume``, ``workers``: see `hosted_model`."""

    on: str
    gpu: str = ""
    max_price: float | None = None
    budget_usd: float | None = None
    idle_stop: float | None = None
    repository: str = ""
    volume: str = ""
    workers: int = 1


@dataclass(frozen=True)
class BaseBeside:
    """What a base model takes that is to be asked beside the model that was trained from it. In bytes; ``free`` now,
    ``download`` before it is here. ``own_template``: it has a chat template of its own, as far as that is known.
    """

    memory: int
    free: int
    on_gpu: bool = False
    download: int = 0
    own_template: bool = True

    @property
    def fits(self) -> bool:
        """Whether what is free now is enough."""
        return self.memory <= self.free

    @property
    def words(self) -> str:
        """In sentences."""
        only = "are free" if self.fits else "are free: other programs may be pushed out of memory, or this one ended"
        said = [
            f"That takes about {size(self.memory)} of {'GPU ' if self.on_gpu else ''}memory; {size(self.free)} {only}."
        ]
        if self.download:
            said.append(f"It is not on this machine: {size(self.download)} are fetched first.")
        if not self.own_template:
            said.append("It has no chat template of its own: the one that was saved with the model is used.")
        return " ".join(said)


async def plan_rental(version: ModelVersion, request: RentalRequest, paths: Paths) -> tuple[EndpointRental, Offer]:
    """Return what is to be agreed to, and the machine that it is about. Nothing is rented.

    Raises:
        UsageError: there is no such provider or box.
        NoCapacityError: no machine that the model fits on is for rent now, or none for that price.
        BudgetError: what may be spent does not pay for it.
        BrightrunError: the provider is not connected or does not answer, or the base model is not known.
    """
    bare = await asyncio.to_thread(_rental_of, version, request, paths)
    found = [offer for offer in await offers_of(bare.provider, paths, need_of_rental(bare)) if accepts(bare, offer)]
    offer = next(iter(sorted((one for one in found if not one.busy), key=_rank)), None)
    if offer is None:
        raise _no_machine(bare, found)
    rental = bare.model_copy(
        update={
            "offer": offer.id,
            "offer_gpu": offer.hardware.gpu,
            "host_id": offer.host_id,
            "price_per_hour": offer.price_per_hour,
        }
    )
    await _require_money(rental, offer, paths)
    return rental, offer


def need_of_rental(rental: EndpointRental) -> Need:
    """Return what the endpoint asks of a machine."""
    return Need(
        gpu=rental.gpu,
        gpu_memory=int(rental.memory * SAFE),
        disk=rental.disk,
        max_price_per_hour=rental.max_price,
        download=rental.download,
        hours=1.0,
    )


def accepts(rental: EndpointRental, offer: Offer) -> bool:
    """Say whether the offer is of the box that was named, where one was."""
    return not rental.box or offer.host_id == rental.box


def cost_of_hour(offer: Offer) -> float:
    """Return US dollars of the first hour, traffic included: offers are compared by it."""
    return offer.once_usd + offer.price_per_hour


def _rank(offer: Offer) -> tuple[object, ...]:
    return (not relied_upon(offer), cost_of_hour(offer), offer.id)


def _rental_of(version: ModelVersion, request: RentalRequest, paths: Paths) -> EndpointRental:
    """Return the rental without its machine. Blocking."""
    provider, box = request.on, ""
    serverless = is_serverless(request.on)
    if not serverless and (request.repository or request.volume or request.workers != 1):
        raise UsageError(
            "--repository, --volume and --workers are about workers that come and go",
            where="deploy",
            fix="leave them out, or serve at one of: " + ", ".join(serverless_places(provider_names())),
            kind=ErrorKind.BAD_OPTION,
        )
    if not serverless and request.on not in provider_names():
        provider, box = OWN_BOXES, request.on
        if request.on not in configured_boxes(paths):
            known = [*provider_names(), *serverless_places(provider_names()), *configured_boxes(paths)]
            raise UsageError(
                f"no endpoint can be had at “{request.on}”",
                where="--on",
                fix=f"one of: {', '.join(known)}; or leave it out: this machine serves",
                kind=ErrorKind.UNKNOWN_PROVIDER,
            )
    base = _base_of(version, paths)
    if serverless:
        return _hosted(version, request, base, paths)
    sent = not bases.is_hub_id(version.base_id)
    rented = provider != OWN_BOXES
    if rented:
        refuse_gated_base(version)
    moving = base.weight_bytes / (SENT_BYTES_PER_SECOND if sent else DOWNLOAD_BYTES_PER_SECOND)
    idle_stop = request.idle_stop if request.idle_stop is not None else IDLE_STOP_SECONDS if rented else 0.0
    return EndpointRental(
        provider=provider,
        box=box,
        gpu=request.gpu,
        max_price=request.max_price,
        budget_usd=request.budget_usd,
        idle_stop=idle_stop,
        memory=memory_to_serve(base.architecture, version.report.lineage.run_settings, _A_GPU),
        disk=max(LEAST_DISK, 2 * (base.weight_bytes + version.bytes)),
        download=base.weight_bytes + version.bytes + PACKAGES_BYTES,
        cold_start=(RENT_SECONDS if rented else 0.0)
        + moving
        + START_SECONDS
        + base.weight_bytes / LOAD_BYTES_PER_SECOND,
        project=load_section(paths, "defaults", RunDefaults).project,
    )


def _hosted(version: ModelVersion, request: RentalRequest, base: BaseModelInfo, paths: Paths) -> EndpointRental:
    """Do as `_rental_of`, for workers that come and go."""
    settings = version.report.lineage.run_settings
    model = hosted_model(
        version,
        settings,
        repository=request.repository,
        volume=request.volume,
        context=min(base.architecture.context or SERVED_TOKENS, SERVED_TOKENS),
        idle_seconds=IDLE_SECONDS if request.idle_stop is None else request.idle_stop,
        workers=request.workers,
    )
    weight = base.weight_bytes + version.bytes
    return EndpointRental(
        provider=request.on,
        gpu=request.gpu,
        max_price=request.max_price,
        budget_usd=request.budget_usd,
        idle_stop=0.0,
        memory=memory_to_serve(base.architecture, settings, _A_GPU),
        disk=max(LEAST_DISK, 2 * weight),
        download=weight,
        cold_start=WORKER_START_SECONDS
        + (0.0 if request.volume else weight / DOWNLOAD_BYTES_PER_SECOND)
        + base.weight_bytes / LOAD_BYTES_PER_SECOND,
        project=load_section(paths, "defaults", RunDefaults).project,
        serverless=model,
    )


def base_beside(version: ModelVersion, paths: Paths) -> BaseBeside:
    """Return what it takes to serve the base of ``version`` here, beside what is there already. Blocking.

    Raises:
        BaseModelError: the base cannot be had any more.
    """
    try:
        base = _base_of(version, paths)
    except BrightrunError as error:
        raise BaseModelError(
            f"the base model “{version.base_id}” cannot be had any more, so there is nothing to compare with: {error.what}",
            where=error.where,
            fix=f"say where it is: brightrun models set-base {version.ref} DIRECTORY",
            kind=ErrorKind.BASE_MISSING,
        ) from None
    machine = hardware(paths.data)
    return BaseBeside(
        memory=memory_to_serve(base.architecture, version.report.lineage.run_settings, machine, conversations=1),
        free=machine.free_memory,
        on_gpu=machine.gpu_count > 0,
        download=0 if base.present else base.weight_bytes,
        own_template=base.has_chat_template is not False,
    )


def is_serverless(place: str) -> bool:
    """Say whether workers come and go there."""
    return place != account_of_place(place) and has_serverless(account_of_place(place))


_A_GPU = Hardware(device="cuda", gpu_count=1)


def _base_of(version: ModelVersion, paths: Paths) -> BaseModelInfo:
    here = version.base_path and (Path(version.base_path) / "config.json").is_file()
    revision = version.report.lineage.base_revision
    named = f"{version.base_id}@{revision}" if revision and bases.is_hub_id(version.base_id) else version.base_id
    return bases.describe_base(version.base_path if here else named, paths)


def _no_machine(rental: EndpointRental, found: list[Offer]) -> BrightrunError:
    if found:
        return NoCapacityError(
            f"it waits for {'; '.join(dict.fromkeys(offer.busy for offer in found))}",
            where=rental.place,
            fix="wait, or stop what is at work there",
            kind=ErrorKind.MACHINE_BUSY,
        )
    price = f" for {money(rental.max_price)} an hour at most" if rental.max_price else ""
    return NoCapacityError(
        f"no machine with {humanize.memory(rental.memory * SAFE)} of memory for the model is available now{price}",
        where=rental.place,
        fix="choose another place or GPU, a higher --max-price, or try again later",
        kind=ErrorKind.NO_CAPACITY,
    )


async def _require_money(rental: EndpointRental, offer: Offer, paths: Paths) -> None:
    """Say whether budget, month and account pay for the start and some minutes of use."""
    least = offer.once_usd + offer.price_per_hour * (rental.cold_start + LEAST_USE_SECONDS) / 3600
    if not least:
        return
    what = "at this price" if rental.serverless else "on this machine"
    words = f"until it answers, and ten minutes of use, cost about {money(least)} {what}"
    if rental.budget_usd is not None and rental.budget_usd < least:
        raise BudgetError(
            f"a budget of {money(rental.budget_usd)} is too small: the time {words}",
            where="--budget",
            fix=f"give {money(least)} or more",
            kind=ErrorKind.BUDGET_TOO_SMALL,
        )
    limit = await asyncio.to_thread(lambda: load_section(paths, "money", MoneyLimits).monthly_limit_usd)
    if limit is not None:
        left = limit - (await asyncio.to_thread(month_spending_of, paths.database)).total
        if left < least:
            raise BudgetError(
                f"this month's limit leaves {money(max(0.0, left))}: the time {words}",
                where="[money] monthly_limit_usd",
                fix="raise the limit, or wait for the next month",
                kind=ErrorKind.BUDGET_TOO_SMALL,
            )
    balance = (await account_of(rental.provider, paths)).balance_usd
    if balance is not None and balance < least:
        raise NoFundsError(
            f"the account has {money(max(0.0, balance))}: the time {words}",
            where=rental.provider,
            fix="add funds there",
            kind=ErrorKind.NO_FUNDS,
        )
