"""Between a draft and a run that was submitted: the plan, on a machine where it fits, and the yes to what it costs."""

from __future__ import annotations

import asyncio

import typer

from brightrun_tui.commands.shared.output import require_somebody
from brightrun_tui.domain.humanize import money
from brightrun_tui.paths import Paths
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.offers import best_offer
from brightrun_tui.planning.plan import Plan, make_plan


async def plan_run(draft: Draft, paths: Paths) -> Plan:
    """Plan the run on this machine, or on the cheapest machine for rent that it fits on.

    Raises:
        BrightrunError: the provider is not connected, does not answer, or has no such machine.
    """
    offer = None if draft.here else await best_offer(draft, paths)
    return await asyncio.to_thread(make_plan, draft, paths, offer=offer)


def agree(most: float, *, yes: bool) -> None:
    """Ask before money is spent, at most so many dollars; what costs nothing starts unasked.

    Raises:
        UsageError: it costs, and there is nobody to ask.
    """
    if yes or not most:
        return
    require_somebody("this costs money")
    typer.confirm(f"This costs up to {money(most)}. Start?", abort=True, err=True)
