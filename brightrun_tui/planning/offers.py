"""The machine that a rented run would get, and every other one for rent, so that there is a price before anything starts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, NoCapacityError
from brightrun_tui.domain.money import Estimate, Offer
from brightrun_tui.integrations.rental import account_of, as_known_error, connected_providers, offers_of
from brightrun_tui.paths import Paths
from brightrun_tui.planning import money_checks
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.estimate import estimate
from brightrun_tui.planning.memory import SAFE
from brightrun_tui.planning.need import need_of
from brightrun_tui.planning.plan import Plan, make_plan, with_speed, with_traffic
from brightrun_tui.providers.base import Need
from brightrun_tui.providers.offers import relied_upon

SOLD_OUT = "choose another GPU or provider, or try again later"
"""What to do where no machine is to be had."""
_FITS = {"safe": 0, "tight": 1, "no": 2}


class WeighedOffer(BaseModel):
    """An offer and what this run would be on it. Seconds and US dollars, traffic and disk included.

    ``fits``: whether the run fits into its memory; ``memory`` is what it needs there, in bytes.
    """

    model_config = ConfigDict(frozen=True)

    offer: Offer
    fits: Literal["safe", "tight", "no"]
    memory: int
    seconds: float
    cost_usd: float
    cost_usd_high: float


@dataclass(frozen=True)
class Market:
    """What every service that was ``asked`` has for one run, the machine to be recommended first; and who gave no answer."""

    asked: tuple[str, ...] = ()
    offers: tuple[WeighedOffer, ...] = ()
    silent: dict[str, BrightrunError] = field(default_factory=dict)


async def weigh_offers(draft: Draft, paths: Paths) -> list[WeighedOffer]:
    """Return every machine of the draft's provider from half the memory that the run needs, the one to be recommended first.

    That is the one on which this run costs least among those that it fits on and that can be relied upon. Machines that
    may be taken away are among them only where the draft says that they are welcome.

    Raises:
        BrightrunError: the provider is unknown, not connected or does not answer, or the draft does not say enough
            to know what the run needs.
    """
    plan = await asyncio.to_thread(make_plan, draft, paths)
    return await _weigh_all(draft.provider, draft, plan, paths)


async def weigh_market(draft: Draft, paths: Paths) -> Market:
    """Return the same for every service that is connected. Machines that may be taken away are listed in any case, but come
    after the others where they are not welcome.

    Raises:
        BrightrunError: the draft does not say enough to know what the run needs.
    """
    names = await asyncio.to_thread(connected_providers, paths)
    drafts = [draft.model_copy(update={"provider": name}) for name in names]
    plans = await asyncio.to_thread(lambda: [make_plan(one, paths) for one in drafts])
    for plan in plans:
        _need(draft, plan)
    answers = await asyncio.gather(
        *(
            _weigh_all(one.provider, one.model_copy(update={"interruptible": True}), plan, paths)
            for one, plan in zip(drafts, plans, strict=True)
        ),
        return_exceptions=True,
    )
    found: list[WeighedOffer] = []
    silent: dict[str, BrightrunError] = {}
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, Exception):
            silent[name] = as_known_error(name, answer)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found += answer
    return Market(tuple(names), tuple(recommended_first(found, interruptible=draft.interruptible)), silent)


async def best_offer(draft: Draft, paths: Paths) -> Offer:
    """Return the machine that the draft's run would get unasked. Give it to `make_plan`.

    Raises:
        NoCapacityError: nothing that fits is for rent now.
        BrightrunError: as `weigh_offers`.
    """
    weighed = await weigh_offers(draft, paths)
    if not weighed or weighed[0].fits == "no":
        need = f" with {humanize.memory(weighed[0].memory * SAFE)} of GPU memory" if weighed else " that fits this run"
        raise NoCapacityError(
            f"no machine{need} is for rent now", where=draft.provider, kind=ErrorKind.NO_CAPACITY, fix=SOLD_OUT
        )
    return weighed[0].offer


async def require_account(draft: Draft, paths: Paths, expected: Estimate) -> None:
    """Require that the account of a rental service may rent and can pay for the run, before anything is started.

    Raises:
        NoFundsError: the balance is smaller than the expected cost.
        BrightrunError: the credential does not work or may not do this, or the provider does not answer.
    """
    if not expected.cost_usd:
        return
    check = money_checks.check_account(draft, await account_of(draft.provider, paths), expected)
    if check is not None and check.error is not None:
        raise check.error


def recommended_first(weighed: list[WeighedOffer], *, interruptible: bool = False) -> list[WeighedOffer]:
    """Return what fits before what does not, what is welcome before what is not, reliable machines before others; then by
    cost.
    """

    def rank(one: WeighedOffer) -> tuple[object, ...]:
        unwelcome = one.offer.interruptible and not interruptible
        return (
            _FITS[one.fits],
            unwelcome,
            bool(one.offer.busy),
            not relied_upon(one.offer),
            one.cost_usd,
            one.offer.price_per_hour,
            one.offer.id,
        )

    return sorted(weighed, key=rank)


async def _weigh_all(provider: str, draft: Draft, plan: Plan, paths: Paths) -> list[WeighedOffer]:
    need = _need(draft, plan)
    found = await offers_of(provider, paths, replace(need, gpu_memory=need.gpu_memory // 2))
    weighed = await asyncio.to_thread(lambda: [_weigh(plan, offer) for offer in found])
    return recommended_first(weighed, interruptible=draft.interruptible)


def _need(draft: Draft, plan: Plan) -> Need:
    """Return what the run needs. Raises the plan's first problem where that is not known."""
    if plan.estimate is None:
        raise plan.first_problem or NoCapacityError("what the run needs is not known yet", kind=ErrorKind.NO_CAPACITY)
    return need_of(plan.estimate, draft, plan.settings.machine.gpu_request)


def _weigh(plan: Plan, offer: Offer) -> WeighedOffer:
    assert plan.base and plan.report, "a plan with an estimate has both"
    bare = estimate(plan.base, plan.report, plan.settings, with_speed(offer.hardware), offer.price_per_hour)
    found = with_traffic(bare, offer)
    return WeighedOffer(
        offer=offer,
        fits=found.fits,
        memory=found.memory,
        seconds=found.seconds,
        cost_usd=found.cost_usd,
        cost_usd_high=found.cost_usd_high,
    )
