"""What a person sees who has nothing yet: what this is for, and the three keys to begin with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message

from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.widgets import reflow
from brightrun_tui.tui.widgets.reflow import Flow
from brightrun_tui.tui.widgets.titles import retitle

KEYS = (
    ("enter", "try the example", "questions and answers of a help desk; a few minutes on this machine, free"),
    ("d", "my own file", "Excel, CSV, JSON … with a question and an answer in each row"),
    ("1", "connect a GPU", "a machine of your own, or one rented by the hour; not needed to try it"),
    ("esc", "show the form", "every setting at once"),
)
KEY_WIDTH = 7


class Welcome(VerticalScroll, can_focus=True):
    """Stands in the form's place until there is something to train on."""

    SCOPES: ClassVar[tuple[str, ...]] = ("welcome",)
    BINDINGS = bindings("welcome")

    @dataclass
    class Chosen(Message):
        """The person wants the example, or (``example`` False) the empty form."""

        example: bool

    def compose(self) -> ComposeResult:
        yield Flow(_lines)

    def on_mount(self) -> None:
        retitle(self, "Welcome")

    def action_example(self) -> None:
        self.post_message(self.Chosen(example=True))

    def action_form(self) -> None:
        self.post_message(self.Chosen(example=False))


def _lines(width: int) -> reflow.Lines:
    lines = [
        *reflow.text("From examples of good answers to a model of your own that gives them.", width, "bold"),
        Content(""),
    ]
    for key, title, note in KEYS:
        lines.append(
            Content.assemble((key.ljust(KEY_WIDTH), "bold $accent"), (title, "bold")).truncate(width, ellipsis=True)
        )
        lines += reflow.indented(reflow.text(note, width - KEY_WIDTH, "$muted"), KEY_WIDTH, "")
        lines.append(Content(""))
    return [*lines, *reflow.text("? shows every key, : finds any action by its name.", width, "$muted")]
