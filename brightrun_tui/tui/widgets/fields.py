"""Fields of a form, one line each: text, choice, and a row that opens a picker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.app import RenderResult
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.strip import Strip
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Button, Input

from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.widgets.cells import one_line


@dataclass
class FieldChanged(Message):
    """A person changed the field called ``key``."""

    key: str
    value: str


@dataclass
class EditBegan(Message):
    """A person is about to type into the field called ``key``."""

    key: str


@dataclass
class EditEnded(Message):
    """Typing has ended: what was typed is kept, or (``kept`` False) the field becomes what it was before."""

    key: str
    kept: bool


class _InForm:
    """Up and down go from field to field. No Widget: a first base that is one would hide Input's own styles."""

    screen: Screen[object]

    def action_next(self) -> None:
        self.screen.focus_next()

    def action_previous(self) -> None:
        self.screen.focus_previous()


class TextField(_InForm, Input):
    """A line of text."""

    SCOPES: ClassVar[tuple[str, ...]] = ("form",)
    BINDINGS = bindings("form")

    def __init__(
        self,
        key: str,
        value: str = "",
        *,
        placeholder: str = "",
        password: bool = False,
        suggester: Suggester | None = None,
    ) -> None:
        value = one_line(value)
        super().__init__(
            value, placeholder=placeholder, compact=True, password=password, classes="field", suggester=suggester
        )
        self.key = key
        self._told = value
        self.typing = True

    def put(self, value: str) -> None:
        """Set the value without telling anybody; what is just being typed stays."""
        if value != self.value and not (self.has_focus and self.typing):
            self._told = value
            self.value = value

    def render_line(self, y: int) -> Strip:
        """Draw the line; where nobody types and it is longer than its place, with a sign that it goes on."""
        strip = super().render_line(y)
        room = self.scrollable_content_region.width
        if self.has_focus or room < 2 or cell_len(self.value) <= room:
            return strip
        style = next((segment.style for segment in strip.crop(room - 1)), None)
        return Strip.join([strip.crop(0, room - 1), Strip([Segment("…", style)])])

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != self._told:
            self._told = event.value
            self.post_message(FieldChanged(self.key, event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to the next field; from the last text of a dialogue on, press the button that the dialogue is for."""
        event.stop()
        texts = [widget for widget in self.screen.focus_chain if isinstance(widget, TextField)]
        does = [button for button in self.screen.query(Button) if button.variant == "primary"]
        if does and texts[-1:] == [self]:
            does[0].press()
        else:
            self.screen.focus_next()


class WaitingField(TextField):
    """A line of text that takes text only after enter, so that single keys stay keys until then."""

    SCOPES: ClassVar[tuple[str, ...]] = ("field", "form")
    BINDINGS = bindings("field")

    def __init__(self, key: str, value: str = "", *, placeholder: str = "") -> None:
        super().__init__(key, value, placeholder=placeholder)
        self.add_class("-waits")
        self.select_on_focus = False
        self.typing = False

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return self.typing and super().check_consume_key(key, character)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "drop":
            return self.typing
        if not self.typing and (action.startswith("delete_") or action == "cut"):
            return False
        return super().check_action(action, parameters)

    async def _on_key(self, event: events.Key) -> None:
        if self.typing:
            await super()._on_key(event)
        event.prevent_default()

    def _on_paste(self, event: events.Paste) -> None:
        if not self.typing:
            self._begin()

    async def _on_click(self, event: events.Click) -> None:
        if not self.typing:
            self._begin()

    def _on_blur(self, event: events.Blur) -> None:
        if self.app.app_focus:
            self._end(kept=True)

    def action_edit(self) -> None:
        if self.typing:
            self._end(kept=True)
        else:
            self._begin()

    def action_drop(self) -> None:
        self._end(kept=False)

    def _begin(self) -> None:
        self.typing = True
        self.add_class("-typing")
        self.action_select_all()
        self.post_message(EditBegan(self.key))

    def _end(self, *, kept: bool) -> None:
        if self.typing:
            self.typing = False
            self.remove_class("-typing")
            self.action_end()
            self.post_message(EditEnded(self.key, kept))


class ChoiceField(_InForm, Widget, can_focus=True):
    """One of a few words: ‹ nf4 ›. Left and right change it."""

    SCOPES = ("choice", "form")
    BINDINGS = bindings("choice", "form")
    value: reactive[str] = reactive("")

    def __init__(
        self, key: str, choices: Sequence[str], value: str = "", *, titles: Mapping[str, str] | None = None
    ) -> None:
        """Offer ``choices``; ``titles`` are the words for those that are not shown as they are written."""
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

    def __init__(self, key: str, *, arrow: str = " ▾") -> None:
        """Show a value to pick; ``arrow`` stands behind it."""
        super().__init__(classes="field pick")
        self.key = key
        self._arrow = arrow
        self._text = Content("")

    @property
    def value(self) -> str:
        """What it shows, as plain text."""
        return self._text.plain

    def show(self, text: Content) -> None:
        if not text.is_same(self._text):
            self._text = text
            self.refresh()

    def render(self) -> RenderResult:
        arrow = Content.styled(self._arrow, "bold $accent" if self.has_focus else "$faint")
        return self._text.truncate(max(1, self.size.width - len(self._arrow)), ellipsis=True) + arrow

    def on_click(self, event: events.Click) -> None:
        self.action_open()

    def action_open(self) -> None:
        self.post_message(self.Opened(self.key))
