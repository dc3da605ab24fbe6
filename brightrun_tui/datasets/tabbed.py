"""Tables with tabs that quote nothing, as databases and corpora are written: quotes in them are quotes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from brightrun_tui.datasets.source import MAX_RECORD_BYTES, SourceFile


def quotes_nothing(file: SourceFile, tabs: int) -> bool:
    """Say whether each line with anything in it has so many tabs, from the first that has, and there are double quotes in some:
    then no cell holds a tab or a line break, and each line is a row.
    """
    quoted = begun = False
    with file.data.open("rb") as stream:
        for line in iter(lambda: stream.readline(MAX_RECORD_BYTES), b""):
            quoted = quoted or b'"' in line
            even = line.count(b"\t") == tabs
            begun = begun or even
            if begun and not even and line.strip():
                return False
    return quoted and tabs > 0


def cells_by_tabs(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each line with its number; quotes around a whole cell, with none alone in it, are not part of it."""
    for number, line in lines:
        if line.strip():
            yield number, [_unquoted(cell) for cell in line.rstrip("\r\n").split("\t")]


def _unquoted(cell: str) -> str:
    if len(cell) < 2 or cell[0] != '"' or cell[-1] != '"':
        return cell
    inner = cell[1:-1].replace('""', "\0")
    return cell if '"' in inner else inner.replace("\0", '"')
