"""The last gate before the screen: styled text without anything that a terminal would obey."""

from __future__ import annotations

from textual.content import Content


def harmless(content: Content) -> Content:
    """The same text and styles with every control character (escape codes, carriage returns …) as a space.

    Line breaks stay. Textual itself removes only a few of them.
    """
    text = content.plain
    if text.isprintable():
        return content
    clean = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)
    return content if clean == text else Content(clean, spans=list(content.spans))
