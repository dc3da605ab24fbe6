"""Choose a dataset: known ones, the example, or any file, with what is in it; and look at its conversations."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from brightrun_tui.actions import bindings
from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.paths import typed_path
from brightrun_tui.planning.dataset_reports import check_dataset
from brightrun_tui.resources import resource
from brightrun_tui.screens.dialog import Dialog
from brightrun_tui.screens.pick import Choice, prompt_of
from brightrun_tui.widgets import flow, plan_words, words
from brightrun_tui.widgets.filter_bar import fits
from brightrun_tui.widgets.flow import Flow

SUFFIXES = (".jsonl", ".json", ".ndjson", ".csv", ".tsv", ".parquet")
MOST_ENTRIES = 400
PATH_STARTS = ("/", "~", ".")


class DataScreen(Dialog[str]):
    """Answers a path, or the name of an added dataset. Typing a path browses the files there."""

    SCOPES = ("pick", "modal")
    BINDINGS = bindings("pick")

    def __init__(self, known: Sequence[DatasetReport], chosen: str) -> None:
        super().__init__("Dataset", classes="-large -data")
        self._known = known
        self._chosen = chosen
        self._choices: list[Choice] = []

    def compose_body(self) -> ComposeResult:
        yield Input(
            placeholder="search, or type a path: ~/ or / shows the files there (F3: here)", compact=True, id="narrow"
        )
        yield OptionList(id="choices", markup=False, compact=True)
        with VerticalScroll(id="verdict", can_focus=True):
            yield Flow(id="verdict-text")

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self._list("")

    def on_input_changed(self, event: Input.Changed) -> None:
        self._list(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        option = self.query_one(OptionList).highlighted_option
        self._take(option.id if option and option.id else event.value.strip())

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self._take(event.option_id or "")

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self._look_into(event.option_id or "")

    def action_browse(self) -> None:
        self._go_to(Path.cwd())

    def action_next(self) -> None:
        self.query_one(OptionList).action_cursor_down()

    def action_previous(self) -> None:
        self.query_one(OptionList).action_cursor_up()

    def _take(self, word: str) -> None:
        """A directory is entered; anything else is the answer."""
        path = typed_path(word)
        if word.startswith(PATH_STARTS) and os.path.isdir(path):
            self._go_to(Path(os.path.realpath(path)))
        elif word:
            self.dismiss(str(path.absolute()) if os.path.isfile(path) else word)

    def _go_to(self, directory: Path) -> None:
        entry = self.query_one(Input)
        entry.value = f"{directory}/".replace("//", "/")
        entry.cursor_position = len(entry.value)
        entry.focus()

    @work(exclusive=True, group="list")
    async def _list(self, typed: str) -> None:
        if typed.startswith(PATH_STARTS):
            self._choices = await asyncio.to_thread(list_files, typed)
        else:
            self._choices = [
                choice
                for choice in [*_examples(), *map(_known, self._known)]
                if fits(typed, choice.title, choice.note, choice.id)
            ]
        options = self.query_one(OptionList)
        options.set_options([Option(prompt_of(choice), id=choice.id) for choice in self._choices])
        ids = [choice.id for choice in self._choices]
        if ids:
            options.highlighted = ids.index(self._chosen) if self._chosen in ids else 0
        else:
            self._say([Content.styled("Nothing fits. A path starts with / or ~ or .", "$muted")])

    @work(exclusive=True, group="look")
    async def _look_into(self, word: str) -> None:
        """Check the file under the cursor and show what is in it."""
        known = next((report for report in self._known if report.name == word), None)
        path = typed_path(known.path if known else word)
        if os.path.isdir(path):
            self._say([Content.styled("A directory; enter goes in.", "$muted")])
            return
        self._say([Content.styled("◌ checking …", "$primary")])
        try:
            report = await asyncio.to_thread(check_dataset, path, {})
        except BrightrunError as error:
            text, fix = (
                words.plain(f"{error.where}: {error.what}" if error.where else error.what),
                words.plain(error.fix),
            )
            self.query_one("#verdict-text", Flow).show(
                lambda width: [
                    *flow.indented(flow.text(text, width - 2, "$error"), 2, "✗", "bold $error"),
                    *flow.indented(flow.text(fix, width - 2), 2, "→", "bold $accent"),
                ]
            )
            return
        self.query_one("#verdict-text", Flow).show(
            lambda width: [
                *plan_words.data_report(report, width),
                Content(""),
                *plan_words.conversations(report, width, limit=2),
            ]
        )

    def _say(self, lines: flow.Lines) -> None:
        self.query_one("#verdict-text", Flow).show(lambda width: lines)


class PreviewScreen(Dialog[None]):
    """The conversations of a dataset."""

    def __init__(self, report: DatasetReport) -> None:
        super().__init__(f"Conversations of {report.name}", classes="-large")
        self._report = report

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(can_focus=True):
            yield Flow(self._lines)

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def _lines(self, width: int) -> flow.Lines:
        report = plan_words.data_report(self._report, width, problems=8)
        return [*report, Content(""), *plan_words.conversations(self._report, width)]


def list_files(typed: str) -> list[Choice]:
    """Directories and data files whose path begins with what was typed. Blocking."""
    path = typed_path(typed)
    directory, start = (path, "") if typed.endswith("/") else (path.parent, path.name)
    found: list[Choice] = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if not entry.name.startswith(start) or (entry.name.startswith(".") and not start.startswith(".")):
                    continue
                if os.path.isdir(entry.path):
                    found.append(Choice(f"{entry.path}/", f"{entry.name}/"))
                elif entry.name.lower().endswith(SUFFIXES):
                    found.append(Choice(entry.path, entry.name, _size(entry)))
                if len(found) >= MOST_ENTRIES:
                    break
    except (OSError, ValueError) as error:
        return [Choice(str(directory.parent), "..", getattr(error, "strerror", None) or str(error))]
    found.sort(key=lambda choice: (not choice.title.endswith("/"), choice.title.casefold()))
    above = f"{Path(os.path.realpath(directory)).parent}/".replace("//", "/")
    up = [] if start or directory == directory.parent else [Choice(above, "../")]
    return [*up, *found]


def _size(entry: os.DirEntry[str]) -> str:
    """In words; a link that leads nowhere, or in circles, has none."""
    try:
        return words.size(entry.stat().st_size)
    except OSError as error:
        return error.strerror or ""


def _examples() -> list[Choice]:
    return [
        Choice(str(path), path.stem, "example that ships with Bright Run")
        for path in sorted((resource("presets") / "examples").glob("*.jsonl"))
    ]


def _known(report: DatasetReport) -> Choice:
    return Choice(report.name, report.name, f"{report.usable:,} records · {report.path}")
