"""From a draft to the settings of the run, and where each of them comes from.

Default < base model < template (with its rules by number of records) < rule by size of the model < intensity < what the
person set.
"""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.settings import Overrides, RunSettings, SettingValue, iter_settings
from brightrun_tui.planning.architecture import BaseModelInfo
from brightrun_tui.planning.catalogue import SizeRule, size_rule
from brightrun_tui.planning.intensity import Intensity, layer
from brightrun_tui.planning.templates import Template
from brightrun_tui.planning.timing import held_out

LEARNING_RATE = "training.learning_rate"
EPOCHS, MAX_STEPS = "training.epochs", "training.max_steps"
MOST_EPOCHS = 12
"""However few steps that are: what was seen so often and is not learnt will not be learnt by seeing it again."""
PERSON = "you"


class Resolved(BaseModel):
    """``sources``: for every setting that is not at its default, who set it. ``problems``: values left out."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    settings: RunSettings
    sources: dict[str, str]
    problems: tuple[UsageError, ...] = ()


def resolve_settings(
    template: Template | None,
    base: BaseModelInfo | None,
    records: int | None,
    overrides: Overrides,
    intensity: Intensity = Intensity.BALANCED,
) -> Resolved:
    """Put the layers on top of each other. A value that does not fit is reported and left out."""
    values: dict[str, SettingValue] = {}
    sources: dict[str, str] = {}

    def put(layer: Overrides, source: str) -> None:
        values.update(layer)
        sources.update(dict.fromkeys(layer, source))

    if base:
        put(base.recommended, f"base model {base.title}")
    if template:
        put(template.resolve(None), f"template “{template.title}”")
        by_records = {
            key: value for key, value in template.resolve(records).items() if template.overrides.get(key) != value
        }
        put(by_records, f"template “{template.title}” for {records:,} records" if records is not None else "")
    if base:
        rule = size_rule(base.parameters)
        if rule.factor != 1.0:
            known = values.get(LEARNING_RATE)
            rate = RunSettings().training.learning_rate if known is None else float(known)
            put(
                {LEARNING_RATE: float(f"{rate * rule.factor:.3g}")},
                f"{sources.get(LEARNING_RATE, 'default')} × {rule.factor:g}: {rule.why}",
            )
    put(layer(intensity, RunSettings().with_overrides(values)), intensity_source(intensity))
    problems = []
    for key, value in overrides.items():
        try:
            RunSettings().with_overrides({key: value})
        except UsageError as error:
            problems.append(error)
            continue
        put({key: value}, PERSON)
    settings = RunSettings().with_overrides(values)
    if base and not {EPOCHS, MAX_STEPS} & overrides.keys():
        rule = size_rule(base.parameters)
        put(_more_steps(settings, rule, records), f"at least {rule.least_steps} optimiser steps: {rule.why_steps}")
        settings = RunSettings().with_overrides(values)
    defaults = {setting.key: setting.default for setting in iter_settings()}
    changed = {
        key: source for key, source in sources.items() if source == PERSON or settings.value(key) != defaults[key]
    }
    return Resolved(settings=settings, sources=changed, problems=tuple(problems))


def intensity_source(intensity: Intensity) -> str:
    """Say how a setting that the intensity has set says so."""
    return f"intensity {intensity}"


def _more_steps(settings: RunSettings, rule: SizeRule, records: int | None) -> Overrides:
    """Return what makes a run of too few optimiser steps long enough for a model of that size; nothing if it is."""
    training = settings.training
    if training.max_steps:
        return {MAX_STEPS: rule.least_steps} if training.max_steps < rule.least_steps else {}
    if records is None:
        return {}
    train = max(1, records - held_out(records, settings))
    wanted = min(MOST_EPOCHS, math.ceil(rule.least_steps * training.batch_size / train))
    return {EPOCHS: wanted} if wanted > training.epochs else {}
