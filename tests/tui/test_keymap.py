"""Keys of one's own, and a terminal that has no more than ASCII."""

from __future__ import annotations

import pytest

from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.run_states import STATE_GLYPHS
from brightrun_tui.paths import Paths
from brightrun_tui.tui.ascii_driver import like, wants_ascii
from brightrun_tui.tui.keymap import load_keymap
from brightrun_tui.tui.widgets.chart_scene import CHECKPOINT, EVALUATION, RESTART
from tests.tui.conftest import Opened


def configure(paths: Paths, text: str) -> None:
    paths.config.mkdir(parents=True, exist_ok=True)
    paths.config_file.write_text(text)


async def test_a_key_of_ones_own_works_and_is_shown(paths: Paths, opened: Opened) -> None:
    """F10 shows the help, the footer says so, and the key it had before does nothing any more."""
    configure(paths, '[keys]\n"app.help" = "f10 ?"\n')
    async with opened(paths) as driver:
        await driver.until(lambda: "f10 Help" in driver.keys())
        await driver.press("f1")
        assert len(driver.app.screen_stack) == 1
        await driver.press("f10")
        await driver.sees("╭─ Help")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('"monitor.pause" = "s"', "“Stop” (monitor.stop)"),
        ('"monitor.pause" = "q"', "“Quit” (app.quit)"),
        ('"app.help" = "p"', "“Pause / resume” (monitor.pause)"),
        ('"monitor.paus" = "x"', "there is no action"),
        ('"monitor.pause" = "hyper+"', "is not a key"),
        ('"monitor.pause" = ","', "“,” is not a key"),
        ('"monitor.pause" = "pasue"', "“pasue” is not a key"),
        ('"monitor.pause" = "ctrl+ctrl+p"', "is not a key"),
        ('"monitor.pause" = "shift+p"', "“shift+p” is not a key"),
        ('"monitor.pause" = "ctrl+i"', "“Next panel” (app.focus_next)"),
        ('"monitor.pause" = 3', "“3” does not fit"),
    ],
)
def test_a_clash_is_refused_with_its_place(paths: Paths, line: str, says: str) -> None:
    """One key is one action in one place; who gives it two learns which, and where."""
    configure(paths, f"[keys]\n{line}\n")
    with pytest.raises(UsageError) as refused:
        load_keymap(paths)
    assert says in refused.value.what and "[keys]" in refused.value.where


def test_two_actions_may_change_their_keys(paths: Paths) -> None:
    """What was another action's key is free once that has another one."""
    configure(paths, '[keys]\n"monitor.pause" = "s"\n"monitor.stop" = "p"\n')
    assert load_keymap(paths) == {"monitor.pause": ("s",), "monitor.stop": ("p",)}


@pytest.mark.parametrize(
    "text", ['[keys]\nmonitor.pause = "ü"', '[keys.monitor]\npause = "ü"', '[keys]\n"monitor.pause" = "ü ü"']
)
def test_an_action_is_named_as_toml_allows_and_a_letter_is_that_of_any_keyboard(paths: Paths, text: str) -> None:
    """With quotes, without them, or below a heading of its place."""
    configure(paths, f"{text}\n")
    assert load_keymap(paths) == {"monitor.pause": ("ü",)}


def test_ascii_keeps_the_width_of_what_it_stands_for() -> None:
    """Lines, curves, marks, letters and wide characters: nothing moves, nothing is more than ASCII."""
    assert "".join(map(like, "╭─✓ é ⣿⠉⣀ 日 “x” …")) == '+-+ e :\'. ?? "x" ~'


def test_no_mark_of_ours_is_a_question_mark_in_ascii() -> None:
    """States and what stands on the axis of a curve are told apart by something on every terminal."""
    marks = (*STATE_GLYPHS.values(), EVALUATION, CHECKPOINT, RESTART, "⇄", "❯", "°")
    assert not [mark for mark in marks if "?" in like(mark)]


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"TERM": "linux", "LANG": "C.UTF-8"}, True),
        ({"TERM": "xterm", "LANG": "de_DE.ISO-8859-1"}, True),
        ({"TERM": "xterm", "LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),
        ({"TERM": "xterm", "LANG": "de_DE.UTF-8"}, False),
        ({"TERM": "xterm", "LC_CTYPE": "C.UTF-8"}, False),
    ],
)
def test_a_terminal_without_utf8_is_known(environment: dict[str, str], wanted: bool) -> None:
    """The Linux console and locales without UTF-8; where nothing is said nothing is assumed."""
    assert wants_ascii(environment) is wanted
