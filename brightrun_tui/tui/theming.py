"""Theme files: those that ship, and the person's own. One TOML file each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator
from textual.color import Color, ColorParseError
from textual.css.constants import VALID_STYLE_FLAGS
from textual.theme import Theme

from brightrun_tui.foreign_files import ForeignFileError, fit, read_toml
from brightrun_tui.paths import Paths
from brightrun_tui.resources import resource

DEFAULT_THEME = "bright-dark"
PLAIN_THEME = "bright-ansi"

STYLE_NAMES = ("style", "style-hover")
"""How variables end that are text styles rather than colours."""
_SHARE = re.compile(r"|\d{1,3}(\.\d{1,4})?%")

VARIABLE_DEFAULTS = {
    "on-accent": "#121416",
    "muted": "#949aa1",
    "faint": "#80878e",
    "line": "#4a5057",
    "curve-train": "#5fafff",
    "curve-train-raw": "#40566b",
    "curve-eval": "#ffaf5f",
}
"""Names that our style sheets use beside Textual's own, for themes that do not set them."""


class ThemeColors(BaseModel):
    """Colours as ``#rrggbb`` or ``ansi_<name>``; only ``primary`` must be given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    primary: str
    secondary: str | None = None
    accent: str | None = None
    foreground: str | None = None
    background: str | None = None
    surface: str | None = None
    panel: str | None = None
    success: str | None = None
    warning: str | None = None
    error: str | None = None

    @field_validator("*")
    @classmethod
    def _parses(cls, value: str | None) -> str | None:
        return None if value is None else _checked_colour(value)


class ThemeFile(BaseModel):
    """One theme file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str = ""
    dark: bool = True
    ansi: bool = False
    colors: ThemeColors
    variables: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")], str] = Field(default_factory=dict)

    @field_validator("variables")
    @classmethod
    def _fit(cls, variables: dict[str, str]) -> dict[str, str]:
        """Refuse a variable that is not a valid style: it becomes part of the style sheets, where it would be a broken
        rule.
        """
        for name, value in variables.items():
            if not name.endswith(STYLE_NAMES):
                _checked_colour(value, name)
            elif not value.split() or set(value.split()) - VALID_STYLE_FLAGS:
                raise ValueError(f"{name}: “{value}” is not text style")
        return variables

    def as_textual(self) -> Theme:
        """Return Textual's theme, which tells its sheets what black and white are where the colours are the terminal's."""
        own = {"ansi-background": "ansi_black", "ansi-foreground": "ansi_white"} if self.ansi else {}
        return Theme(
            name=self.name,
            dark=self.dark,
            ansi=self.ansi,
            variables={**VARIABLE_DEFAULTS, **own, **self.variables},
            **self.colors.model_dump(exclude_none=True),
        )


@dataclass(frozen=True)
class Themes:
    """What was found: themes by name (a person's own replace ours), and one sentence a bad file."""

    found: dict[str, ThemeFile]
    problems: tuple[str, ...]


def load_themes(paths: Paths) -> Themes:
    """Load our themes, then those in ``paths.user_themes``."""
    found: dict[str, ThemeFile] = {}
    problems: list[str] = []
    for directory in (resource("themes"), paths.user_themes):
        for path in sorted(directory.glob("*.toml")):
            try:
                theme = _read(path)
            except ForeignFileError as error:
                problems.append(f"{path.name}: {error.what}")
                continue
            found[theme.name] = theme
    return Themes(found, tuple(problems))


def _read(path: Path) -> ThemeFile:
    return fit(read_toml(path), ThemeFile, str(path))


def _checked_colour(value: str, name: str = "") -> str:
    """Return a colour, of a variable also ``auto``, either with a share such as ``50%`` behind it. Raises ``ValueError``."""
    colour, _, share = value.partition(" ")
    try:
        if colour not in ("auto", "initial") or not name:
            Color.parse(colour)
        if not _SHARE.fullmatch(share) or (share and not name):
            raise ColorParseError(value)
    except ColorParseError:
        raise ValueError(f"{name + ': ' if name else ''}“{value}” is not a colour") from None
    return value
