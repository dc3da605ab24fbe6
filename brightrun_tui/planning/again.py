"""A draft from a run: the same again, to be changed before it starts."""

from __future__ import annotations

from contextlib import suppress

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.run import RunSpec
from brightrun_tui.domain.settings import RunSettings, iter_settings
from brightrun_tui.paths import Paths
from brightrun_tui.planning.bases import describe_base
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
