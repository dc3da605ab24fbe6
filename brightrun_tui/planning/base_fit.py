"""Every base that is offered, with what the run of a plan would take with it: for choosing one."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.money import Estimate
from brightrun_tui.paths import Paths
from brightrun_tui.planning.bases import BaseChoice, describe_base, list_bases
from brightrun_tui.planning.estimate import estimate
from brightrun_tui.planning.plan import Plan
from brightrun_tui.planning.resolve import resolve_settings


class BaseFit(BaseModel):
    """``context`` in tokens, 0 where it is not known. ``estimate``: with the plan's data and machine; None without data."""

    model_config = ConfigDict(frozen=True)

    base: BaseChoice
    context: int = 0
    estimate: Estimate | None = None


def base_fits(plan: Plan | None, paths: Paths) -> list[BaseFit]:
    """Return how each base fits, in the order of `list_bases`. Blocking; asks no network."""
    return [_fit(base, plan, paths) for base in list_bases(paths)]


def _fit(choice: BaseChoice, plan: Plan | None, paths: Paths) -> BaseFit:
    try:
        info = describe_base(choice.id, paths, network=False)
        found = None
        if plan and plan.report and plan.hardware.flops:
            draft = plan.draft
            settings = resolve_settings(
                plan.template, info, plan.report.usable, draft.overrides, draft.intensity
            ).settings
            price = plan.offer.price_per_hour if plan.offer else 0.0
            found = estimate(info, plan.report, settings, plan.hardware, price)
        return BaseFit(base=choice, context=info.architecture.context, estimate=found)
    except BrightrunError:
        return BaseFit(base=choice)
