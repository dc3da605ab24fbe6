"""The last gate before the screen: styled text without anything that a terminal would obey."""

from __future__ import annotations

from textual.content import Content

from brightrun_tui.domain import text


def sanitize_content(content: Content) -> Content:
    """Return the same text and styles without what `domain.text.sanitize` takes out. Textual itself removes only a little of
    it.
    """
    clean = text.sanitize(content.plain)
    return content if clean == content.plain else Content(clean, spans=list(content.spans))
