"""Settings of this installation: environment beats ``config.toml`` beats the default.

Every table of the file belongs to one pydantic model, declared where its values are used. A value ``idle_seconds``
of the table ``[engine]`` is named ``BRIGHTRUN_ENGINE_IDLE_SECONDS`` in the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError, field_validator

from brightrun_tui import plugins
from brightrun_tui.config_file import read_config
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.service_names import HERE
from brightrun_tui.domain.text import shortened
from brightrun_tui.foreign_files import MOST_SENTENCE, MOST_SHOWN
from brightrun_tui.paths import Paths

LARGEST = 1_000_000_000
"""No number of a setting is larger: seconds for 30 years, more dollars than anybody spends. Clocks and databases can hold it."""

SECTIONS = ("app", "boxes", "defaults", "engine", "judge", "keys", "money", "notify", "providers")
"""Every table there is, beside one for each provider: what stands elsewhere in the file would silently not count."""


class Section(BaseModel):
    """Base of every table: unknown keys are refused, numbers are finite and not larger than `LARGEST`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    @field_validator("*")
    @classmethod
    def _no_larger(cls, value: Any) -> Any:
        if isinstance(value, int | float) and abs(value) > LARGEST:
            raise ValueError(f"it should be at most {LARGEST:,}")
        return value


Table = TypeVar("Table", bound="Section | RootModel[Any]")


class RunDefaults(Section):
    """``[defaults]``: what a new run starts from where the person says nothing."""

    base: str = "starter"
    template: str = "default"
    provider: str = HERE
    budget_usd: float | None = Field(None, gt=0, description="Ceiling of every run, in US dollars.")
    project: str = Field("", max_length=60, description="What runs are for; brightrun costs sums by it.")


class MoneyLimits(Section):
    """``[money]``: what all runs together may cost."""

    monthly_limit_usd: float | None = Field(None, gt=0, description="Ceiling of a calendar month, in US dollars.")


def flaw_of_settings(settings: object) -> str:
    """Say what is wrong with the settings that a spec declares, as the rest of a sentence; empty if nothing is."""
    if isinstance(settings, type) and issubclass(settings, Section):
        return ""
    return "its settings should be a subclass of brightrun_tui.config.Section"


def load_section(
    paths: Paths, name: str, model: type[Table], *, nested: Callable[[], Collection[str]] = frozenset
) -> Table:
    """Return one table of the configuration, checked. ``name`` may be that of a table within a table, as in ``notify.bell``.

    Args:
        nested: names the tables within this one that are read by themselves; asked only where something else is in it.

    Raises:
        UsageError: the file cannot be read or is not a TOML, a key is unknown, a value does not fit.
    """
    path = paths.config_file
    document = read_config(paths, name.partition(".")[0])
    for stray in _strays(document):
        raise UsageError(
            f"there is no table [{shortened(stray, MOST_SHOWN)}]"
            if isinstance(document[stray], dict)
            else f"“{shortened(stray, MOST_SHOWN)}” is in no table",
            where=str(path),
            kind=ErrorKind.BAD_CONFIG,
            fix=f"known tables: {', '.join(sorted((*SECTIONS, *plugins.claimed(plugins.Door.PROVIDERS))))}",
        )
    table: Any = document
    for part in name.split("."):
        table = table.get(part, {})
        if not isinstance(table, dict):
            raise UsageError(
                f"“{name}” must be a table", where=str(path), fix=f"write it as [{name}]", kind=ErrorKind.BAD_CONFIG
            )
    apart = nested() if table.keys() - model.model_fields.keys() else frozenset()
    table = {key: value for key, value in table.items() if key not in apart}
    places = {key: f"{path}: [{name}] {shortened(key, MOST_SHOWN)}" for key in table}
    for key in model.model_fields:
        variable = f"BRIGHTRUN_{name}_{key}".replace(".", "_").upper()
        if variable in os.environ:
            table[key], places[key] = os.environ[variable], variable
    try:
        return cast(Table, model.model_validate(table))
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        what = f"“{value_in(error)}” does not fit: {reason(error)}"
        if first["type"] == "extra_forbidden":
            what = f"there is no setting “{shortened(key, MOST_SHOWN)}”"
        raise UsageError(
            what,
            where=places.get(key, str(path)),
            fix="correct the value" if issubclass(model, RootModel) else f"known keys: {', '.join(model.model_fields)}",
            kind=ErrorKind.BAD_CONFIG,
        ) from None


def _strays(document: dict[str, Any]) -> set[str]:
    """Return the tables that are not ours. Providers are only looked up where a file has more than the fixed tables."""
    others = document.keys() - set(SECTIONS)
    return others - plugins.claimed(plugins.Door.PROVIDERS) if others else set()


def reason(error: ValidationError) -> str:
    """Say in words why the first value that does not fit does not."""
    said = error.errors()[0]["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    return shortened(said, MOST_SENTENCE)


def value_in(error: ValidationError) -> str:
    """Return the first value that does not fit, as far as it can be shown."""
    return shortened(str(error.errors()[0].get("input")), MOST_SHOWN)
