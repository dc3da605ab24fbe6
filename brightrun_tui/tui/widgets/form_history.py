"""What the form of a new run was before each change, so that every change can be taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from brightrun_tui.planning.draft import Draft

MOST_KEPT = 200


@dataclass(frozen=True)
class FormState:
    """The draft, and the settings as they were typed (some may not fit, and are not in the plan)."""

    draft: Draft
    typed: Mapping[str, str] = field(default_factory=dict)


class FormHistory:
    """States from before each change, newest last. What is typed into one field in one go is one change."""

    def __init__(self) -> None:
        self._states: list[FormState] = []
        self._open = ""

    def __bool__(self) -> bool:
        return bool(self._states)

    def push(self, state: FormState, key: str = "") -> None:
        """Remember ``state`` before a change to the field ``key``; nothing while the same field is being changed."""
        if key and key == self._open:
            return
        self._open = key
        self._states.append(state)
        del self._states[:-MOST_KEPT]

    def close(self, state: FormState) -> None:
        """Close the change: the next one of the same field is one of its own; what left the form in ``state`` as it was before
        is none.
        """
        self._open = ""
        if self._states and self._states[-1] == state:
            self._states.pop()

    def pop(self) -> FormState | None:
        """Return the state before the last change; None if nothing was changed."""
        self._open = ""
        return self._states.pop() if self._states else None
