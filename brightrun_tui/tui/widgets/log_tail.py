"""Following a log file by byte offset. Call it from a thread; it knows nothing of widgets."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

FIRST_BYTES = 512 * 1024
READ_BYTES = 4 * 1024 * 1024
LINE_LIMIT = 2_000

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL: dict[int, str | None] = {
    **dict.fromkeys((*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0))),
    0x09: "    ",
}


@dataclass(frozen=True)
class News:
    """What a look at the file brought.

    Args:
        lines: whole lines, cleaned.
        tail: the line still being written (a progress bar, say), cleaned.
        skipped: bytes left out before ``lines`` since the last look.
        restarted: the file is a new one; what was shown before is of the old one.
    """

    lines: tuple[str, ...] = ()
    tail: str = ""
    skipped: int = 0
    restarted: bool = False


class LogTail:
    """Reads on from where it stopped. The end of a long file comes first, what lies before it when it is asked for.

    What comes too fast is skipped and counted.
    """

    def __init__(
        self, path: Path, render: Callable[[bytes], str | None] | None = None, span: tuple[int, int | None] = (0, None)
    ) -> None:
        """``render`` makes the text of a whole line, None leaves it out; without it lines are cleaned and shown.

        ``span``: the bytes that are read, from the beginning of a line up to the end of one, or up to that of the file.
        """
        self.path = path
        self._render = render
        self._front, self.end = span
        self._offset = self._begin = self._front
        self._inode = 0
        self._rest = b""
        self._first = True

    def read(self) -> News | None:
        """What is new, or None. A file that is not there yet has nothing to say. Raises ``OSError``."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        restarted = bool(self._inode) and (status.st_ino != self._inode or status.st_size < self._offset)
        if restarted:
            self._front, self.end = 0, None
            self._offset, self._begin, self._rest, self._first = 0, 0, b"", True
        self._inode = status.st_ino
        size = status.st_size if self.end is None else min(status.st_size, self.end)
        if size <= self._offset:
            return News(restarted=True) if restarted else None
        start, skipped, first = self._offset, 0, self._first
        limit = FIRST_BYTES if first else READ_BYTES
        if size - start > limit:
            skipped = size - limit - start
            start += skipped
            self._rest = b""
            self._begin = start if first else self._begin
        with self.path.open("rb") as file:
            file.seek(start)
            data = file.read(size - start)
        self._offset, self._first = start + len(data), False
        if skipped:
            cut, _, data = data.partition(b"\n")
            self._begin += len(cut) + 1 if first else 0
        whole, newline, rest = (self._rest + data).rpartition(b"\n")
        self._rest = rest[-4 * LINE_LIMIT :]
        lines = self._shown(whole.split(b"\n") if newline else [])
        return News(lines, clean(self._rest) if self._render is None else "", 0 if first else skipped, restarted)

    @property
    def unread(self) -> int:
        """Bytes before the first line that was read."""
        return self._begin - self._front

    def older(self) -> tuple[str, ...]:
        """A piece of what lies before all that was read so far; nothing where that is the whole file. Raises ``OSError``."""
        if self._begin == self._front:
            return ()
        start = max(self._front, self._begin - FIRST_BYTES)
        with self.path.open("rb") as file:
            file.seek(start)
            data = file.read(self._begin - start)
        if start > self._front:
            cut, newline, data = data.partition(b"\n")
            start += len(cut) + len(newline)
        self._begin = start if data else max(self._front, self._begin - FIRST_BYTES)
        return self._shown(data.removesuffix(b"\n").split(b"\n") if data else [])

    def _shown(self, lines: Sequence[bytes]) -> tuple[str, ...]:
        if self._render is None:
            return tuple(map(clean, lines))
        return tuple(text for line in lines if (text := self._render(line)) is not None)


def clean(line: bytes) -> str:
    """What a terminal would show of the line in the end: after the last carriage return, no control characters."""
    if b"\r" in line:
        line = line.rstrip(b"\r").rpartition(b"\r")[2]
    text = line[: 4 * LINE_LIMIT].decode("utf-8", "replace")
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    text = text.translate(_CONTROL)
    return text if len(text) <= LINE_LIMIT else text[:LINE_LIMIT] + " …"
