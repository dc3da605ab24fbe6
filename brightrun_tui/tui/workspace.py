"""What every screen may ask of the app: the newest snapshot, the store, the engine, and saying what happened."""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from rich.text import Text
from textual import work
from textual.app import App
from textual.signal import Signal
from textual.worker import WorkerFailed

from brightrun_tui.config_file import set_config
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.settings import statement_of
from brightrun_tui.paths import Paths
from brightrun_tui.planning.draft import Draft
from brightrun_tui.store import Database, open_database
from brightrun_tui.tui import textual_quirks
from brightrun_tui.tui.announcer import Announcer
from brightrun_tui.tui.faults import SAID_AT, Faults
from brightrun_tui.tui.garbage import BriefCollections
from brightrun_tui.tui.snapshot import Snapshot, SnapshotInterest, follow
from brightrun_tui.tui.terminal import copy, log_crash
from brightrun_tui.tui.widgets import cells

if TYPE_CHECKING:
    from brightrun_tui.domain.requests import Answer, Ask, RequestOutcome
    from brightrun_tui.tui.service_tester import ServiceTester

WAKE_SECONDS = 30.0
"""Between two attempts to start an engine that is needed and not there."""
CLOSE_SECONDS = 2.0
RETRY_SECONDS = 2.0
"""Between two attempts to read a store that could not be read."""
HELD_SECONDS = 0.3
"""For how long the first picture may wait for the store."""
SHOW_SECONDS = 3.0
"""How long a run that was just made may take to appear before Monitor opens without it."""


A = TypeVar("A", bound="Answer")


class Workspace(App[int]):
    """The app as its screens know it; `BrightRunApp` adds the screens themselves."""

    def __init__(self, paths: Paths, *, read_only: bool = False) -> None:
        self.paths = paths
        self.read_only = read_only
        self.snapshot = Snapshot()
        self.snapshot_signal: Signal[Snapshot] = Signal(self, "snapshot")
        self.faults = Faults()
        self.owns_terminal = False
        self.runs_first = False
        self._garbage: BriefCollections | None = None
        self._db: Database | None = None
        self._watch = SnapshotInterest()
        self._wake_after = 0.0
        self._store_opened = asyncio.Event()
        self._pictured = asyncio.Event()
        self._held = ExitStack()
        self._styles: tuple[object, ...] = ()
        self._store_closed = asyncio.Event()
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self.announcer = Announcer(self)

    @cached_property
    def service_tester(self) -> ServiceTester:
        """Who tests services, for all screens."""
        from brightrun_tui.tui.service_tester import ServiceTester

        return ServiceTester(self, self)

    @property
    def run_columns(self) -> tuple[str, ...]:
        """The columns of the runs table that are wanted, in their order; empty: as many as fit."""
        return ()

    @property
    def theme_names(self) -> tuple[str, ...]:
        """Ours, and the person's own."""
        return ()

    @property
    def db(self) -> Database:
        """The app's own connection. Raises `BrightrunError` before it is open."""
        if self._db is None:
            raise BrightrunError("the store is not open yet", fix="try again in a moment", kind=ErrorKind.NOT_READY)
        return self._db

    async def opened_store(self) -> Database:
        """Return `db` as soon as it is open: for what begins together with the app."""
        await self._store_opened.wait()
        return self.db

    def hold_picture(self) -> None:
        """Draw nothing before the store has been read, which takes no longer than making the widgets: else all is drawn twice."""
        self._held.enter_context(self.batch_update())
        self.set_timer(HELD_SECONDS, self._held.close)

    def refresh_css(self, animate: bool = True) -> None:
        """Refresh as Textual does, but once with the same styles while nothing has been drawn: a theme asks for it as
        soon as it is set.
        """
        styles = (self.theme, *self.stylesheet.source)
        if styles != self._styles or self._pictured.is_set():
            self._styles = styles
            super().refresh_css(animate)

    async def pictured(self) -> None:
        """Wait until what the store says has been drawn for the first time."""
        await self._pictured.wait()

    @property
    def watched_run(self) -> str:
        """Id of the run whose curves and events the snapshot carries."""
        return self._watch.run_id

    @watched_run.setter
    def watched_run(self, run_id: str) -> None:
        self._watch.choose(run_id)

    def overlay(self, run_ids: tuple[str, ...]) -> None:
        """Let the snapshot carry the curves of these runs, too."""
        self._watch.overlay(run_ids)

    def look_now(self) -> None:
        """Read the store again at once, e.g. after a change of our own."""
        self._watch.look_now()

    @work(exclusive=True, group="store")
    async def _follow_store(self) -> None:
        """Follow the store for as long as the app lives: what goes wrong is said, and then the store is opened anew."""
        try:
            while True:
                try:
                    await self._read_store()
                except Exception as error:
                    self.survive(error)
                await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._store_closed.set()

    async def _read_store(self) -> None:
        try:
            async with open_database(self.paths.database, waits=self._say_waiting) as db:
                self._db = db
                self._store_opened.set()
                async for snapshot in follow(db, self.paths, self._watch, runs_first=self.runs_first):
                    self.announcer.look(snapshot)
                    self.snapshot = snapshot
                    self.snapshot_signal.publish(snapshot)
                    self._held.close()
                    if snapshot.loaded and not self._pictured.is_set():
                        self.screen.call_after_refresh(self._pictured.set)
                        if self.owns_terminal and self._garbage is None:
                            self._garbage = BriefCollections()
                    if self.owns_terminal and not self.read_only and snapshot.loaded and snapshot.needs_engine:
                        self._wake_engine()
        finally:
            self._db = None

    def write_terminal(self, sequence: str) -> None:
        """Send an escape sequence to the terminal itself, between two drawings."""
        if self._driver is not None and self.owns_terminal:
            self._driver.write(sequence)
            self._driver.flush()

    def _say_waiting(self, sentence: str) -> None:
        self.toast(sentence, title="The database", severity="warning")

    @work(group="engine")
    async def _wake_engine(self) -> None:
        """Start the engine, at most every so often, when something is active: somebody must look after it."""
        from brightrun_tui.orchestrator import client

        now = asyncio.get_running_loop().time()
        if now < self._wake_after:
            return
        self._wake_after = now + WAKE_SECONDS
        try:
            await client.ensure_engine(self.paths)
        except BrightrunError as error:
            self.show_error(error)
        self.look_now()

    async def on_unmount(self) -> None:
        """Let the connection end in order."""
        self.announcer.close()
        if self._garbage:
            self._garbage.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._store_closed.wait(), CLOSE_SECONDS)

    async def ask(self, ask: Ask[A], *, wait: float = 10.0) -> RequestOutcome[A] | None:
        """Ask the engine; returns its reply, which lacks an answer when there is none in time, or None after a toast with why."""
        from brightrun_tui.orchestrator import client

        try:
            reply = await client.ask(self.db, self.paths, ask, wait=wait)
        except BrightrunError as error:
            self.show_error(error)
            return None
        finally:
            self.look_now()
        if reply.refusal is not None:
            self.show_error(reply.refusal)
            return None
        return reply

    def toast(self, message: str, *, title: str = "", severity: str = "information") -> None:
        """Show a short note; never through markup."""
        message = cells.plain(message)
        self.notify(message, title=cells.one_line(title), severity=severity, timeout=8.0, markup=False)  # type: ignore[arg-type]

    def show_error(self, error: BrightrunError) -> None:
        said = statement_of(error)
        if said == error.statement != error.what:
            said = f"{error.where}\n{error.what}"
        fix = f"\n{error.fix}" if error.fix else ""
        self.toast(f"{said}{fix}", title="That did not work", severity="error")

    @work(group="clipboard")
    async def copy_text(self, text: str, what: str) -> None:
        """Copy, and say honestly what was done."""
        done = await copy(text, self.copy_to_clipboard)
        if done:
            self.toast(f"{what}: {done}.")
        else:
            self.toast(
                f"{what} is too long for this terminal's clipboard; select it with the mouse instead.",
                severity="warning",
            )

    async def show_run(self, run_id: str) -> None:
        """Go to Monitor with this run chosen."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SHOW_SECONDS):
                while self.snapshot.run(run_id) is None:
                    self.look_now()
                    await asyncio.sleep(SHOW_SECONDS / 100)
        self.watched_run = run_id
        await self.switch_mode("monitor")

    async def keep_theme(self, theme: str) -> None:
        """Write the chosen theme into config.toml; where that cannot be, it is said."""
        try:
            await asyncio.to_thread(set_config, self.paths, ("app", "theme"), theme)
        except BrightrunError as error:
            self.toast(f"The choice could not be saved: {error.what}.", severity="warning")
        else:
            self.toast(f"{theme}, from the next start on, too.", title="Theme")

    async def keep_run_columns(self, names: tuple[str, ...]) -> None:
        """Write the columns of the runs table into config.toml; where that cannot be, it is said."""
        try:
            await asyncio.to_thread(set_config, self.paths, ("app", "run_columns"), list(names))
        except BrightrunError as error:
            self.toast(f"The choice could not be saved: {error.what}.", severity="warning")

    async def start_again(self, run_id: str) -> None:
        """Go to New Run, filled in as it was for this run."""
        run = self.snapshot.run(run_id)
        if run is None:
            self.toast("The run is not on record here any more.", severity="warning")
            return
        if run.spec.measures:
            self.toast(f"It measured {run.spec.measures.ref}; in the Registry E measures again.", severity="warning")
            return
        from brightrun_tui.planning.again import draft_of

        await self.show_draft(await asyncio.to_thread(draft_of, run.spec, self.paths))
        self.toast(f"Filled in as for {cells.one_line(run.name)}; u takes that back.", title="New Run")

    async def show_model(self, ref: str) -> None:
        """Go to Registry with this version chosen."""
        await self._show_in("registry", "choose", ref)

    async def show_service(self, name: str) -> None:
        """Go to Integrations with this card chosen."""
        await self._show_in("integrations", "choose", name)

    async def show_setting(self, key: str) -> None:
        """Go to New Run, to the field of this setting."""
        await self._show_in("new_run", "show_setting", key)

    async def show_data(self, name: str) -> None:
        """Go to New Run, with this added dataset to look at and to take."""
        await self._show_in("new_run", "show_data", name)

    async def show_draft(self, draft: Draft) -> None:
        """Go to New Run with this draft filled in."""
        await self._show_in("new_run", "fill", draft)

    async def _show_in(self, mode: str, method: str, what: object) -> None:
        """Go to a screen, and let it show something."""
        await self.switch_mode(mode)
        show = getattr(self.screen, method, None)
        if show:
            self.screen.call_after_refresh(show, what)

    def survive(self, error: Exception) -> None:
        """Say what went wrong in one part, keep the details, and go on; what goes wrong without end ends the app in order."""
        if isinstance(error, WorkerFailed) and isinstance(error.error, Exception):
            error = error.error
        if textual_quirks.came_too_late(error):
            return
        count = self.faults.count(error)
        path = log_crash(error, self.paths.logs) if count == 1 and not isinstance(error, BrightrunError) else None
        if self.faults.storm:
            self._end_by(error, "the same kind of fault came again and again")
        elif count in SAID_AT:
            again = f" This is the {count:,}th time." if count > 1 else ""
            if isinstance(error, BrightrunError):
                self.show_error(error)
            else:
                why = f"{type(error).__name__}; details: {path or self.paths.logs / 'app.log'}"
                self.toast(
                    f"A part of this screen failed, the rest goes on ({why}).{again}",
                    title="A fault of ours",
                    severity="error",
                )

    def _handle_exception(self, error: Exception) -> None:
        """Handle any error, as Textual's last resort. Only one in the app's own start cannot be survived."""
        if isinstance(error, textual_quirks.StartError):
            self._end_by(error.error, "it could not start")
        elif self._exit or (self._dom_ready and not self._running):
            return  # what is being taken down misses its parts
        elif self._running:
            self.survive(error)
        else:
            self._end_by(error, "it could not start")

    def panic(self, *renderables: Any) -> None:
        """End the app when a thread of Textual's ends, without the traceback, which nobody is to see."""
        text = "".join(segment.text for renderable in renderables for segment in self.console.render(renderable))
        self._end_by(RuntimeError(text), "the terminal cannot be read any more")

    def _end_by(self, error: Exception, why: str) -> None:
        """End with one line and a log's name, not Textual's traceback: that prints local variables, keys included."""
        path = log_crash(error, self.paths.logs)
        place = f" Details: {path}" if path else ""
        self.exit(
            1,
            return_code=1,
            message=Text(f"Bright Run ended by a fault of its own: {why} ({type(error).__name__}).{place}"),
        )
        self._close_messages_no_wait()
        if self._exception is None:  # what drives the app in a test waits for this
            self._exception = error
            self._exception_event.set()
