"""A screen as text that can be kept in a file: its letters, then the style of every cell, then what the styles are."""

from __future__ import annotations

from itertools import groupby
from string import ascii_lowercase
from typing import Any

from rich.cells import cell_len
from textual.app import App


def picture(app: App[Any]) -> str:
    """Lines of the styles read ``a12 b4``: twelve cells in style a, four in style b."""
    names: dict[str, str] = {}
    letters: list[str] = []
    styles: list[str] = []
    for row in app.screen._compositor.render_strips()[: app.size.height]:
        letters.append("".join(piece.text for piece in row).rstrip())
        runs = [
            (style, sum(cell_len(piece.text) for piece in pieces))
            for style, pieces in groupby(row, lambda piece: str(piece.style or "none"))
        ]
        styles.append(" ".join(f"{names.setdefault(style, _name(len(names)))}{cells}" for style, cells in runs))
    legend = [f"{name}  {style}" for style, name in names.items()]
    return "\n".join([*letters, "", *styles, "", *legend, ""])


def _name(number: int) -> str:
    """a … z, aa, ab …"""
    more, last = divmod(number, len(ascii_lowercase))
    return (_name(more - 1) if more else "") + ascii_lowercase[last]
