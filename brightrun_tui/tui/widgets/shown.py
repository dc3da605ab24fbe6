"""Text that is made of data: what cannot be made costs its own place on the screen, not the screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from textual.content import Content
from textual.widget import Widget

Made = TypeVar("Made")


def shown(widget: Widget, build: Callable[[int], Made], width: int, instead: Callable[[Content], Made]) -> Made:
    """Return ``build(width)``; or tell the app what went wrong, and return ``instead`` of a short note."""
    try:
        return build(width)
    except Exception as error:
        widget.app._handle_exception(error)
        return instead(Content.styled("✗ this cannot be shown", "$error"))
