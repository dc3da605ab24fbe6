"""A template as a card: what it is for, what it has reached and on what, what it sets and why."""

from __future__ import annotations

from collections.abc import Iterable

from brightrun_tui.domain import humanize
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.settings import RunSettings, setting_title, show_value
from brightrun_tui.planning.templates import Template

GRADES = ("poor", "mixed", "good")
"""From the worst to the best."""
TOLD = ("training.learning_rate", "training.batch_size", "training.epochs")
"""What the size of the data and of the base model changes in a template."""


def template_card(
    template: Template, best: ModelVersion | None, *, brief: bool, becomes: RunSettings | None = None
) -> str:
    """Describe a template. ``best``: this installation's best model that was trained with it. ``brief``: settings
    follow one another, and only the newest measurement is told. ``becomes``: the settings with the data and the base model
    at hand; those of them that depend on these are told first.
    """
    told = template.measured[:1] if brief else template.measured
    found = [f"measured: {one.base}, {one.data}, {one.date}: {one.result}" for one in told]
    if best:
        found.append(f"here: {best_words(best)}")
    left_out = TOLD if brief and becomes else ()
    sets = [_setting(template, key, value) for key, value in template.overrides.items() if key not in left_out]
    rules = [
        f"{f'up to {rule.up_to:,} records' if rule.up_to else 'more records'}: "
        + ", ".join(f"{setting_title(key).lower()} {show_value(value)}" for key, value in rule.overrides.items())
        for rule in template.by_records
        if rule.overrides
    ]
    unset = template.why.keys() - template.overrides.keys() - set(left_out)
    sets += [
        f"{setting_title(key)} by the number of records: {template.why[key]}" for key in template.why if key in unset
    ]
    listed = [" · ".join(sets)] if brief else [*sets, *rules]
    here = (
        ", ".join(f"{setting_title(key).lower()} {show_value(becomes.value(key))}" for key in TOLD) if becomes else ""
    )
    lines = [
        template.description,
        f"with your data and base model: {here}" if here else "",
        *(found or ["not measured yet"]),
        *listed,
    ]
    return "\n".join(line for line in lines if line.strip())


def _setting(template: Template, key: str, value: object) -> str:
    why = template.why.get(key, "")
    return f"{setting_title(key)} {show_value(value)}{f': {why}' if why else ''}"


def best_with(template: str, models: Iterable[ModelVersion]) -> ModelVersion | None:
    """Return the model trained with a template that has the best verdict; of several, the one that gained most."""

    def worth(model: ModelVersion) -> tuple[int, float]:
        report = model.report
        gained = (report.base.loss - report.tuned.loss) / report.base.loss if report.base.loss else 0.0
        return GRADES.index(report.verdict.grade), gained

    return max((one for one in models if one.report.lineage.template == template), key=worth, default=None)


def best_words(model: ModelVersion) -> str:
    """Return ``support:2, good, held-out loss 3.1 → 0.4, on support-desk, 2026-11-29``."""
    report = model.report
    change = f"held-out loss {humanize.loss(report.base.loss)} → {humanize.loss(report.tuned.loss)}"
    when = humanize.date(model.created_at).partition(" ")[0]
    base = model.base_id.rpartition("/")[2]
    return f"{model.ref}, {report.verdict.grade}, {change}, {base} on {report.lineage.dataset_name}, {when}"
