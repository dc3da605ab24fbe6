"""The machine that a rented run would get, so that there is a price before anything starts."""

from __future__ import annotations

import asyncio

from brightrun_tui.domain.errors import NoCapacityError
from brightrun_tui.domain.money import GIB, Offer
from brightrun_tui.integrations.rental import offers_of
from brightrun_tui.paths import Paths
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.memory import SAFE
from brightrun_tui.planning.plan import make_plan
from brightrun_tui.providers.base import Need

LEAST_DISK = 40 * GIB


async def find_offers(draft: Draft, paths: Paths) -> list[Offer]:
    """Machines that the draft's run fits on, cheapest first. Give one of them to `make_plan`.

    Raises:
        BrightrunError: the provider is unknown, not connected or does not answer, or the draft does not say enough
            to know what it needs.
        NoCapacityError: nothing that fits is for rent now.
    """
    if draft.provider == "local":
        return await offers_of("local", paths, Need())
    plan = await asyncio.to_thread(make_plan, draft, paths)
    if plan.estimate is None:
        raise plan.first_problem or NoCapacityError("what the run needs is not known yet", kind="no_capacity")
    need = Need(
        gpu=draft.gpu,
        gpu_memory=int(plan.estimate.memory * SAFE),
        disk=max(LEAST_DISK, 2 * plan.estimate.disk),
        download=plan.base.weight_bytes if plan.base else 0,
        hours=plan.estimate.seconds_high / 3600,
    )
    offers = await offers_of(draft.provider, paths, need)
    if not offers:
        raise NoCapacityError(
            f"no machine with {need.gpu_memory / GIB:.0f} GiB of GPU memory is for rent now",
            where=draft.provider,
            fix="choose another GPU or provider, or try again later",
            kind="no_capacity",
        )
    return offers
