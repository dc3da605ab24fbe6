"""Documents packed into rows of one length, so that no step is spent on padding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_OPEN_ROWS = 48


def pack(documents: Iterable[list[int]], row_length: int, filler: int) -> Iterator[list[int]]:
    """Rows of exactly ``row_length`` token ids, each beginning with the beginning of a document.

    A document goes into the fullest open row that still has room (best fit); documents longer than a row are cut.
    What remains of a row is filled with ``filler``.
    """
    open_rows: list[list[int]] = []
    for document in documents:
        tokens = document[:row_length]
        fitting = [row for row in open_rows if len(row) + len(tokens) <= row_length]
        if fitting:
            max(fitting, key=len).extend(tokens)
            continue
        open_rows.append(list(tokens))
        if len(open_rows) > _OPEN_ROWS:
            fullest = max(open_rows, key=len)
            open_rows.remove(fullest)
            yield fullest + [filler] * (row_length - len(fullest))
    yield from (row + [filler] * (row_length - len(row)) for row in open_rows)
