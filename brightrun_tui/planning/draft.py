"""What a person has chosen so far for a new run. Nothing in it needs to be right yet."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from brightrun_tui.domain.service_names import HERE
from brightrun_tui.domain.settings import SettingValue
from brightrun_tui.planning.intensity import Intensity

DraftFields = dict[str, str | float | None]
"""Changed fields of a draft by name; None: no limit."""


class Draft(BaseModel):
    """``data`` is a path or the name of an added dataset; ``overrides`` maps dotted settings to values as typed.

    ``interruptible``: machines that may be taken away at any time are welcome; they are cheaper. ``not_before``: a moment as
    typed, such as 22:00; see `domain.schedule`.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    name: str = ""
    data: str = ""
    base: str = "starter"
    template: str = "default"
    intensity: Intensity = Intensity.BALANCED
    overrides: dict[str, SettingValue] = Field(default_factory=dict)
    provider: str = HERE
    gpu: str = ""
    interruptible: bool = False
    budget_usd: float | None = None
    max_hours: float | None = None
    project: str = ""
    not_before: str = ""
    columns: dict[str, str] = Field(default_factory=dict)

    @property
    def here(self) -> bool:
        """Whether the run will be on this machine."""
        return self.provider == HERE
