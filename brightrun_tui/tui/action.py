"""One thing that a person can do in the app, and how its keys are written."""

from __future__ import annotations

from dataclasses import dataclass

_SPELLED = {
    "question_mark": "?",
    "colon": ":",
    "exclamation_mark": "!",
    "slash": "/",
    "dollar_sign": "$",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "escape": "esc",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "delete": "del",
}


def spell(key: str) -> str:
    """Return a key as people write it: ``ctrl+p`` → ``^p``, ``question_mark`` → ``?``."""
    if key.startswith("ctrl+"):
        return "^" + key.removeprefix("ctrl+")
    if key.startswith("shift+"):
        return "shift+" + spell(key.removeprefix("shift+"))
    return _SPELLED.get(key, key)


def key_named(text: str) -> str:
    """Return a key as Textual names it, from how people write it: ``?`` → ``question_mark``, ``^p`` → ``ctrl+p``."""
    if text.startswith("^") and len(text) == 2:
        return f"ctrl+{text[1]}"
    return next((name for name, spelled in _SPELLED.items() if spelled == text), text)


@dataclass(frozen=True)
class Action:
    """One thing a person can do.

    Args:
        id: ``scope.name``; also the id by which a key can be remapped.
        keys: as Textual names them; the first is the one shown.
        title: two or three words for footer and palette.
        help: one sentence for the help overlay and the docs.
        changes: it changes something, so read-only mode refuses it.
        footer: 0 keeps it out of the footer; else 1 is shown first and survives the narrowest terminal.
        palette: whether the command palette offers it.
    """

    id: str
    keys: tuple[str, ...]
    title: str
    help: str
    changes: bool = False
    footer: int = 0
    palette: bool = True

    @property
    def scope(self) -> str:
        return self.id.partition(".")[0]

    @property
    def name(self) -> str:
        return self.id.partition(".")[2]

    @property
    def key(self) -> str:
        """The main key as people write it."""
        return spell(self.keys[0])

    @property
    def all_keys(self) -> str:
        """Every key, as people write them."""
        return "  ".join(spell(key) for key in self.keys)


def action(
    id_: str, keys: str, title: str, help_: str, *, changes: bool = False, footer: int = 0, palette: bool = True
) -> Action:
    return Action(id_, tuple(keys.split()), title, help_, changes, footer, palette)
