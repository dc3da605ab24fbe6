"""Keys of one's own: ``[keys]`` of config.toml, an action's id and the keys it is to have."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import RootModel, field_validator
from textual.keys import KEY_ALIASES, Keys, key_to_character

from brightrun_tui.config import load_section
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.foreign_files import dotted
from brightrun_tui.paths import Paths
from brightrun_tui.tui import actions
from brightrun_tui.tui.action import key_named, spell

EVERYWHERE = "app"
_MODIFIERS = {"ctrl", "shift", "alt"}
_NAMES = {key.value for key in Keys if key.value.isidentifier()} | {"plus"}
_THE_SAME = {other: key for key, others in KEY_ALIASES.items() for other in others}
"""What a terminal sends as another key: ``ctrl+i`` is ``tab``."""


class KeySettings(RootModel[dict[str, str]]):
    """``[keys]``: for an action, such as ``"monitor.pause"``, its keys with blanks between, such as ``"p ctrl+p"``. A table for
    each place, ``[keys.monitor]``, says the same.
    """

    @field_validator("root", mode="before")
    @classmethod
    def _as_one_table(cls, given: Any) -> Any:
        return dotted(given) if isinstance(given, dict) else given


def load_keymap(paths: Paths) -> dict[str, tuple[str, ...]]:
    """Return keys, as Textual names them, by action id.

    Raises:
        UsageError: no such action, not a key, or two actions of one place on one key.
    """
    settings = load_section(paths, "keys", KeySettings).root
    keymap = {action_id: _keys(action_id, text, paths) for action_id, text in settings.items()}
    _refuse_clashes(keymap, paths)
    return keymap


def _keys(action_id: str, text: str, paths: Paths) -> tuple[str, ...]:
    if action_id not in actions.BY_ID:
        close = get_close_matches(action_id, list(actions.BY_ID), n=1)
        raise _wrong(
            paths,
            action_id,
            f"there is no action “{action_id}”",
            f"did you mean {close[0]}?" if close else "docs/keys.md has them all",
        )
    named = [key_named(word) for word in text.split()]
    keys = tuple(dict.fromkeys(_THE_SAME.get(key, key) for key in named))
    wrong = next((key for key in keys if not _is_key(key)), "" if keys else text)
    if wrong or not keys:
        raise _wrong(paths, action_id, f"“{wrong[:40]}” is not a key", "write it like p, P, ctrl+p, f5 or ?")
    return keys


def _is_key(key: str) -> bool:
    """Say whether any terminal sends it: with shift a letter is another letter, and no more needs to be said of it."""
    *modifiers, name = key.split("+")
    letter = len(name) == 1 and name.isalnum()
    named = name in _NAMES or (len(name) > 1 and len(key_to_character(name) or "") == 1)
    once = len(set(modifiers)) == len(modifiers) and set(modifiers) <= _MODIFIERS
    return once and (named or letter) and not (letter and "shift" in modifiers and "ctrl" not in modifiers)


def _refuse_clashes(keymap: Mapping[str, tuple[str, ...]], paths: Paths) -> None:
    """Refuse one key for two actions in one place: a place is a scope together with what works everywhere."""
    for action_id, keys in keymap.items():
        scope = actions.BY_ID[action_id].scope
        for other in actions.defaults():
            if other.id == action_id or (scope != EVERYWHERE and other.scope not in (scope, EVERYWHERE)):
                continue
            for key in keys:
                if key in keymap.get(other.id, other.keys):
                    raise _wrong(
                        paths,
                        action_id,
                        f"the key “{spell(key)}” is “{other.title}” ({other.id}) already",
                        f"choose another key, or give {other.id} another one, too",
                    )


def _wrong(paths: Paths, action_id: str, what: str, fix: str) -> UsageError:
    return UsageError(what, where=f"{paths.config_file}: [keys] {action_id}", fix=fix, kind=ErrorKind.BAD_CONFIG)
