"""Where runs are, as people call it."""

from __future__ import annotations

from brightrun_tui.integrations.services import title_of
from brightrun_tui.tui.widgets import cells


def place(name: str) -> str:
    """Return a provider as people call it."""
    return cells.one_line(title_of(name))
