"""Choose a file with the settings of a run, with what it sets, or what is wrong with it, before it is taken."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.settings import setting_title, show_value
from brightrun_tui.paths import typed_path
from brightrun_tui.planning.settings_file import SettingsFile, read_settings
from brightrun_tui.tui.screens.dialog import ListingDialog
from brightrun_tui.tui.screens.path_choices import PathSuggester, list_files, nearest
from brightrun_tui.tui.screens.pick import Choice, prompt_of
from brightrun_tui.tui.widgets import cells, reflow
from brightrun_tui.tui.widgets.reading import Reading
from brightrun_tui.tui.widgets.reflow import Flow


def is_toml(file: Path) -> bool:
    return file.suffix.casefold() == ".toml"


class ReadSettingsScreen(ListingDialog[SettingsFile]):
    """Answers what the file says, once it is known to be usable. Typing a path browses the files there."""

    def __init__(self) -> None:
        super().__init__("Read settings", classes="-large -data")

    def compose_body(self) -> ComposeResult:
        start = f"{Path.cwd()}/".replace("//", "/")
        yield Input(start, placeholder="a path", suggester=PathSuggester(is_toml), compact=True, id="narrow")
        yield OptionList(id="choices", markup=False, compact=True)
        with Reading(id="verdict"):
            yield Flow(id="verdict-text")

    def on_mount(self) -> None:
        entry = self.query_one(Input)
        entry.select_on_focus = False
        entry.focus()

    def take(self, word: str) -> None:
        path = typed_path(word)
        if os.path.isdir(path):
            entry = self.query_one(Input)
            entry.value = f"{os.path.realpath(path)}/".replace("//", "/")
            entry.cursor_position = len(entry.value)
            entry.focus()
        elif word:
            self.look(word, take=True)

    @work(exclusive=True, group="list")
    async def make_list(self, typed: str) -> None:
        choices = await asyncio.to_thread(list_files, typed if "/" in typed else f"./{typed}", is_toml)
        if not any(_is_file(choice) for choice in choices) and os.path.isfile(typed_path(typed)):
            choices.append(Choice(typed, typed))  # of any other name
        options = self.query_one(OptionList)
        options.set_options([Option(prompt_of(choice), id=choice.id) for choice in choices])
        if choices:
            files = [place for place, one in enumerate(choices) if _is_file(one)]
            options.highlighted = nearest(choices, typed) or next(iter(files), 0)
        else:
            self._show(reflow.text("No settings file or directory has a name that begins like that.", 70, "$muted"))
        self.listed(typed)

    @work(exclusive=True, group="look")
    async def look(self, word: str, *, take: bool = False) -> None:
        """Say what the file sets; with ``take``, answer it if it can be used."""
        path = typed_path(word)
        if os.path.isdir(path):
            self._show([Content.styled("A directory; enter goes in.", "$muted")])
            return
        try:
            found = await asyncio.to_thread(read_settings, path)
        except BrightrunError as error:
            said, fix = cells.plain(f"{Path(error.where).name}: {error.what}"), cells.plain(error.fix)
            self.query_one("#verdict-text", Flow).show(
                lambda width: [
                    *reflow.marked(reflow.text(said, width - 2, "$error"), 2, "✗", "bold $error"),
                    *reflow.marked(reflow.text(fix, width - 2), 2, "→", "bold $accent"),
                ]
            )
            return
        if take:
            self.dismiss(found)
        else:
            self._show(_said(found))

    def _show(self, lines: reflow.Lines) -> None:
        self.query_one("#verdict-text", Flow).show(lambda _width: lines)


def _is_file(choice: Choice) -> bool:
    return not choice.title.endswith(("/", ".."))


def _said(found: SettingsFile) -> reflow.Lines:
    """Return what a file sets, a line each."""
    rows = [("base model", found.base), ("template", found.template)]
    rows += [(setting_title(key), show_value(value)) for key, value in found.settings.items()]
    told = [
        Content.assemble((f"{title}  ", "$muted"), (cells.one_line(value), "bold")) for title, value in rows if value
    ]
    return told or [Content.styled("It sets nothing.", "$muted")]
