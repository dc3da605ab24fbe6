"""A sweep: the same run with two or three values for one or two settings, as a group of runs to compare."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.run import RunSpec
from brightrun_tui.domain.settings import RunSettings, Setting, iter_settings
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.plan import Plan, make_spec
from brightrun_tui.planning.resolve import LEARNING_RATE

MOST_SETTINGS, MOST_VALUES = 2, 3
NAME_ROOM = 30
"""Characters of the name that stay before the values."""

Values = dict[str, tuple[str, ...]]
"""Dotted setting to the values to try, as typed."""


def suggested(settings: RunSettings) -> str:
    """Suggest three learning rates around the plan's own, as `parse_sweep` reads them."""
    rate = settings.training.learning_rate
    return f"{LEARNING_RATE} = " + " ".join(f"{rate * factor:.3g}" for factor in (0.5, 1, 2))


def parse_sweep(text: str) -> Values:
    """Parse ``training.learning_rate = 1e-4 2e-4; lora.r = 8 16``. A setting may be named as in the form: ``Rank (r)``,
    ``rank``.

    Raises:
        UsageError: an unknown setting, a value that does not fit, too few or too many of either.
    """
    known = {name: setting for setting in iter_settings() for name in _names(setting)}
    values: Values = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, _, listed = part.partition("=")
        setting = known.get(name.strip().casefold())
        if setting is None:
            said = f"there is no setting “{name.strip()[:40]}”"
            raise _wrong(said, "write it like training.learning_rate = 1e-4 2e-4, or learning rate = …")
        if setting.key in values:
            raise _wrong(f"{setting.title} is named twice", f"give it all its values at once, at most {MOST_VALUES}")
        values[setting.key] = _checked(setting, listed.replace(",", " ").split())
    if not 1 <= len(values) <= MOST_SETTINGS:
        count = f"{len(values)} settings are named" if values else "no setting is named"
        raise _wrong(count, f"name one or two, with {MOST_VALUES} values at most")
    return values


def are_comparable(values: Values) -> bool:
    """Say whether the held-out losses of the runs will mean the same, so that the worst can be stopped early."""
    return not any(key.startswith("data.") or key == "training.objective" for key in values)


def sweep_drafts(draft: Draft, name: str, values: Values) -> list[Draft]:
    """Return a draft for every combination, each with a name of its own that tells the values."""
    drafts = []
    for chosen in product(*values.values()):
        words = "-".join(value.lower().replace("_", "-") for value in chosen)
        overrides = {**draft.overrides, **dict(zip(values, chosen, strict=True))}
        drafts.append(draft.model_copy(update={"overrides": overrides, "name": f"{name[:NAME_ROOM]}-{words}"}))
    return drafts


def sweep_specs(plans: Sequence[Plan], *, stop_worst: bool) -> list[RunSpec]:
    """Return the runs of one group, from the plans of `sweep_drafts`. Each takes the best machine there is when its turn comes.

    Raises:
        BrightrunError: one of them cannot start.
    """
    specs = [make_spec(plan) for plan in plans]
    shared = {"group": specs[0].run_id, "stop_worst": stop_worst}
    return [spec.model_copy(update={**shared, "offer": "" if len(specs) > 1 else spec.offer}) for spec in specs]


def sweep_sentence(plans: Sequence[Plan]) -> str:
    """Say how many runs, how long all of them take, and what they cost at most."""
    found = [plan.estimate for plan in plans if plan.estimate]
    time = humanize.band(sum(one.seconds_low for one in found), sum(one.seconds_high for one in found))
    most = sum(one.cost_usd_high for one in found)
    return f"{len(plans)} runs, one after the other: {time}, {f'at most {humanize.money(most)}' if most else 'free'}."


def _checked(setting: Setting, words: list[str]) -> tuple[str, ...]:
    distinct: dict[object, str] = {}
    for word in words:
        distinct.setdefault(setting.parse(word), word)
    if not 2 <= len(distinct) <= MOST_VALUES:
        count = f"{len(distinct) or 'no'} value{'s' * (len(distinct) != 1)}"
        raise _wrong(f"{setting.title} has {count}", "give two or three different ones")
    return tuple(distinct.values())


def _names(setting: Setting) -> set[str]:
    """Say how a person may call it."""
    title = setting.title.casefold()
    return {setting.key, title, title.partition(" (")[0]}


def _wrong(what: str, fix: str) -> UsageError:
    return UsageError(what, where="sweep", fix=fix, kind=ErrorKind.BAD_SETTING)
