"""What can be changed to mend a check that failed, from what costs least to what costs most."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from brightrun_tui.domain.settings import Overrides, Setting, iter_settings
from brightrun_tui.paths import Paths
from brightrun_tui.planning.base_fit import base_fits
from brightrun_tui.planning.check import Check, CheckName
from brightrun_tui.planning.data_checks import main_language
from brightrun_tui.planning.draft import DraftFields
from brightrun_tui.planning.names import name_from
from brightrun_tui.planning.plan import Plan
from brightrun_tui.planning.token_counts import TURN_TOKENS, count_tokens

LENGTH_STEP = 64
FEW_LOST = 0.1
"""Of the records, which a shorter max length may take before a smaller base is the smaller change."""
LEAST_RANK = 8
LEAST_EPOCHS, EPOCHS_STEP, LEAST_SHARE = 0.5, 0.1, 0.25
BATCH, CHECKPOINTING = "training.micro_batch_size", "training.gradient_checkpointing"
LENGTH, OVER, RANK = "data.max_length", "data.over_length", "lora.r"
EPOCHS, STEPS, KEPT = "training.epochs", "training.max_steps", "training.keep_checkpoints"
QUANTISATION, OPTIM = "quantisation.method", "training.optim"


@dataclass(frozen=True)
class PlanChange:
    """Settings by dotted key (None: as the template says), and fields of the draft."""

    overrides: Overrides = field(default_factory=dict)
    fields: DraftFields = field(default_factory=dict)


def _anything(_: Plan) -> bool:
    return True


@dataclass(frozen=True)
class Lever:
    """One thing to change. ``changes``: from the least to the most, of which the first that mends is taken; ``apart``: none of
    them is more than another, so that all are tried. ``other_base``: it takes another model. ``accepts``: what must be true of
    the mended plan besides.
    """

    changes: Callable[[Plan, Check, Paths], Sequence[PlanChange]]
    apart: bool = False
    other_base: bool = False
    accepts: Callable[[Plan], bool] = _anything


def _fits(plan: Plan) -> bool:
    return plan.estimate is not None and plan.estimate.fits == "safe"


def _in_limits(plan: Plan) -> bool:
    """Say whether the expected cost and time are within what the person set."""
    found, draft = plan.estimate, plan.draft
    return (
        found is not None
        and (draft.budget_usd is None or found.cost_usd <= draft.budget_usd)
        and (draft.max_hours is None or found.seconds <= draft.max_hours * 3600)
    )


def _smaller_micro_batch(plan: Plan, _: Check, __: Paths) -> list[PlanChange]:
    now = plan.settings.training.micro_batch_size
    sizes = [now // 2**halved for halved in range(1, 13) if now // 2**halved >= 1] if now else [1]
    return [PlanChange({BATCH: size}) for size in sizes]


def _compute_twice(plan: Plan, _: Check, __: Paths) -> list[PlanChange]:
    return [PlanChange({CHECKPOINTING: "on"})] if plan.settings.training.gradient_checkpointing != "on" else []


def _four_bits(plan: Plan, _: Check, __: Paths) -> list[PlanChange]:
    return [PlanChange({QUANTISATION: "nf4"})] if plan.settings.quantisation.method == "none" else []


def _small_optimiser(plan: Plan, _: Check, __: Paths) -> list[PlanChange]:
    large = plan.hardware.gpu_count and plan.settings.training.optim == "adamw_torch_fused"
    return [PlanChange({OPTIM: "adamw_8bit"})] if large else []


def _smaller_rank(plan: Plan, _: Check, __: Paths) -> list[PlanChange]:
    now = plan.settings.lora.r
    return [PlanChange({RANK: now // 2**halved}) for halved in range(1, 11) if now // 2**halved >= LEAST_RANK]


def _shorter(plan: Plan, _: Check, __: Paths) -> list[PlanChange]:
    if plan.base is None or plan.report is None:
        return []
    longest = min(count_tokens(plan.base, plan.report).longest, _length_limit(plan))
    return [
        PlanChange({LENGTH: length}) for length in range((longest - 1) // LENGTH_STEP * LENGTH_STEP, 0, -LENGTH_STEP)
    ]


def _a_little_shorter(plan: Plan, check: Check, paths: Paths) -> list[PlanChange]:
    """Offer lengths at which few records are longer."""
    return [
        change
        for change in _shorter(plan, check, paths)
        if share_over(plan, int(change.overrides[LENGTH] or 0)) <= FEW_LOST
    ]


def share_over(plan: Plan, limit: int = 0) -> float:
    """Return the part of the records, from 0 to 1, that is longer than so many tokens; 0: than the plan's max length."""
    if plan.base is None or plan.report is None:
        return 0.0
    tokens = count_tokens(plan.base, plan.report)
    limit = limit or _length_limit(plan)
    if tokens.longest <= limit:
        return 0.0
    turns = TURN_TOKENS * plan.report.turns / max(1, plan.report.usable)
    return plan.report.characters.share_over((limit - turns) * tokens.characters_per_token)


def _length_limit(plan: Plan) -> int:
    context = plan.base.architecture.context if plan.base else 0
    return min(plan.settings.data.max_length or context, context)


def _smaller_base(plan: Plan, _: Check, paths: Paths) -> list[PlanChange]:
    """Offer bases smaller than the plan's own that suit its data and machine, the largest first."""
    if plan.base is None:
        return []
    smaller = [
        fit.base for fit in base_fits(plan, paths) if fit.estimate and 0 < fit.base.parameters < plan.base.parameters
    ]
    return [
        PlanChange(fields={"base": base.id})
        for base in sorted(smaller, key=lambda base: (-base.parameters, base.gated))
    ]


def _speaking_base(plan: Plan, _: Check, paths: Paths) -> list[PlanChange]:
    """Offer bases that speak the language of the data and fit, open ones first: the nearest in size to the plan's own,
    which was chosen for what it takes of memory and time.
    """
    if plan.base is None or plan.report is None or not (language := main_language(plan.report)):
        return []
    own = math.log(max(1, plan.base.parameters))
    speaking = [
        fit.base
        for fit in base_fits(plan, paths)
        if fit.base.traits.speaks(language) and fit.base.parameters and fit.estimate and fit.estimate.fits == "safe"
    ]
    speaking.sort(key=lambda base: (base.gated, abs(math.log(base.parameters) - own)))
    return [PlanChange(fields={"base": base.id}) for base in speaking]


def _any_gpu(plan: Plan, _: Check, __: Paths) -> list[PlanChange]:
    """Offer any GPU of the same service, which is then asked again."""
    return [PlanChange(fields={"gpu": ""})] if not plan.draft.here and plan.draft.gpu else []


def _fewer_epochs(plan: Plan, _: Check, __: Paths) -> list[PlanChange]:
    training = plan.settings.training
    if training.max_steps:
        least = max(1, int(training.max_steps * LEAST_SHARE))
        return [PlanChange({STEPS: steps}) for steps in range(training.max_steps - 1, least - 1, -1)]
    shortest = max(LEAST_EPOCHS, training.epochs * LEAST_SHARE)
    count = int((training.epochs - shortest) / EPOCHS_STEP + 1e-9)
    return [PlanChange({EPOCHS: round(training.epochs - EPOCHS_STEP * step, 1)}) for step in range(1, count + 1)]


def _more_money(plan: Plan, _: Check, __: Paths) -> list[PlanChange]:
    found, budget = plan.estimate, plan.draft.budget_usd
    if found is None or budget is None or found.cost_usd_high <= budget:
        return []
    return [PlanChange(fields={"budget_usd": math.ceil(found.cost_usd_high * 100) / 100})]


def _more_time(plan: Plan, _: Check, __: Paths) -> list[PlanChange]:
    found, limit = plan.estimate, plan.draft.max_hours
    if found is None or limit is None or found.seconds_high <= limit * 3600:
        return []
    return [PlanChange(fields={"max_hours": math.ceil(found.seconds_high / 360) / 10})]


def _no_limit(plan: Plan, _: Check, __: Paths) -> list[PlanChange]:
    """Offer to leave out limits that are not numbers above 0."""
    limits = {name: getattr(plan.draft, name) for name in ("budget_usd", "max_hours")}
    wrong = [name for name, limit in limits.items() if limit is not None and not 0 < limit < math.inf]
    return [PlanChange(fields=dict.fromkeys(wrong))] if wrong else []


def _fewer_kept(plan: Plan, _: Check, __: Paths) -> list[PlanChange]:
    return [PlanChange({KEPT: count}) for count in range(plan.settings.training.keep_checkpoints - 1, 0, -1)]


def _whole_context(plan: Plan, _: Check, __: Paths) -> list[PlanChange]:
    return [PlanChange({LENGTH: 0})] if plan.settings.data.max_length else []


def _split(plan: Plan, _: Check, __: Paths) -> list[PlanChange]:
    return [PlanChange({OVER: way}) for way in ("split", "truncate") if plan.settings.data.over_length != way]


def _value_that_fits(plan: Plan, check: Check, _: Paths) -> list[PlanChange]:
    """Offer the nearest value for a number that is out of range; for anything else what the template says."""
    key = check.error.where if check.error else ""
    setting = next((setting for setting in iter_settings() if setting.key == key), None)
    if setting is None or key not in plan.draft.overrides:
        return []
    nearest = _nearest(setting, plan.draft.overrides[key])
    return [*([PlanChange({key: nearest})] if nearest is not None else []), PlanChange({key: None})]


def _nearest(setting: Setting, raw: Any) -> int | float | None:
    """Return the least or the largest value, whichever the number is beyond; None where it is not a number, or the end is
    open.
    """
    try:
        number = float(raw)
    except (TypeError, ValueError):
        return None
    for bound in setting.field.metadata:
        least, most = getattr(bound, "ge", None), getattr(bound, "le", None)
        if least is not None and number < least:
            return least  # type: ignore[no-any-return]
        if most is not None and number > most:
            return most  # type: ignore[no-any-return]
    return int(number) if setting.kind == "int" and math.isfinite(number) and number != int(number) else None


def _no_gpus_named(plan: Plan, _: Check, __: Paths) -> list[PlanChange]:
    return [PlanChange({"machine.gpus": None})] if plan.draft.overrides.get("machine.gpus") else []


def _plain_name(plan: Plan, _: Check, __: Paths) -> list[PlanChange]:
    return [PlanChange(fields={"name": name_from(plan.draft.name)})]


_LESS = (Lever(_fewer_epochs, accepts=_in_limits), Lever(_smaller_base, other_base=True, accepts=_in_limits))

LEVERS: dict[CheckName, tuple[Lever, ...]] = {
    CheckName.MEMORY: (
        Lever(_compute_twice, accepts=_fits),
        Lever(_smaller_micro_batch, accepts=_fits),
        Lever(_small_optimiser, accepts=_fits),
        Lever(_four_bits, accepts=_fits),
        Lever(_a_little_shorter, accepts=_fits),
        Lever(_smaller_rank, accepts=_fits),
        Lever(_any_gpu),
        Lever(_smaller_base, apart=True, other_base=True, accepts=_fits),
        Lever(_shorter, accepts=_fits),
    ),
    CheckName.LANGUAGE: (Lever(_speaking_base, apart=True, other_base=True, accepts=_fits),),
    CheckName.BUDGET: (Lever(_no_limit), *_LESS, Lever(_more_money), Lever(_more_time)),
    CheckName.MONTH: _LESS,
    CheckName.ACCOUNT: _LESS,
    CheckName.DISK: (Lever(_fewer_kept), Lever(_smaller_base, apart=True, other_base=True)),
    CheckName.DATASET: (Lever(_whole_context), Lever(_split, apart=True)),
    CheckName.SETTINGS: (Lever(_value_that_fits, apart=True),),
    CheckName.MACHINE: (Lever(_no_gpus_named), Lever(_any_gpu)),
    CheckName.NAME: (Lever(_plain_name),),
}
"""By the name of the check. The same lever may stand twice: first where it costs little, later at any cost."""
