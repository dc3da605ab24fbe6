"""The Textual app: four modes, keys, themes, and one reader of the store. Wires, decides nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any, ClassVar

from brightrun_tui.tui.terminal import DaemonExecutor, leave_on_signals, prepare_environment, watch_terminal

prepare_environment()

from pydantic import Field  # noqa: E402
from rich.text import Text  # noqa: E402
from textual import events, work  # noqa: E402
from textual.dom import DOMNode  # noqa: E402
from textual.driver import Driver  # noqa: E402
from textual.screen import Screen  # noqa: E402
from textual.widget import AwaitMount  # noqa: E402
from textual.widgets import Input  # noqa: E402

from brightrun_tui import plugins  # noqa: E402
from brightrun_tui.config import Section, load_section  # noqa: E402
from brightrun_tui.domain.notification import NewsKind  # noqa: E402
from brightrun_tui.domain.run_states import ACTIVE, RUN_STATES  # noqa: E402
from brightrun_tui.paths import Paths, get_paths  # noqa: E402
from brightrun_tui.store import open_database, runs  # noqa: E402
from brightrun_tui.tui import actions, textual_quirks, theming  # noqa: E402
from brightrun_tui.tui.ascii_driver import ascii_driver, wants_ascii  # noqa: E402
from brightrun_tui.tui.keymap import load_keymap  # noqa: E402
from brightrun_tui.tui.remembered import recall, remember_also  # noqa: E402
from brightrun_tui.tui.screens.dialog import Dialog  # noqa: E402
from brightrun_tui.tui.screens.mode_screen import ModeScreen  # noqa: E402
from brightrun_tui.tui.screens.palette import ActionProvider, Palette  # noqa: E402
from brightrun_tui.tui.widgets.footer import scopes_of  # noqa: E402
from brightrun_tui.tui.widgets.too_small import TooSmall, too_small  # noqa: E402
from brightrun_tui.tui.workspace import Workspace  # noqa: E402

textual_quirks.apply()


class AppSettings(Section):
    """``[app]`` of config.toml."""

    theme: str = Field("", description="A theme's name, as it was chosen last; empty: ours.")
    run_columns: list[str] = Field(
        [],
        description='Columns of the runs table in their order, e.g. ["state", "eval", "cost"]; empty: as many as fit.',
    )
    mouse: bool = Field(True, description="False leaves the mouse to the terminal, for selecting text.")


def _screen(module: str, name: str) -> Screen[None]:
    """Return one of the four, imported when first visited."""
    screen: Screen[None] = getattr(import_module(f"brightrun_tui.tui.screens.{module}"), name)()
    return screen


def _unsaid(word: str, title: str) -> str:
    return "" if word in title.casefold() else word


TESTS_AFTER_SECONDS = 1.0
"""So long after the first picture services are tested: what a person does first is not to wait for what that imports."""
QUIT_SECONDS = 2.0
"""For how long leaving waits for what goes on being known."""
LEAVING = ("quit", "suspend_process")
"""Actions for which nothing need be seen."""
LONGEST_LINE, LONGEST_TEXT = 10_000, 100_000
"""Characters that may be pasted at once into a field of one line, and into a text. More is never meant, and holds up the app."""
DEEPEST = 5
"""Screens on one another, from which on no further dialogue is opened."""


class BrightRunApp(Workspace):
    """Four modes, each built when first visited."""

    TITLE = "Bright Run"
    CSS_PATH = "screens/app.tcss"
    MODES: ClassVar[dict[str, Callable[[], Screen[Any]]]] = {  # type: ignore[assignment]
        "integrations": partial(_screen, "integrations", "IntegrationsScreen"),
        "new_run": partial(_screen, "new_run", "NewRunScreen"),
        "monitor": partial(_screen, "monitor", "MonitorScreen"),
        "registry": partial(_screen, "registry", "RegistryScreen"),
    }
    COMMANDS: ClassVar[Any] = {ActionProvider}
    SCOPES = ("app",)
    BINDINGS = actions.bindings("app")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-medium"), (160, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (34, "-tall")]  # noqa: RUF012

    def __init__(
        self, paths: Paths, *, read_only: bool = False, first_mode: str = "integrations", plain_glyphs: bool = False
    ) -> None:
        """Make the app; with ``plain_glyphs`` nothing but ASCII reaches the terminal. Raises `UsageError` where
        ``[keys]`` is wrong.
        """
        self._plain_glyphs = plain_glyphs
        self.DEFAULT_MODE = first_mode  # type: ignore[misc]  # else an empty screen is made, drawn and left again
        super().__init__(paths, read_only=read_only)
        keymap = load_keymap(paths)
        actions.use_keymap(keymap)
        self.set_keymap({name: ",".join(keys) for name, keys in keymap.items()})
        self.last_mode = first_mode
        self._settings = load_section(paths, "app", AppSettings)
        self._themes = theming.load_themes(paths)
        for theme in self._themes.found.values():
            self.register_theme(theme.as_textual())
        self.theme = self._first_theme()

    def push_screen(
        self, screen: Any, callback: Any = None, wait_for_dismiss: bool = False, *, mode: str | None = None
    ) -> Any:
        """Push a screen as Textual does, except a dialogue that is open already, or one too many: that counts as closed
        at once.

        Keys typed ahead would else open the same one again before it is drawn, and each is laid out anew at every
        resize.
        """
        if isinstance(screen, Dialog) and (type(screen) is type(self.screen) or len(self.screen_stack) > DEEPEST):
            if not wait_for_dismiss:
                return AwaitMount(self.screen, [])
            closed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            closed.set_result(None)
            return closed
        return super().push_screen(screen, callback, wait_for_dismiss, mode=mode)  # type: ignore[call-overload]

    @property
    def run_columns(self) -> tuple[str, ...]:
        return tuple(self._settings.run_columns)

    @property
    def theme_names(self) -> tuple[str, ...]:
        return tuple(self._themes.found)

    @property
    def mouse(self) -> bool:
        return self._settings.mouse

    def get_driver_class(self) -> type[Driver]:
        driver = super().get_driver_class()
        return ascii_driver(driver) if self._plain_glyphs else driver

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(theming.VARIABLE_DEFAULTS)

    async def on_mount(self) -> None:
        asyncio.get_running_loop().set_default_executor(DaemonExecutor())
        if self.owns_terminal:
            self.hold_picture()
            leave_on_signals(self.leave)
            self.run_worker(watch_terminal(self.leave), group="terminal", exit_on_error=False)
        self._follow_store()
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))  # `fg` finds an empty terminal
        if self._themes.problems:
            self.toast("\n".join(self._themes.problems), title="Theme files that cannot be used", severity="warning")
        self._look_at_plugins()
        self._test_services()

    @work(group="services")
    async def _test_services(self) -> None:
        """Say whether what is set up works; after the first picture, which waits for nobody."""
        await self.pictured()
        await asyncio.sleep(TESTS_AFTER_SECONDS)
        await self.service_tester.test_what_is_due()

    @work(group="plugins")
    async def _look_at_plugins(self) -> None:
        """Say which channels and plugins are left out, and why. All that takes time, so it comes after the first picture."""
        await self.pictured()
        others = await asyncio.to_thread(plugins.others)
        for problem in self.announcer.problems:
            self.show_error(problem)
        if others:
            from brightrun_tui import inventory

            for flaw in await asyncio.to_thread(inventory.problems):
                self.show_error(flaw)

    def leave(self, code: int) -> None:
        """End the app with this exit code."""
        self.exit(code, return_code=code)

    @property
    def shows_nothing(self) -> bool:
        """Whether the terminal is too small, or the notice of that still stands where the larger picture is being laid out."""
        return too_small(self.size) or any(notice.region for notice in self.screen.query_children(TooSmall))

    async def on_event(self, event: events.Event) -> None:
        """Handle events as Textual does, but in a terminal too small to read only the keys that leave it count."""
        if isinstance(event, (events.Key, events.Paste, events.MouseEvent)) and self.shows_nothing:
            for each in actions.of_scope("app"):
                if each.name in LEAVING and isinstance(event, events.Key) and event.key in each.keys:
                    await super().run_action(each.name)
            return
        if isinstance(event, events.Paste):
            longest = LONGEST_LINE if isinstance(self.focused, Input) else LONGEST_TEXT
            if len(event.text) > longest:
                said = f"The clipboard holds {len(event.text):,} characters; at most {longest:,} are taken here."
                self.toast(said, title="Nothing was pasted", severity="warning")
                return
        await super().on_event(event)

    async def run_action(self, action: Any, default_namespace: DOMNode | None = None, namespaces: Any = None) -> bool:
        """Run an action as Textual does, but refuse one that changes something in read-only mode."""
        name = action if isinstance(action, str) else action[1]
        found = actions.find(scopes_of(default_namespace or self), name)
        if self.shows_nothing and (found is None or found.scope != "app"):
            return True  # of a key that was on its way when the terminal shrank: what it meant is not seen any more
        if self.read_only and found and found.changes:
            self.toast(f"“{found.title}” is not possible in read-only mode.", severity="warning")
            return True
        return await super().run_action(action, default_namespace, namespaces)

    async def action_integrations(self) -> None:
        await self.switch_mode("integrations")

    async def action_new_run(self) -> None:
        await self.switch_mode("new_run")

    async def action_monitor(self) -> None:
        await self.switch_mode("monitor")

    async def action_registry(self) -> None:
        await self.switch_mode("registry")

    def action_help(self) -> None:
        from brightrun_tui.tui.screens.help import HelpScreen

        if isinstance(self.screen, HelpScreen):
            self.screen.dismiss(None)
        else:
            self.push_screen(HelpScreen(self.screen))

    @work(group="news", exclusive=True)
    async def action_news(self) -> None:
        from brightrun_tui.tui.screens.news import NewsScreen

        one = await self.push_screen_wait(NewsScreen())
        if one is not None and one.run_id and self.snapshot.run(one.run_id) is not None:
            await self.show_run(one.run_id)
        elif one is not None and one.model:
            await self.show_model(one.model)
        elif one is not None and one.kind is NewsKind.SERVICE:
            await self.action_integrations()

    def action_palette(self) -> None:
        self.action_command_palette()

    def action_command_palette(self) -> None:
        """Open the palette as Textual does, but without an id: one that is being closed still has it when the next is
        opened.
        """
        if not isinstance(self.screen, Palette):
            self.push_screen(Palette())

    @work(group="theme")
    async def action_theme(self) -> None:
        from brightrun_tui.tui.screens.pick import Choice, PickScreen

        choices = [
            Choice(theme.name, theme.title or theme.name, _unsaid("dark" if theme.dark else "light", theme.title))
            for theme in self._themes.found.values()
        ]
        before = self.theme

        def preview(name: str) -> None:
            self.theme = name

        chosen = await self.push_screen_wait(PickScreen("Theme", choices, chosen=before, preview=preview))
        self.theme = chosen or before
        if chosen:
            await self.keep_theme(chosen)

    def action_screenshot(self) -> None:  # type: ignore[override]
        try:
            path = self.save_screenshot(path=str(self.paths.cache))
        except OSError as error:
            self.toast(f"The screenshot could not be saved ({error.strerror}).", severity="error")
        else:
            self.toast(path, title="Screenshot saved")

    async def action_back(self) -> None:
        """Leave the full screen, else the field, so that single keys work again."""
        if self.screen.has_class("-zoomed"):
            await self.run_action("zoom", self.screen)
        elif isinstance(self.screen.focused, Input) and getattr(self.screen.focused, "typing", True):
            self.screen.set_focus(None)
        elif isinstance(self.screen, ModeScreen):
            self.screen.step_back()

    async def action_quit(self) -> None:
        if self.snapshot.runs_alone:  # endpoints are not known yet, and are to be told of
            with suppress(TimeoutError):
                await asyncio.wait_for(self.pictured(), QUIT_SECONDS)
        active = sum(run.active for run in self.snapshot.runs)
        serving = sum(endpoint.serving for endpoint in self.snapshot.endpoints)
        parts = [f"{active} run{'s' if active > 1 else ''}"] * bool(active)
        parts += [f"{serving} endpoint{'s' if serving > 1 else ''}"] * bool(serving)
        message = (
            f"Still going in the background: {' and '.join(parts)}. “brightrun” shows them again." if parts else None
        )
        self.last_mode = self.current_mode
        self.exit(0, message=Text(message) if message else None)

    def _first_theme(self) -> str:
        if "NO_COLOR" in os.environ or self.no_color:
            return theming.PLAIN_THEME
        wanted = self._settings.theme
        return wanted if wanted in self._themes.found else theming.DEFAULT_THEME


async def _beginning(paths: Paths, run_name: str) -> tuple[str, str]:
    """Return the mode to begin with and the run to show: the one asked for, else where there is work, else where the person
    left off.
    """
    async with open_database(paths.database) as db:
        if run_name:
            return "monitor", await runs.locate(db, run_name)
        active, known = await runs.ids(db, ACTIVE), await runs.ids(db, frozenset(RUN_STATES))
    left = recall(paths)
    chosen = left.run if left.run in known else ""
    if active:
        return "monitor", chosen if chosen in active else active[0]
    if left.mode in BrightRunApp.MODES and known:
        return left.mode, chosen
    return "monitor" if known else "new_run", chosen


def run_app(paths: Paths | None = None, read_only: bool = False, plain_glyphs: bool = False, run_name: str = "") -> int:
    """Open the app and stay until it is closed; returns the exit code. The caller sees to it that there is a terminal.

    ``plain_glyphs``: ASCII only, as a terminal that says it has nothing else gets unasked.

    Raises:
        BrightrunError: the store cannot be opened, there is no such run, or config.toml is wrong.
    """
    paths = paths or get_paths()
    mode, run_id = asyncio.run(_beginning(paths, run_name))
    app = BrightRunApp(
        paths, read_only=read_only, first_mode=mode, plain_glyphs=plain_glyphs or wants_ascii(os.environ)
    )
    app.watched_run = run_id
    app.owns_terminal, app.runs_first = True, mode == "monitor"
    app.run(mouse=app.mouse)
    if not app.return_code:
        remember_also(paths, mode=app.last_mode, **({"run": app.watched_run} if app.watched_run else {}))
    return app.return_code or 0
