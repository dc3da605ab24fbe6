"""Text in cells: cut or filled to a width, without anything that would move the cursor."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from brightrun_tui.domain.humanize import NOTHING
from brightrun_tui.domain.text import sanitize


def stars(rating: int | None) -> str:
    return "★" * rating + "☆" * (5 - rating) if rating else NOTHING


def fit(text: str, width: int) -> str:
    """Return exactly ``width`` cells: cut with an ellipsis, or filled with spaces. Line breaks and tabs become spaces."""
    text = one_line(text)
    if cell_len(text) <= width:
        return text + " " * (width - cell_len(text))
    return set_cell_size(text, max(0, width - 1)) + "…" if width > 0 else ""


def fit_ref(ref: str, width: int) -> str:
    """Return ``name:version`` in exactly so many cells; where it is too long the name is cut: other versions have it, too."""
    name, colon, version = ref.rpartition(":")
    if not name or cell_len(one_line(ref)) <= width:
        return fit(ref, width)
    return fit(name, width - len(version) - 1) + colon + version


def one_line(text: str) -> str:
    """Return the text without anything that would move the cursor; line breaks become spaces."""
    return plain(text).replace("\n", " ")


def bar(fraction: float, width: int) -> tuple[str, str]:
    """Return the filled and the empty part of a progress bar of ``width`` cells, in half cells."""
    halves = round(max(0.0, min(1.0, fraction)) * width * 2)
    filled = "━" * (halves // 2) + ("╸" if halves % 2 else "")
    return filled, "─" * (width - len(filled))


def plain(text: str) -> str:
    """Return text of several lines without anything that would move the cursor, change colours or hide."""
    return sanitize(text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    "))
