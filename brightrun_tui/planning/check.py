"""One line of the pre-flight list."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.settings import statement_of


class Check(BaseModel):
    """One line of the list. ``pending`` is not wrong: it will be done when the run starts."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    name: str
    state: Literal["ok", "warning", "failed", "pending"]
    what: str
    fix: str = ""
    error: BrightrunError | None = None


def ok(name: str, what: str) -> Check:
    return Check(name=name, state="ok", what=what)


def warning(name: str, what: str, fix: str) -> Check:
    return Check(name=name, state="warning", what=what, fix=fix)


def failed(name: str, error: BrightrunError) -> Check:
    return Check(name=name, state="failed", what=statement_of(error), fix=error.fix, error=error)
