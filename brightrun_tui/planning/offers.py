"""The machine that a rented run would get, so that there is a price before anything starts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.errors import NoCapacityError, NoFundsError
from brightrun_tui.domain.money import GIB, Estimate, Offer
from brightrun_tui.integrations.rental import account_of, offers_of
from brightrun_tui.paths import Paths
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.estimate import estimate
from brightrun_tui.planning.memory import SAFE
from brightrun_tui.planning.plan import Plan, make_plan, with_speed, with_traffic
from brightrun_tui.providers.base import Need
from brightrun_tui.providers.offers import reliable_first

LEAST_DISK = 40 * GIB


class WeighedOffer(BaseModel):
    """An offer and what this run would be on it. Seconds and US dollars, traffic and disk included."""

    model_config = ConfigDict(frozen=True)

    offer: Offer
    fits: Literal["safe", "tight", "no"]
    seconds: float
    cost_usd: float
    cost_usd_high: float


async def weigh_offers(draft: Draft, paths: Paths) -> list[WeighedOffer]:
    """Every machine for rent from half the memory that the run needs, the ones to be recommended first.

    The first is what the run would get unasked; give any of them to `make_plan` to choose it by hand.

    Raises:
        BrightrunError: as `find_offers`.
    """
    plan = await asyncio.to_thread(make_plan, draft, paths)
    need = _need(draft, plan)
    found = await offers_of(draft.provider, paths, replace(need, gpu_memory=need.gpu_memory // 2))
    weighed = await asyncio.to_thread(lambda: [_weigh(plan, offer) for offer in reliable_first(found)])
    return sorted(weighed, key=lambda one: one.fits == "no")


async def check_account(draft: Draft, paths: Paths, expected: Estimate) -> None:
    """Whether the account of a rental service may rent and can pay for the run, before anything is started.

    Raises:
        NoFundsError: the balance is smaller than the expected cost.
        BrightrunError: the credential does not work or may not do this, or the provider does not answer.
    """
    if not expected.cost_usd:
        return
    account = await account_of(draft.provider, paths)
    if account.balance_usd is not None and account.balance_usd < expected.cost_usd:
        balance = max(0.0, account.balance_usd)
        raise NoFundsError(f"the account has ${balance:,.2f}, the run costs about ${expected.cost_usd:,.2f}",
                           where=draft.provider, fix="add funds there, or choose a smaller run", kind="no_funds")


async def find_offers(draft: Draft, paths: Paths) -> list[Offer]:
    """Machines that the draft's run fits on: cheapest first among the reliable ones, then the others.

    Give one of them to `make_plan`.

    Raises:
        BrightrunError: the provider is unknown, not connected or does not answer, or the draft does not say enough
            to know what it needs.
        NoCapacityError: nothing that fits is for rent now.
    """
    if draft.provider == "local":
        return await offers_of("local", paths, Need())
    need = _need(draft, await asyncio.to_thread(make_plan, draft, paths))
    offers = reliable_first(await offers_of(draft.provider, paths, need))
    if not offers:
        raise NoCapacityError(
            f"no machine with {need.gpu_memory / GIB:.0f} GiB of GPU memory is for rent now",
            where=draft.provider,
            fix="choose another GPU or provider, or try again later",
            kind="no_capacity",
        )
    return offers


def _need(draft: Draft, plan: Plan) -> Need:
    """Raises the plan's first problem where it is not known what the run needs."""
    if plan.estimate is None:
        raise plan.first_problem or NoCapacityError("what the run needs is not known yet", kind="no_capacity")
    return Need(
        gpu=draft.gpu,
        gpu_memory=int(plan.estimate.memory * SAFE),
        disk=max(LEAST_DISK, 2 * plan.estimate.disk),
        download=plan.base.weight_bytes if plan.base else 0,
        hours=plan.estimate.seconds_high / 3600,
    )


def _weigh(plan: Plan, offer: Offer) -> WeighedOffer:
    assert plan.base and plan.report, "a plan with an estimate has both"
    bare = estimate(plan.base, plan.report, plan.settings, with_speed(offer.hardware), offer.price_per_hour)
    found = with_traffic(bare, offer)
    return WeighedOffer(offer=offer, fits=found.fits, seconds=found.seconds, cost_usd=found.cost_usd,
                        cost_usd_high=found.cost_usd_high)
