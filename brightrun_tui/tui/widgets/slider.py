"""A number that is changed by arrow keys from stop to stop, or typed after enter."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.content import Content

from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.widgets.fields import EditBegan, EditEnded, FieldChanged, WaitingField

BIG_STEP = 3
"""Stops that shift and an arrow go at once."""


class SliderField(WaitingField):
    """Left and right go to the next stop; in a row they are one change, which undo takes back as one. What was typed may lie
    between two stops.
    """

    SCOPES = ("slider", "field", "form")
    BINDINGS = bindings("slider")

    def __init__(self, key: str, value: str, stops: Sequence[float], *, whole: bool) -> None:
        """Slide between ``stops``, in rising order; ``whole``: the values are whole numbers."""
        super().__init__(key, value)
        self._stops, self._whole, self._sliding = tuple(stops), whole, False

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("more", "less", "much_more", "much_less") and not self.typing and self._number() is None:
            return None
        return super().check_action(action, parameters)

    def action_more(self) -> None:
        self._arrow(1)

    def action_less(self) -> None:
        self._arrow(-1)

    def action_much_more(self) -> None:
        self._arrow(BIG_STEP)

    def action_much_less(self) -> None:
        self._arrow(-BIG_STEP)

    def track(self, width: int) -> Content:
        """Say where the value lies between the least and the largest stop; empty where it is not a number."""
        number = self._number()
        if number is None:
            return Content("")
        below = sum(stop <= number for stop in self._stops) - 1
        at = round(max(0, below) / max(1, len(self._stops) - 1) * (width - 1))
        return Content.assemble(("━" * at, "$accent"), ("●", "bold $accent"), ("─" * (width - 1 - at), "$line"))

    def _arrow(self, by: int) -> None:
        """Move by so many stops; while something is typed the arrows move in it."""
        if self.typing:
            move = {1: self.action_cursor_right, -1: self.action_cursor_left}
            move.get(by, lambda: (self.action_cursor_right if by > 0 else self.action_cursor_left)(True))()
            return
        number = self._number()
        if number is None:
            return
        beyond = [stop for stop in self._stops if (stop > number if by > 0 else stop < number)]
        if not beyond:
            return
        ahead = beyond if by > 0 else beyond[::-1]
        stop = ahead[min(abs(by), len(ahead)) - 1]
        if not self._sliding:
            self._sliding = True
            self.post_message(EditBegan(self.key))
        self.put(f"{stop:.0f}" if self._whole else f"{stop:g}")
        self.post_message(FieldChanged(self.key, self.value))

    def _number(self) -> float | None:
        try:
            return float(self.value.replace(",", "."))
        except ValueError:
            return None

    def _begin(self) -> None:
        self._slid()
        super()._begin()

    def _on_blur(self, event: events.Blur) -> None:
        self._slid()
        super()._on_blur(event)

    def _slid(self) -> None:
        if self._sliding:
            self._sliding = False
            self.post_message(EditEnded(self.key, kept=True))
