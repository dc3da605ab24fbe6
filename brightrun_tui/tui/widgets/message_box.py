"""A field for messages of several lines: enter sends, Ctrl-J begins a new line, a paste keeps its lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.widgets import TextArea

from brightrun_tui.tui.widgets.cells import plain

NEW_LINE = ("ctrl+j", "shift+enter", "alt+enter")


class MessageBox(TextArea):
    """``sends``: enter sends what is written; without it enter begins a new line, and the dialogue has a key of its own."""

    BINDINGS: ClassVar[Any] = [  # keys that mean something else to Textual's editor
        Binding("f6", "screen.stop", show=False),
        Binding("f7", "screen.beside", show=False),
        Binding("pageup", "screen.page_up", show=False),
        Binding("pagedown", "screen.page_down", show=False),
    ]

    @dataclass
    class Sent(Message):
        """The person pressed enter."""

        box: MessageBox
        text: str

    def __init__(self, text: str = "", *, placeholder: str = "", sends: bool = True, id: str | None = None) -> None:
        super().__init__(
            plain(text),
            soft_wrap=True,
            show_line_numbers=False,
            compact=True,
            highlight_cursor_line=False,
            placeholder=placeholder,
            id=id,
            classes="message-box",
        )
        self._sends = sends

    def on_key(self, event: events.Key) -> None:
        if event.key in NEW_LINE:
            event.prevent_default()
            event.stop()
            self.insert("\n")
        elif event.key == "enter" and self._sends:
            event.prevent_default()
            event.stop()
            self.post_message(self.Sent(self, self.text))

    def put(self, text: str) -> None:
        """Replace what is written; the cursor goes to its end."""
        self.text = plain(text)
        self.move_cursor(self.document.end)
