"""A draft from a run: the same again, or as its report card advises, to be changed before it starts."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.model import Advice
from brightrun_tui.domain.run import RunSpec
from brightrun_tui.domain.settings import RunSettings, iter_settings, setting_title
from brightrun_tui.paths import Paths
from brightrun_tui.planning.bases import describe_base
from brightrun_tui.planning.catalogue import next_larger
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.resolve import resolve_settings
from brightrun_tui.planning.templates import get_template


def draft_of(spec: RunSpec, paths: Paths) -> Draft:
    """Return what a person would have chosen for this run. Blocking; asks no network.

    What the template would say by itself is left to it, so that another size of data is answered by it.
    """
    unasked = RunSettings()
    with suppress(BrightrunError):  # without its base or template every setting counts as chosen
        base = describe_base(spec.base.id, paths, network=False)
        unasked = resolve_settings(get_template(spec.template, paths), base, spec.dataset.usable, {}).settings
    chosen = {
        setting.key: value
        for setting in iter_settings()
        if (value := spec.settings.value(setting.key)) != unasked.value(setting.key)
        and setting.key != "quantisation.method"
    }
    return Draft(
        name=spec.name,
        data=spec.dataset.source or spec.dataset.path,
        base=spec.base.id,
        template=spec.template,
        overrides=chosen,
        provider=spec.provider,
        gpu=spec.gpu,
        interruptible=spec.interruptible,
        budget_usd=spec.limits.budget_usd,
        max_hours=spec.limits.max_hours,
        project=spec.project,
        columns=spec.dataset.columns,
    )


class Advised(NamedTuple):
    """What the command of an advice does beside training as before: settings by key, and the title of another base."""

    draft: Draft
    changes: dict[str, str]
    base: str

    @property
    def words(self) -> str:
        """What would be different, for whoever chooses."""
        said = [f"{setting_title(key)} {value}" for key, value in self.changes.items()]
        return (
            ", ".join([*([f"base model {self.base}"] if self.base else []), *said])
            or "the same, once there is more data"
        )


def draft_as_advised(spec: RunSpec, advice: Advice, paths: Paths) -> Advised:
    """Return the draft for a training that a report card advises. Blocking; asks no network."""
    draft, known = draft_of(spec, paths), {setting.key for setting in iter_settings()}
    changes = {key: value for key, value in advice.changes.items() if key in known}
    larger = None
    if advice.larger_base:
        size = describe_base(spec.base.id, paths, network=False).parameters
        larger = next_larger(size, spec.dataset.languages)
    draft = draft.model_copy(
        update={"overrides": draft.overrides | changes, "base": larger.id if larger else draft.base}
    )
    return Advised(draft, changes, larger.title if larger else "")
