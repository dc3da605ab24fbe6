"""Everything that is registered at the doors for extensions: from where, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

from brightrun_tui import plugins
from brightrun_tui.datasets.formats import DatasetFormat
from brightrun_tui.domain.curve import CurveSpec
from brightrun_tui.domain.errors import PluginError
from brightrun_tui.domain.objective import ObjectiveSpec
from brightrun_tui.notify.channel import ChannelSpec
from brightrun_tui.plugins import Door, Registration, Spec
from brightrun_tui.providers.spec import ProviderSpec
from brightrun_tui.registry.export_kind import ExportKind

KINDS: dict[Door, type[Spec]] = {
    Door.PROVIDERS: ProviderSpec,
    Door.DATASET_FORMATS: DatasetFormat,
    Door.EXPORTS: ExportKind,
    Door.NOTIFICATIONS: ChannelSpec,
    Door.OBJECTIVES: ObjectiveSpec,
    Door.CURVES: CurveSpec,
}
"""What an entry point of each door must be."""


@dataclass(frozen=True)
class RegisteredItem:
    """One registration. ``problem``: why it is not used, or None."""

    registration: Registration
    problem: PluginError | None = None


def inventory() -> tuple[RegisteredItem, ...]:
    """Return every registration of every door, loaded to see whether it can be."""
    return tuple(RegisteredItem(one, _problem(one)) for one in plugins.registrations())


def problems() -> tuple[PluginError, ...]:
    """Return what is wrong, each thing once. Imports only what other packages brought: what is ours is tested before it is
    published.
    """
    if not plugins.others():
        return ()
    return tuple(problem for door, kind in KINDS.items() for problem in plugins.load_all(door, kind).problems)


def _problem(one: Registration) -> PluginError | None:
    found = plugins.load_all(one.door, KINDS[one.door]).problems
    return next((error for error in found if one.package in error.packages and f"“{one.name}”" in error.what), None)
