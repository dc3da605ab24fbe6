"""One line of the pre-flight list."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.settings import statement_of


class CheckName(StrEnum):
    """What is checked, in the order of the list."""

    DATASET = "dataset"
    BASE_MODEL = "base model"
    LANGUAGE = "language"
    TOOLS = "tools"
    TEMPLATE = "template"
    SETTINGS = "settings"
    MACHINE = "machine"
    ACCOUNT = "account"
    PACKAGES = "training packages"
    MEMORY = "memory"
    QUANTISATION = "quantisation"
    DISK = "disk"
    BUDGET = "budget"
    MONTH = "month"
    NAME = "name"
    SCHEDULE = "schedule"


class Check(BaseModel):
    """One line of the list. ``pending`` is not wrong: it will be done when the run starts."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    name: CheckName
    state: Literal["ok", "warning", "failed", "pending"]
    what: str
    fix: str = ""
    error: BrightrunError | None = None


def ok(name: CheckName, what: str) -> Check:
    return Check(name=name, state="ok", what=what)


def warning(name: CheckName, what: str, fix: str) -> Check:
    return Check(name=name, state="warning", what=what, fix=fix)


def failed(name: CheckName, error: BrightrunError) -> Check:
    return Check(name=name, state="failed", what=statement_of(error), fix=error.fix, error=error)
