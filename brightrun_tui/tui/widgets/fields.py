"""Fields of a form, one line each: text, choice, and a row that opens a picker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import events
from textual.app import RenderResult
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.widgets.cells import one_line


@dataclass
class FieldChanged(Message):
    """A person changed the field called ``key``."""

    key: str
    value: str


class _InForm:
    """Up and down go from field to field. No Widget: a first base that is one would hide Input's own styles."""

    screen: Screen[object]

    def action_next(self) -> None:
        self.screen.focus_next()

    def action_previous(self) -> None:
        self.screen.focus_previous()


class TextField(_InForm, Input):
    """A line of text."""

    SCOPES = ("form",)
    BINDINGS = bindings("form")

    def __init__(
        self, key: str, value: str = "", *, placeholder: str = "", password: bool = False, last: bool = False
    ) -> None:
        """On the ``last`` field of a dialogue enter is for the dialogue; on others it goes to the next field."""
        value = one_line(value)
        super().__init__(value, placeholder=placeholder, compact=True, password=password, classes="field")
        self.key = key
        self._last = last
        self._told = value

    def put(self, value: str) -> None:
        """Set the value without telling anybody."""
        if value != self.value and not self.has_focus:
            self._told = value
            self.value = value

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != self._told:
            self._told = event.value
            self.post_message(FieldChanged(self.key, event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if not self._last:
            event.stop()
            self.screen.focus_next()


class ChoiceField(_InForm, Widget, can_focus=True):
    """One of a few words: ‹ nf4 ›. Left and right change it."""

    SCOPES = ("choice", "form")
    BINDINGS = bindings("choice", "form")
    value: reactive[str] = reactive("")

    def __init__(
        self, key: str, choices: Sequence[str], value: str = "", *, titles: Mapping[str, str] | None = None
    ) -> None:
        """``titles`` are the words for choices that are not said as they are written."""
        super().__init__(classes="field choice")
        self._titles = titles or {}
        self.key = key
        self.choices = tuple(choices)
        self.set_reactive(ChoiceField.value, value or self.choices[0])

    def put(self, value: str) -> None:
        """Set the value without telling anybody."""
        self.value = value

    def render(self) -> RenderResult:
        arrows = "bold $accent" if self.has_focus else "$faint"
        said = self._titles.get(self.value, self.value)
        return Content.assemble(("‹ ", arrows), said, (" ›", arrows)).truncate(self.size.width, ellipsis=True)

    def on_click(self) -> None:
        self.action_next_choice()

    def action_next_choice(self) -> None:
        self._turn(1)

    def action_previous_choice(self) -> None:
        self._turn(-1)

    def _turn(self, by: int) -> None:
        place = self.choices.index(self.value) if self.value in self.choices else 0
        self.value = self.choices[(place + by) % len(self.choices)]
        self.post_message(FieldChanged(self.key, self.value))


class PickField(_InForm, Widget, can_focus=True):
    """What was picked, with a remark; enter opens the picker."""

    SCOPES = ("form",)
    BINDINGS: ClassVar[Any] = [*bindings("form"), ("enter,space,right,l", "open", "Choose")]

    @dataclass
    class Opened(Message):
        """The person wants to pick."""

        key: str

    def __init__(self, key: str) -> None:
        super().__init__(classes="field pick")
        self.key = key
        self._text = Content("")

    def show(self, text: Content) -> None:
        if not text.is_same(self._text):
            self._text = text
            self.refresh()

    def render(self) -> RenderResult:
        arrow = Content.styled(" ▾", "bold $accent" if self.has_focus else "$faint")
        return self._text.truncate(max(1, self.size.width - 2), ellipsis=True) + arrow

    def on_click(self, event: events.Click) -> None:
        self.action_open()

    def action_open(self) -> None:
        self.post_message(self.Opened(self.key))
