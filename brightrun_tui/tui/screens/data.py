"""Choose a dataset: known ones, the example, any file or folder, or one of the Hub, with what is in it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from brightrun_tui.datasets.reading_options import ENCODING
from brightrun_tui.datasets.unpacking import encoding_title
from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, DatasetError
from brightrun_tui.paths import typed_path
from brightrun_tui.planning.column_maps import ColumnMap, column_map, remember, remembered_reading
from brightrun_tui.planning.dataset_reports import report_of
from brightrun_tui.planning.hub_dataset_names import is_hub_dataset
from brightrun_tui.tui.actions import bindings, key_of
from brightrun_tui.tui.screens.columns import ROLE_WORDS, ColumnsScreen, choosable
from brightrun_tui.tui.screens.data_choices import WHOLE_FOLDER, examples, first_records, is_data, known, list_data
from brightrun_tui.tui.screens.dataset_report import ReportScreen
from brightrun_tui.tui.screens.dialog import ListingDialog
from brightrun_tui.tui.screens.path_choices import PATH_STARTS, PathSuggester, nearest
from brightrun_tui.tui.screens.pick import Choice, prompt_of
from brightrun_tui.tui.screens.telling import told
from brightrun_tui.tui.widgets import cells, plan_text, reflow
from brightrun_tui.tui.widgets.filter_bar import fits
from brightrun_tui.tui.widgets.footer import KeyFooter
from brightrun_tui.tui.widgets.reading import Reading
from brightrun_tui.tui.widgets.reflow import Flow
from brightrun_tui.tui.workspace import Workspace


@dataclass(frozen=True)
class ChosenData:
    """A path, the name of an added dataset, or one of the Hub; and which of its columns are what, where that was mapped."""

    word: str
    columns: Mapping[str, str]


class DataScreen(ListingDialog[ChosenData]):
    """Answers what was chosen, once it is known to be usable. Typing a path browses the files there.

    A table whose columns say nothing by their names is mapped by what the person said of such a table before, or by a guess.
    """

    SCOPES = ("pick", "choose", "modal")
    BINDINGS = bindings("pick")

    def __init__(self, known: Sequence[DatasetReport], chosen: str, base: str = "starter") -> None:
        """Offer the known datasets; ``base`` is the model whose tokens the records are shown as."""
        super().__init__("Dataset", classes="-large -data")
        self._known = known
        self._chosen = chosen
        self._base = base
        self._choices: list[Choice] = []
        self._maps: dict[str, ColumnMap] = {}
        self._usable: set[str] = set()
        self._reading = ""
        self._take_then = False

    def compose_body(self) -> ComposeResult:
        yield Input(
            placeholder="a name, a path (/ or ~/), or hf:owner/name",
            suggester=PathSuggester(is_data),
            compact=True,
            id="narrow",
        )
        yield OptionList(id="choices", markup=False, compact=True)
        with Reading(id="verdict"):
            yield Flow(id="verdict-text")

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self.make_list("")

    def action_browse(self) -> None:
        self._go_to(Path.cwd())

    def take(self, word: str) -> None:
        """Enter a directory, fetch a dataset of the Hub, or take anything else as the answer."""
        path = typed_path(word)
        whole = word.startswith(PATH_STARTS) and word.endswith(WHOLE_FOLDER)
        if word.startswith(PATH_STARTS) and os.path.isdir(path) and not whole:
            self._go_to(Path(os.path.realpath(path)))
        elif word:
            place = next((report.path for report in self._known if report.name == word), word)
            if _key(place) in self._usable:  # keys typed ahead are for the form already
                self._answer(word, place)
            else:
                self.look(word, take=True)

    def _go_to(self, directory: Path) -> None:
        entry = self.query_one(Input)
        entry.value = f"{directory}/".replace("//", "/")
        entry.cursor_position = len(entry.value)
        entry.focus()

    @work(exclusive=True, group="list")
    async def make_list(self, typed: str) -> None:
        if typed.startswith(PATH_STARTS):
            self._choices = await asyncio.to_thread(list_data, typed)
        elif is_hub_dataset(typed):
            self._choices = [Choice(typed.strip(), typed.strip(), "from the Hugging Face Hub")]
        else:
            self._choices = [
                choice
                for choice in [*examples(), *map(known, self._known)]
                if fits(typed, choice.title, choice.note, choice.id)
            ]
            if typed.strip() and "/" not in typed:
                here = await asyncio.to_thread(list_data, f"./{typed.strip()}")
                self._choices += [choice for choice in here if not choice.title.endswith(("/", ".."))]
        options = self.query_one(OptionList)
        options.set_options([Option(prompt_of(choice), id=choice.id) for choice in self._choices])
        ids = [choice.id for choice in self._choices]
        if ids:
            options.highlighted = ids.index(self._chosen) if self._chosen in ids else nearest(self._choices, typed)
        else:
            self._say("Nothing fits. A path starts with / or ~ or .")
        self.listed(typed)

    def look(self, word: str, *, take: bool = False) -> None:
        """Look into it, or go on where that is under way: a large file is not read from the start again."""
        place = next((report.path for report in self._known if report.name == word), word)
        if place and _key(place) == self._reading:
            self._take_then = self._take_then or take
        else:
            self._look_into(word, take=take)

    @work(exclusive=True, group="look")
    async def _look_into(self, word: str, *, take: bool = False) -> None:
        """Check what is under the cursor and show what is in it; with ``take``, answer it if it can be used."""
        self._reading = ""
        known = next((report for report in self._known if report.name == word), None)
        place = known.path if known else word
        if os.path.isdir(typed_path(place)) and not (take or known or place.endswith(WHOLE_FOLDER)):
            self._say("A directory; enter goes in.")
            return
        if is_hub_dataset(place) and not take:
            self._say(
                "Enter fetches it and looks into it. A split or configuration may be named: "
                "hf:owner/name:configuration@split"
            )
            return
        self._say("◌ checking …", "$primary")
        self._reading, self._take_then = _key(place), take
        try:
            report = await self._mapped_report(place)
            self._reading = ""
            self._usable.add(_key(place))
            if self._take_then:
                self._answer(word, place)
                return
        except BrightrunError as error:
            self._reading = ""
            text, fix = cells.plain(error.statement), cells.plain(error.fix)
            if error.kind == ErrorKind.DATASET_COLUMNS:
                fix = f"press {key_of('pick.columns')} to say which column is what; otherwise {fix}"
            self.query_one("#verdict-text", Flow).show(
                lambda width: [
                    *reflow.marked(reflow.text(text, width - 2, "$error"), 2, "✗", "bold $error"),
                    *reflow.marked(reflow.text(fix, width - 2), 2, "→", "bold $accent"),
                ]
            )
            return
        found = self._maps.get(_key(place))
        self.refresh_keys()
        self.query_one("#verdict-text", Flow).show(
            lambda width: [
                *(columns_line(found, width) if found else ()),
                *plan_text.data_report(report, width),
                Content(""),
                *plan_text.conversations(report, width, limit=2),
            ]
        )

    async def _mapped_report(self, place: str) -> DatasetReport:
        """Return the report; of a table whose columns are not known by their names, with a mapping that is remembered or
        guessed.
        """
        if _key(place) not in self._maps and (
            known := await asyncio.to_thread(remembered_reading, place, self.app.paths)
        ):
            self._maps[_key(place)] = known
        if _key(place) not in self._maps:
            try:
                return await self._report(place, {})
            except DatasetError as error:
                if error.kind not in (ErrorKind.DATASET_COLUMNS, ErrorKind.DATASET_UNKNOWN_FORMAT):
                    raise
                found = await asyncio.to_thread(column_map, place, self.app.paths)
                if not {"prompt", "completion"} <= found.mapping.keys():
                    raise
                self._maps[_key(place)] = found
        return await self._report(place, dict(self._maps[_key(place)].mapping))

    def _answer(self, word: str, place: str) -> None:
        """Take it, wherever the app is started next, and remember how its columns were mapped."""
        found = self._maps.get(_key(place))
        if word == place and not is_hub_dataset(word):
            word = str(typed_path(word).absolute())
        self.dismiss(ChosenData(word, found.mapping if found else {}))
        if found:
            self.app.run_worker(_remember(self.app, found), group="columns")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("columns", "report"):
            return True if self._place_here else None
        return True

    @property
    def _place_here(self) -> str:
        """The file under the cursor; empty if it is not a single file."""
        option = self.query_one(OptionList).highlighted_option if self.is_mounted else None
        word = option.id if option and option.id else ""
        place = next((report.path for report in self._known if report.name == word), word)
        return "" if not place or (os.path.isdir(typed_path(place)) and not place.endswith(WHOLE_FOLDER)) else place

    @work(group="columns", exclusive=True)
    async def action_columns(self) -> None:
        """Say which column is what."""
        place = self._place_here
        try:
            known = self._maps.get(_key(place))
            found = await asyncio.to_thread(column_map, place, self.app.paths) if known is None else known
        except BrightrunError as error:
            self.app.show_error(error)
            return
        if len(found.table.names) < 2 and not choosable(found.table):
            self.app.toast("There are no columns to choose from in this file.", severity="warning")
            return
        mapping = await self.app.push_screen_wait(ColumnsScreen(place, found))
        if mapping is not None:
            self._usable.discard(_key(place))
            self._maps[_key(place)] = replace(found, mapping=mapping, remembered=True)
            self._look_into(place)

    async def _report(self, place: str, columns: dict[str, str]) -> DatasetReport:
        """Return the report, in a thread that says how far it is and ends when something else is looked at."""
        first = await asyncio.to_thread(first_records, place, columns)

        def say(what: str) -> None:
            line = Content.styled(cells.one_line(f"◌ {what}"), "$primary")
            self.query_one("#verdict-text", Flow).show(
                lambda width: [
                    line,
                    *(
                        row
                        for each in first
                        for row in (Content(""), *plan_text.conversation(each, width, plan_text.place_of(each, place)))
                    ),
                ]
            )

        return await told(lambda tell: report_of(place, columns, self.app.paths, tell), say)

    @work(group="columns", exclusive=True)
    async def action_report(self) -> None:
        """Show the records under the cursor and of each finding; a new version made there is chosen next."""
        place = self._place_here
        found = self._maps.get(_key(place))
        name = next((known.name for known in self._known if known.path == place), place.rpartition("/")[2])
        made = await self.app.push_screen_wait(
            ReportScreen(place, found.mapping if found else {}, self._base, name=name)
        )
        if made is not None:
            self._known, self._chosen = [made, *self._known], made.name
            entry = self.query_one(Input)
            entry.value = made.name
            self.make_list(made.name)

    def refresh_keys(self) -> None:
        self.query_one(KeyFooter).refresh()

    def _say(self, words: str, style: str = "$muted") -> None:
        self.query_one("#verdict-text", Flow).show(lambda width: reflow.text(words, width, style))


def columns_line(found: ColumnMap, width: int) -> reflow.Lines:
    """Say which columns are taken for what, encoding and sheet, and by whom that was said."""
    if not found.mapping:
        return []
    named = {role: encoding_title(name) if role == ENCODING else name for role, name in found.mapping.items()}
    said = " · ".join(f"{ROLE_WORDS[role]}: “{cells.one_line(name)}”" for role, name in named.items())
    how = "as you said" if found.remembered else "guessed from the content"
    text = Content.assemble((said, "bold"), (f"  {how}; {key_of('pick.columns')} changes it", "$muted"))
    return reflow.marked(reflow.text(text, width - 2), 2, "▤", "bold $accent")


async def _remember(app: Workspace, found: ColumnMap) -> None:
    """Keep the mapping for the next table of this shape; that it cannot be kept is said, and no more."""
    try:
        await asyncio.to_thread(remember, found, app.paths)
    except OSError as error:
        app.toast(f"The columns could not be remembered ({error.strerror}).", severity="warning")


def _key(place: str) -> str:
    """Return the same for the same file, however it is written; a dataset of the Hub is its name."""
    return place if is_hub_dataset(place) else str(typed_path(place).absolute())
