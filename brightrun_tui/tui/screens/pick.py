"""Choose one of several things: type to narrow, enter to take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from brightrun_tui.tui.screens.dialog import ListDialog
from brightrun_tui.tui.widgets import cells
from brightrun_tui.tui.widgets.filter_bar import fits


@dataclass(frozen=True)
class Choice:
    """One thing to choose: its id, its name, a word beside it, and a sentence about it."""

    id: str
    title: str
    note: str = ""
    detail: str = ""


class PickScreen(ListDialog[str]):
    """Answers the id that was chosen, or what was typed when ``own`` (a placeholder) allows that."""

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        *,
        chosen: str = "",
        own: str = "",
        preview: Callable[[str], None] | None = None,
        head: str = "",
    ) -> None:
        """Offer choices; ``head`` stands over the list: the names of its columns."""
        super().__init__(title, classes="-pick -table" if head else "-pick")
        self._head = head
        self._choices = list(choices)
        self._chosen, self._own, self._preview = chosen, own, preview

    def compose_body(self) -> ComposeResult:
        yield Input(placeholder=self._own or "type to narrow the list", compact=True, id="narrow")
        if self._head:
            yield Static(Content.styled(self._head, "$muted"), classes="pick-head")
        yield OptionList(id="choices", markup=False, compact=True)
        yield Static("", id="detail", markup=False)

    def on_mount(self) -> None:
        self._fill("")
        ids = [choice.id for choice in self._choices]
        if self._chosen in ids:
            self.query_one(OptionList).highlighted = ids.index(self._chosen)
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._fill(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        option = self.query_one(OptionList).highlighted_option
        if option is not None and option.id is not None:
            self.dismiss(option.id)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        choice = next((choice for choice in self._choices if choice.id == event.option_id), None)
        self._tell(choice)
        if self._preview and choice and self.is_active:
            self._preview(choice.id)

    def _tell(self, choice: Choice | None) -> None:
        self.query_one("#detail", Static).update(Content(cells.plain(choice.detail) if choice else ""))

    def _renew(self, choice: Choice) -> None:
        """Update a choice of which more is known now: its line and its sentence change, and the cursor stays."""
        self._choices = [choice if one.id == choice.id else one for one in self._choices]
        options = self.query_one(OptionList)
        if any(option.id == choice.id for option in options.options):
            options.replace_option_prompt(choice.id, prompt_of(choice))
        if options.highlighted_option is not None and options.highlighted_option.id == choice.id:
            self._tell(choice)

    def _fill(self, needle: str) -> None:
        options = self.query_one(OptionList)
        found = ranked(needle, [one for one in self._choices if fits(needle, one.title, one.note, one.id)])
        listed = [Option(prompt_of(choice), id=choice.id) for choice in found]
        typed = needle.strip()
        if self._own and typed and typed not in (choice.id for choice in self._choices):
            listed.append(Option(Content.assemble((typed, "bold"), ("  as typed", "$muted")), id=typed))
        options.set_options(listed)
        if listed:
            ids = [option.id for option in listed]
            options.highlighted = ids.index(typed) if typed in ids and typed in (c.id for c in found) else 0
        else:
            self.query_one("#detail", Static).update(Content("Nothing fits."))


def ranked(needle: str, choices: Sequence[Choice]) -> list[Choice]:
    """Return those whose title is what was typed first, then those it begins with, those it is in, and the rest; else in
    their order.
    """
    typed = " ".join(needle.casefold().split())

    def distance(choice: Choice) -> int:
        names = (choice.title.casefold(), choice.id.casefold())
        if typed in names:
            return 0
        return 1 if any(name.startswith(typed) for name in names) else 2 if fits(typed, choice.title) else 3

    return sorted(choices, key=distance) if typed else list(choices)


def prompt_of(choice: Choice) -> Content:
    """Return the choice as one line of a list."""
    note = f"  {cells.one_line(choice.note)}" if choice.note else ""
    return Content.assemble((cells.one_line(choice.title), "bold"), (note, "$muted"))
