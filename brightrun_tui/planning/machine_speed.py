"""How fast this machine is with a base model: found out before the first run, where nothing has been measured yet."""

from __future__ import annotations

from brightrun_tui.paths import Paths
from brightrun_tui.planning import probes
from brightrun_tui.planning.plan import Plan


def is_unknown(plan: Plan, paths: Paths) -> bool:
    """Say whether the time of this plan is a guess that some seconds of real work here would make better."""
    found, base = plan.estimate, plan.base
    if found is None or base is None or found.measured or found.fits == "no" or not plan.draft.here:
        return False
    return probes.is_worth_it(base, found.quantisation, plan.hardware, paths)


async def measure(plan: Plan, paths: Paths) -> bool:
    """Do that work, and keep what it took: the next plan knows it. False if it could not be done.

    Takes some seconds in a process of its own, which ends when this is cancelled.
    """
    assert plan.estimate and plan.base
    return await probes.measure(plan.base, plan.estimate.quantisation, plan.hardware, paths)
