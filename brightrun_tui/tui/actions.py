"""Every key of the app, declared once: dispatch, footer, help, command palette and docs/keys.md read this table.

The part of an id before the dot is its scope: ``app``, a screen, or a kind of widget; the part behind it names the
method ``action_<name>`` on the class of that scope.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from textual.binding import Binding, BindingType

from brightrun_tui.tui.action import Action, spell
from brightrun_tui.tui.dialog_actions import DIALOG_ACTIONS
from brightrun_tui.tui.screen_actions import SCREEN_ACTIONS
from brightrun_tui.tui.widget_actions import WIDGET_ACTIONS

SCOPES = {
    "app": "Everywhere",
    "integrations": "Integrations",
    "new_run": "New Run",
    "monitor": "Monitor",
    "registry": "Registry",
    "list": "Lists",
    "reading": "Texts",
    "chart": "Curves",
    "log": "Log",
    "alerts": "Alerts",
    "welcome": "Welcome",
    "field": "Fields",
    "filter": "Lines to filter and to find with",
    "form": "Forms",
    "choice": "Choices",
    "slider": "Sliders",
    "endpoint": "Endpoint",
    "compare_runs": "Runs side by side",
    "run_columns": "Columns of the runs table",
    "answers": "Is it right?",
    "chat": "Chat",
    "correct": "Writing",
    "corrections": "Corrections",
    "confirm": "Questions",
    "choose": "Something to choose",
    "pick": "Datasets to choose",
    "bases": "Base models",
    "columns": "Columns of a table",
    "report": "Findings in a dataset",
    "records": "Records of a dataset",
    "repair": "A new version of a dataset",
    "offers": "Machines for rent",
    "modal": "Dialogues",
}
"""Scope by name, with the words that people read."""

ACTIONS = (*SCREEN_ACTIONS, *WIDGET_ACTIONS, *DIALOG_ACTIONS)

BY_ID: dict[str, Action] = {action.id: action for action in ACTIONS}

_FROM_CONFIG: dict[str, Action] = {}


def use_keymap(keymap: Mapping[str, tuple[str, ...]]) -> None:
    """Give these actions these keys from now on: what footer, help and palette show."""
    _FROM_CONFIG.clear()
    _FROM_CONFIG.update({name: replace(BY_ID[name], keys=keys) for name, keys in keymap.items()})


def defaults() -> tuple[Action, ...]:
    """Return every action with the keys it has unasked."""
    return ACTIONS


def of_scope(scope: str) -> tuple[Action, ...]:
    """Return the actions of one scope, in the order of the table."""
    return tuple(_FROM_CONFIG.get(action.id, action) for action in ACTIONS if action.scope == scope)


def key_of(action_id: str) -> str:
    """Return the main key of an action as it is now, as people write it."""
    return _FROM_CONFIG.get(action_id, BY_ID[action_id]).key


def bindings(*scopes: str) -> list[BindingType]:
    """Return what a class of these scopes puts into its ``BINDINGS``."""
    return [
        Binding(",".join(action.keys), action.name, action.title, show=False, id=action.id)
        for scope in scopes
        for action in ACTIONS
        if action.scope == scope
    ]


IN_DIALOGUES = ("help", "palette", "theme", "screenshot", "suspend_process", "quit")
"""The app's actions that a dialogue lets through; Textual lets none of the app's keys through one."""


def dialogue_bindings() -> list[BindingType]:
    """Return the keys of these actions, for a dialogue's ``BINDINGS``; those that its own actions have taken mean these."""
    taken = {key for action in ACTIONS if action.scope == "modal" for key in action.keys}
    return [
        Binding(
            ",".join(key for key in action.keys if key not in taken), f"app.{action.name}", show=False, id=action.id
        )
        for action in ACTIONS
        if action.scope == "app" and action.name in IN_DIALOGUES
    ]


def find(scopes: Iterable[str], name: str) -> Action | None:
    """Return the action that ``name`` means on a node of these scopes."""
    for scope in scopes:
        if action := BY_ID.get(f"{scope}.{name}"):
            return action
    return None


def as_markdown() -> str:
    """Return the table for people, as docs/keys.md holds it."""
    parts = [
        (
            "# Keys\n\nEvery action can be reached by keyboard; `?` shows those that work where you are, "
            "`:` finds any by name.\nOther keys for an action go into config.toml, by the name of its place and its own: "
            '`[keys]` and below it `"monitor.pause" = "p ctrl+p"`.\n'
            "Actions marked • change something and are refused with `--read-only`.\n"
        )
    ]
    for scope, title in SCOPES.items():
        rows = "\n".join(_markdown_row(action) for action in ACTIONS if action.scope == scope)
        parts.append(f"## {title}\n\n| keys | action | what it does |\n|---|---|---|\n{rows}\n")
    return "\n".join(parts)


def _markdown_row(action: Action) -> str:
    keys = " ".join(f"`{key if key.startswith('ctrl+') else spell(key)}`" for key in action.keys)
    return f"| {keys} | {action.title}{' •' if action.changes else ''} | {action.help} |"
