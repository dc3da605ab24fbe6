"""Lines of files that grow and of streams: read on by byte offset, whole lines only, a piece at a time.

A line ends with a line feed and with nothing else; what a progress bar draws with carriage returns is one line. Blocking.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

PIECE_BYTES = 4 << 20
_BLOCK = 64 << 10


class LineFollower:
    """Reads a file on from ``offset``, which may be set to go on elsewhere. A file that is not there yet has no lines.

    The file may have become shorter, or be another one under the same name: `look` says so, and what follows is read from
    its beginning. ``size``: its bytes at the last look.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path, self.offset, self.size = path, offset, 0
        self._inode = 0

    def look(self) -> bool:
        """Look at the file again, and say whether it begins anew. Raises ``OSError``."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self.size = 0
            return False
        anew = bool(self._inode) and (status.st_ino != self._inode or status.st_size < self.offset)
        self.size, self._inode = status.st_size, status.st_ino
        if anew:
            self.offset = 0
        return anew

    def read(self, limit: int = PIECE_BYTES) -> bytes:
        """Read the whole lines among the next ``limit`` bytes; nothing where there is none yet. Raises ``OSError``.

        A line that is longer than ``limit`` comes in pieces of that length.
        """
        data = read_span(self.path, self.offset, self.offset + limit)
        whole, rest = cut(data)
        if not whole and len(rest) >= limit:
            whole = rest
        self.offset += len(whole)
        return whole


def read_span(path: Path, begin: int, end: int | None = None) -> bytes:
    """Read these bytes of a file, without ``end`` all from ``begin`` on; nothing where it is not there. Raises ``OSError``."""
    try:
        with path.open("rb") as file:
            file.seek(begin)
            return file.read(-1 if end is None else max(0, end - begin))
    except FileNotFoundError:
        return b""


def cut(data: bytes) -> tuple[bytes, bytes]:
    """Cut ``data`` into its whole lines and the rest, a line that is still being written."""
    end = data.rfind(b"\n") + 1
    return data[:end], data[end:]


def split(data: bytes) -> Iterator[bytes]:
    """Iterate over the lines of ``data``, each with its line feed; the last one may lack it."""
    return iter(io.BytesIO(data))


def from_next_line(data: bytes) -> bytes:
    """Leave out the line that ``data`` begins in the middle of."""
    return data.partition(b"\n")[2]


def backwards(path: Path) -> Iterator[tuple[int, bytes]]:
    """Iterate over the lines of a file from the last, which may be unfinished, to the first, each with where it begins.

    A block is read at a time; a line longer than `PIECE_BYTES` comes in pieces. Raises ``OSError``.
    """
    with path.open("rb") as file:
        begin, rest = file.seek(0, os.SEEK_END), b""
        while begin:
            size = min(_BLOCK, begin)
            begin -= size
            file.seek(begin)
            rest, *lines = list(split(file.read(size) + rest)) or [b""]
            place = begin + len(rest) + sum(map(len, lines))
            for line in reversed(lines):
                place -= len(line)
                yield place, line
            if len(rest) >= PIECE_BYTES:
                yield begin, rest
                rest = b""
        if rest:
            yield 0, rest


def line_break(path: Path) -> bytes:
    """Return what has to come first so that a new line begins at the end of a file. Raises ``OSError``."""
    try:
        with path.open("rb") as file:
            if not file.seek(0, os.SEEK_END):
                return b""
            file.seek(-1, os.SEEK_END)
            return b"" if file.read(1) == b"\n" else b"\n"
    except FileNotFoundError:
        return b""
