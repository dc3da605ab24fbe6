"""What may be changed of a run that is under way, and what holds of it when.

The specification of a run stays as it was. Changes are kept beside it, in the order in which they were asked for; those of
the training come to the worker as one file (`run_directory.CHANGES`), and the worker says after which step each of them holds.
It holds from that very step in every later attempt, too, so that a run which goes on from an older checkpoint repeats its curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.money import Limits
from brightrun_tui.domain.settings import Overrides, RunSettings, iter_settings, title_and_key

CHANGEABLE = ("training.learning_rate", "training.epochs")
"""Settings that a worker takes over between two steps; every other one is built into what it has begun with."""

Finite = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class LiveChange(BaseModel):
    """One change. ``number`` counts from 1 within the run. ``step``: it holds after so many steps; None until the worker says."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    number: Annotated[int, Field(ge=1, le=10**6)]
    time: float
    settings: dict[str, Finite] = Field(default_factory=dict)
    budget_usd: Finite | None = None
    max_hours: Finite | None = None
    step: Annotated[int, Field(ge=0, le=10**12)] | None = None

    @property
    def words(self) -> str:
        """Such as “learning rate 0.0001, budget $5.00”."""
        titles = {setting.key: setting.title.lower() for setting in iter_settings()}
        said = [f"{titles.get(key, key)} {value:g}" for key, value in self.settings.items()]
        said += [f"budget {humanize.money(self.budget_usd)}"] if self.budget_usd is not None else []
        said += [f"time limit {self.max_hours:g} h"] if self.max_hours is not None else []
        return ", ".join(said)


class AskedChange(BaseModel):
    """A change as it stands in the file that the worker reads."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    number: Annotated[int, Field(ge=1, le=10**6)]
    settings: dict[str, Finite]


ASKED_CHANGES: TypeAdapter[list[AskedChange]] = TypeAdapter(list[AskedChange], config=ConfigDict(defer_build=True))


def asked_of_worker(changes: Sequence[LiveChange]) -> bytes:
    """Return the file for the worker: every change of the training, old ones included."""
    return ASKED_CHANGES.dump_json(
        [AskedChange(number=one.number, settings=one.settings) for one in changes if one.settings]
    )


def limits_now(limits: Limits, changes: Sequence[LiveChange]) -> Limits:
    """Return the limits of a specification after these changes."""
    for one in changes:
        limits = Limits(
            budget_usd=limits.budget_usd if one.budget_usd is None else one.budget_usd,
            max_hours=limits.max_hours if one.max_hours is None else one.max_hours,
        )
    return limits


def checked_settings(settings: RunSettings, asked: Overrides) -> dict[str, float]:
    """Return settings that a worker can take over, as numbers.

    Raises:
        UsageError: one of them cannot be changed on the way, or its value does not fit.
    """
    for key in asked:
        if key not in CHANGEABLE and any(setting.key == key for setting in iter_settings()):
            raise UsageError(
                f"{title_and_key(key)} cannot be changed while a run is under way",
                where=f"--set {key}",
                fix=f"what can be: {', '.join(CHANGEABLE)}; anything else is a new run: brightrun runs retry --set",
                kind=ErrorKind.BAD_SETTING,
            )
    if "training.epochs" in asked and settings.training.max_steps:
        raise UsageError(
            f"this run takes {settings.training.max_steps} steps, whatever its epochs say",
            where="training.epochs",
            fix="stop it when it has learnt enough, or start a new one with other max steps",
            kind=ErrorKind.BAD_SETTING,
        )
    document = settings.with_overrides(asked).model_dump()
    return {key: float(document[key.split(".", 1)[0]][key.split(".", 1)[1]]) for key in asked}
