"""Tables on a terminal: whatever there is no room for is folded or left out as a column, and nothing is cut short."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.table import Column, Table
from rich.text import Text

GAP = 3
"""Columns of the terminal between two columns of a table."""
WORD = 12
"""Amounts, states and short names are no longer than that, and are not folded."""
LEAST = 8
"""What folded text needs to be legible."""


def fitting_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], width: int, spare: Sequence[str] = ()
) -> Table:
    """Return a table that is no wider than ``width``, if possible.

    Args:
        rows: cells of one line each.
        spare: columns that go, in this order, where there is no room; before them those that are empty.
    """
    shown = [(name, [row[at] for row in rows]) for at, name in enumerate(columns)]
    if sum(_longest(name, *cells) + GAP for name, cells in shown) <= width:
        return _table([Column(name) for name, _ in shown], shown)
    shown = [(name, cells) for name, cells in shown if any(cells)]
    for name in spare:
        if sum(_least(*one) + GAP for one in shown) > width:
            shown = [one for one in shown if one[0] != name]
    return _table(
        [
            Column("\n".join(textwrap.wrap(name, _least(name, cells))), no_wrap=_whole(cells), overflow="fold")
            for name, cells in shown
        ],
        shown,
    )


def _table(heads: list[Column], shown: list[tuple[str, list[str]]]) -> Table:
    table = Table(*heads, box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for cells in zip(*(cells for _, cells in shown), strict=True):
        table.add_row(*map(Text, cells))
    return table


def _whole(cells: Sequence[str]) -> bool:
    return all(" " not in cell and cell_len(cell) <= WORD for cell in cells)


def _least(name: str, cells: Sequence[str]) -> int:
    """Return the width below which it would not be legible."""
    return max(_longest(*name.split()), _longest(*cells) if _whole(cells) else LEAST)


def _longest(*words: str) -> int:
    return max(map(cell_len, words), default=0)
