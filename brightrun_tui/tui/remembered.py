"""What the app remembers of how a person left it: the screen, the run, the order of the list, what is pinned and acknowledged,
and the dataset that was chosen for the next run.
"""

from __future__ import annotations

from contextlib import suppress

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brightrun_tui.files import write_atomic
from brightrun_tui.paths import Paths

MOST = 500
"""Names that are kept of what is pinned or acknowledged; older ones are forgotten."""


class Remembered(BaseModel):
    """How the app was left. ``data`` and ``columns``: as `planning.draft.Draft` has them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    mode: str = ""
    run: str = ""
    sort: str = ""
    reverse: bool = False
    group: str = ""
    folded: bool = False
    pinned: tuple[str, ...] = ()
    acknowledged: tuple[str, ...] = ()
    data: str = ""
    columns: dict[str, str] = Field(default_factory=dict)


def recall(paths: Paths) -> Remembered:
    """Return the app's state as it was left, or the defaults where it cannot be read: none of it is essential."""
    try:
        return Remembered.model_validate_json(paths.app_state.read_bytes())
    except (OSError, ValidationError):
        return Remembered()


def remember_also(paths: Paths, **changes: object) -> None:
    """Change some of it for the next start, and leave the rest; where it cannot be written, the next start is as this one."""
    left = recall(paths).model_copy(update=changes)
    left = left.model_copy(update={"pinned": left.pinned[-MOST:], "acknowledged": left.acknowledged[-MOST:]})
    with suppress(OSError):
        paths.app_state.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(paths.app_state, left.model_dump_json())
