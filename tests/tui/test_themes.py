"""Themes: ours are complete, a person's own are found, a bad file is one sentence."""

from __future__ import annotations

import pytest
from textual.color import Color

from brightrun_tui.config_file import read_config
from brightrun_tui.paths import Paths
from brightrun_tui.tui.theming import load_themes
from tests.tui.conftest import Opened

OWN = 'name = "mine"\ntitle = "My colours"\n[colors]\nprimary = "#ff00ff"\n'


def test_our_themes_load(paths: Paths) -> None:
    """Dark, light, high contrast and the terminal's own colours ship and parse."""
    themes = load_themes(paths)
    assert not themes.problems
    assert {"bright-dark", "bright-light", "bright-contrast", "bright-ansi"} <= set(themes.found)


BAD = {
    "torn.toml": ("name = [", "torn.toml"),
    "colour.toml": ('name = "x"\n[colors]\nprimary = "blurple"\n', "blurple"),
    "empty.toml": ('name = "x"\n[colors]\n', "primary"),
    "unknown.toml": ('name = "x"\nshade = 1\n[colors]\nprimary = "#fff"\n', "shade"),
    "named.toml": ('name = "Bad Name [/]"\n[colors]\nprimary = "#fff"\n', "name"),
}
"""Files that are no themes, and a word of why."""


async def test_bad_theme_files_are_one_toast(paths: Paths, opened: Opened) -> None:
    """The app opens with its own theme and says which files are wrong and why; a good one beside them is there."""
    paths.user_themes.mkdir(parents=True)
    (paths.user_themes / "good.toml").write_text(OWN)
    for name, (text, _) in BAD.items():
        (paths.user_themes / name).write_text(text)
    async with opened(paths) as driver:
        assert driver.app.theme == "bright-dark"
        assert driver.toasts().count("Theme files that cannot be used") == 1
        for name, (_, says) in BAD.items():
            assert says in next(line for line in driver.toasts().splitlines() if name in line)
        assert "mine" in driver.app.available_themes


async def test_a_theme_is_tried_before_it_is_taken_and_remembered(paths: Paths, opened: Opened) -> None:
    """Moving through the list shows each theme; escape goes back; enter is remembered for the next start."""
    paths.user_themes.mkdir(parents=True)
    (paths.user_themes / "mine.toml").write_text(OWN)
    async with opened(paths) as driver:
        await driver.press("f2", *"colours")
        await driver.until(lambda: driver.app.theme != "bright-dark", "a preview")
        await driver.press("escape")
        await driver.until(lambda: driver.app.theme == "bright-dark")
        await driver.press("f2", *"my col", "enter")
        await driver.until(lambda: read_config(paths, "app") == {"app": {"theme": "mine"}})
        assert driver.app.theme == "mine"
    async with opened(paths) as driver:
        assert driver.app.theme == "mine"


async def test_every_screen_lives_with_every_theme(seeded: Paths, opened: Opened) -> None:
    """No theme lacks a colour that a screen needs."""
    async with opened(seeded) as driver:
        for theme in ("bright-light", "bright-contrast", "bright-ansi", "textual-dark"):
            driver.app.theme = theme
            for key in ("1", "2", "3", "L", "4"):
                await driver.press(key)
            await driver.sees("lamp-support:2")


TEXT = (
    "foreground",
    "muted",
    "faint",
    "primary",
    "secondary",
    "accent",
    "success",
    "warning",
    "error",
    "curve-train",
    "curve-eval",
)
READABLE, READABLE_ON_PANELS = 4.5, 4.0
"""Contrast that text has to its ground at least; the first is what WCAG asks for."""


def contrast(text: Color, ground: Color) -> float:
    """As WCAG reckons it, from 1 to 21."""

    def luminance(colour: Color) -> float:
        parts = [part / 255 for part in colour.rgb]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    lighter, darker = sorted((luminance(text), luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("name", ["bright-dark", "bright-light", "bright-contrast"])
def test_all_text_can_be_read(paths: Paths, name: str) -> None:
    """Whatever says something, the faintest help included, stands out from screen, dialogue, footer and the row of the cursor."""
    theme = load_themes(paths).found[name]
    known = {
        key: Color.parse(value)
        for key, value in {**theme.colors.model_dump(exclude_none=True), **theme.variables}.items()
        if value.startswith("#")
    }
    for role in TEXT:
        for ground in ("background", "surface"):
            assert contrast(known[role], known[ground]) >= READABLE, (role, ground)
        for ground in ("panel", *(["block-cursor-background"] if role != "faint" else [])):
            assert contrast(known[role], known[ground]) >= READABLE_ON_PANELS, (role, ground)
    assert contrast(known["on-accent"], known["accent"]) >= READABLE
    assert contrast(known["block-cursor-foreground"], known["block-cursor-background"]) >= READABLE
