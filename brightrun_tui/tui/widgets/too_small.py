"""A terminal that is too small for anything to be read: that is said, and nothing can be done in what is not seen."""

from __future__ import annotations

from textual.geometry import Size
from textual.widgets import Static

from brightrun_tui.tui.actions import key_of

LEAST_WIDTH, LEAST_HEIGHT = 40, 12
TOO_SMALL = "-tiny"
"""The class of a screen of which only the notice is shown."""


def too_small(size: Size) -> bool:
    return size.width < LEAST_WIDTH or size.height < LEAST_HEIGHT


class TooSmall(Static):
    """Says so; what goes on goes on."""

    def __init__(self) -> None:
        super().__init__(markup=False, classes="too-small")

    def on_resize(self) -> None:
        size = self.app.size
        self.update(
            f"This window has {size.width} × {size.height} characters; {LEAST_WIDTH} × {LEAST_HEIGHT} are needed. "
            "Everything keeps running; "
            f"{key_of('app.quit')} closes the app."
        )
