"""Dialogues: a titled box in the middle, closed by escape. A safe answer is always the first to have the focus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, OptionList, Static

from brightrun_tui.tui.actions import bindings, dialogue_bindings, of_scope
from brightrun_tui.tui.widgets import cells
from brightrun_tui.tui.widgets.footer import KeyFooter
from brightrun_tui.tui.widgets.sanitize import sanitize_content
from brightrun_tui.tui.widgets.titles import retitle
from brightrun_tui.tui.widgets.too_small import TOO_SMALL, TooSmall, too_small
from brightrun_tui.tui.workspace import Workspace

if TYPE_CHECKING:
    from brightrun_tui.integrations.connection import ServiceStatus

DialogAnswer = TypeVar("DialogAnswer")


class Dialog(ModalScreen[DialogAnswer | None], Generic[DialogAnswer]):
    """A box with a title; ``compose_body`` fills it. Escape answers None."""

    app: Workspace
    SCOPES: tuple[str, ...] = ("modal",)
    BINDINGS: ClassVar[Any] = [*bindings("modal"), *dialogue_bindings()]

    def __init__(self, title: str, *, classes: str = "") -> None:
        super().__init__(classes=classes)
        self._title = title

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            retitle(box, self._title)
            yield from self.compose_body()
        yield KeyFooter()
        yield TooSmall()

    def compose_body(self) -> ComposeResult:
        """Yield what is inside the box."""
        yield from ()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(too_small(event.size), TOO_SMALL)

    async def action_dismiss(self, result: DialogAnswer | None = None) -> None:
        self.dismiss(None)

    def action_next(self) -> None:
        self.focus_next()

    def action_previous(self) -> None:
        self.focus_previous()


class ListDialog(Dialog[DialogAnswer]):
    """A dialogue with a field and one list: enter takes what is highlighted, from wherever the focus is."""

    SCOPES: tuple[str, ...] = ("choose", "modal")
    BINDINGS: ClassVar[Any] = bindings("choose")

    def action_take(self) -> None:
        self.query_one(OptionList).action_select()

    def action_next(self) -> None:
        self.query_one(OptionList).action_cursor_down()

    def action_previous(self) -> None:
        self.query_one(OptionList).action_cursor_up()


class ListingDialog(ListDialog[DialogAnswer]):
    """A `ListDialog` whose list is made anew for what is typed, which takes a moment. Enter is for the list of what was typed,
    and waits for it: keys typed faster than that take nothing that was listed before.
    """

    def __init__(self, title: str, *, classes: str = "") -> None:
        super().__init__(title, classes=classes)
        self._listed: str | None = None
        self._taking = ""
        self._entered = False

    def make_list(self, typed: str) -> object:
        """List what fits, and say so with `listed`."""
        raise NotImplementedError

    def look(self, word: str) -> object:
        """Show what is under the cursor."""
        raise NotImplementedError

    def take(self, word: str) -> None:
        """Answer it, if it can be used."""
        raise NotImplementedError

    def listed(self, typed: str) -> None:
        """Take the list as that of this text from now on."""
        self._listed = typed
        if self._entered:
            self._entered = False
            self._take_chosen(typed)

    def _take_chosen(self, typed: str) -> None:
        option = self.query_one(OptionList).highlighted_option
        self._taking = option.id if option and option.id else typed.strip()
        self.take(self._taking)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._taking, self._entered = "", False
        self.make_list(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._entered = event.value != self._listed
        if not self._entered:
            self._take_chosen(event.value)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self._taking = event.option_id or ""
        self.take(self._taking)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_id != self._taking:  # what is being taken is looked into already
            self._taking = ""
            self.look(event.option_id or "")


class TryThenSave(Dialog[DialogAnswer]):
    """What is typed is tested before it is saved; after a test that fails it may be saved all the same.

    A dialog of this kind has `compose_saving` at its end and answers the buttons ``cancel``, ``anyway`` and ``save``.
    """

    def compose_saving(self) -> ComposeResult:
        """Compose the line that tells how the test went, and the buttons."""
        yield Static("", id="said", markup=False)
        with Horizontal(classes="buttons"):
            yield Button("Cancel", id="cancel", compact=True)
            anyway = Button("Save untested", id="anyway", compact=True)
            anyway.display = False
            yield anyway
            yield Button("Test and save", id="save", variant="primary", compact=True)

    def on_field_changed(self) -> None:
        self.query_one("#anyway").display = False
        self.say(Content(""))

    def say(self, text: Content) -> None:
        self.query_one("#said", Static).update(sanitize_content(text))

    def say_testing(self) -> None:
        self.say(Content.styled("◌ testing …", "$primary"))

    def say_failed(self, status: ServiceStatus) -> None:
        """Say why the test failed; from now on it can be saved untested."""
        fix = f"\n→ {status.fix}" if status.fix else ""
        self.say(Content.styled(f"✗ {status.detail}{fix}", "$error"))
        self.query_one("#anyway").display = True


class Confirm(Dialog[bool]):
    """A question with its consequences in words; No is chosen unless it is ``safe``."""

    SCOPES = ("confirm", "modal")
    BINDINGS: ClassVar[Any] = bindings("confirm")

    def __init__(
        self,
        title: str,
        question: Content | str,
        *,
        yes: str,
        no: str = "No, go back",
        danger: bool = True,
        safe: bool = False,
    ) -> None:
        super().__init__(title, classes="-danger" if danger else "")
        self._question = question if isinstance(question, Content) else Content(cells.plain(question))
        self._yes, self._no, self._danger, self._safe = yes, no, danger, safe

    @property
    def action_titles(self) -> dict[str, str]:
        """The answers by the words of their buttons, so that nobody has to guess which of them a key is."""
        return {"yes": self._yes, "no": self._no}

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(id="question", can_focus=False):
            yield Static(self._question, classes="question")
        with Horizontal(classes="buttons"):
            yield Button(Content(self._no), id="no", compact=True)
            yield Button(Content(self._yes), id="yes", variant="error" if self._danger else "primary", compact=True)

    def on_mount(self) -> None:
        self.query_one("#yes" if self._safe else "#no").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def on_key(self, event: events.Key) -> None:
        """Answer with a key and consume it: the second of two keys typed at once is for nobody, and as a binding it
        would reach the screen below.
        """
        for each in of_scope("confirm"):
            if event.key in each.keys:
                event.stop()
                getattr(self, f"action_{each.name}")()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to read on where there is more of the question than fits: what is agreed to can be read to its end."""
        if action in ("further", "back"):
            return True if self.query_one("#question").max_scroll_y else None
        return super().check_action(action, parameters)

    def action_further(self) -> None:
        self.query_one("#question").scroll_page_down(animate=False)

    def action_back(self) -> None:
        self.query_one("#question").scroll_page_up(animate=False)

    def action_yes(self) -> None:
        self.dismiss(True)

    def action_no(self) -> None:
        self.dismiss(False)

    def action_other(self) -> None:
        self.focus_next()
