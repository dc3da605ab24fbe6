"""Which version a run measures, and what that has seen. Apart from what comes of it, as every run may have one."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from brightrun_tui.domain.setting_groups import DataSettings


class LearntFrom(BaseModel):
    """What a version has seen: the data of its run where that is still there, else how that was split.

    ``chosen_apart``: of its held-out records one half chose its checkpoint, so only the other half may judge it.
    ``judged`` stands for the records that judged it, of ``held_out`` ones, as in its report card: by them a split that is
    made again is known to be the same.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    ref: str
    run_directory: str = ""
    fingerprint: str = ""
    settings: DataSettings = Field(default_factory=DataSettings)
    chosen_apart: bool = False
    judged: str = ""
    held_out: int = Field(0, ge=0)
    columns: dict[str, str] = Field(default_factory=dict)


class Subject(BaseModel):
    """The version that a run measures; such a run trains nothing.

    ``apart_from``: those whose training records must not judge, itself among them. ``records``: at most so many judge.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    name: str
    version: int
    directory: str
    apart_from: tuple[LearntFrom, ...] = ()
    records: int = Field(500, ge=1)

    @property
    def ref(self) -> str:
        """``name:version`` as the command line takes it."""
        return f"{self.name}:{self.version}"
