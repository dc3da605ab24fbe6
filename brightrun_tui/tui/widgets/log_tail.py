"""Following a log file by byte offset. Call it from a thread; it knows nothing of widgets."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from brightrun_tui.lines import LineFollower, cut, from_next_line, read_span, split

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
        """Read a file; ``render`` makes the text of a whole line, None leaves it out; without it lines are cleaned and
        shown.

        ``span``: the bytes that are read, from the beginning of a line up to the end of one, or up to that of the file.
        """
        self.path = path
        self._render = render
        self._front, self.end = span
        self._begin = self._front
        self._file = LineFollower(path, self._front)
        self._rest = b""
        self._first = True

    def read(self) -> News | None:
        """Read what is new; None where nothing is. A file that is not there yet has nothing to say. Raises ``OSError``."""
        restarted = self._file.look()
        if restarted:
            self._front, self.end = 0, None
            self._begin, self._rest, self._first = 0, b"", True
        size = self._file.size if self.end is None else min(self._file.size, self.end)
        if size <= self._file.offset:
            return News(restarted=True) if restarted else None
        start, skipped, first = self._file.offset, 0, self._first
        limit = FIRST_BYTES if first else READ_BYTES
        if size - start > limit:
            skipped = size - limit - start
            start += skipped
            self._rest = b""
            self._begin = start if first else self._begin
        data = read_span(self.path, start, size)
        self._file.offset, self._first = start + len(data), False
        if skipped:
            whole_from = from_next_line(data)
            self._begin += len(data) - len(whole_from) if first else 0
            data = whole_from
        whole, rest = cut(self._rest + data)
        self._rest = rest[-4 * LINE_LIMIT :]
        lines = self._shown(whole)
        return News(lines, clean(self._rest) if self._render is None else "", 0 if first else skipped, restarted)

    @property
    def unread(self) -> int:
        """Bytes before the first line that was read."""
        return self._begin - self._front

    def older(self) -> tuple[str, ...]:
        """Read a piece of what lies before all that was read so far; nothing where that is the whole file. Raises ``OSError``."""
        if self._begin == self._front:
            return ()
        start = max(self._front, self._begin - FIRST_BYTES)
        data = read_span(self.path, start, self._begin)
        if start > self._front:
            data = from_next_line(data)
        self._begin = self._begin - len(data) if data else start
        return self._shown(data)

    def _shown(self, data: bytes) -> tuple[str, ...]:
        lines = (line.removesuffix(b"\n") for line in split(data))
        if self._render is None:
            return tuple(map(clean, lines))
        return tuple(text for line in lines if (text := self._render(line)) is not None)


def clean(line: bytes) -> str:
    """Return what a terminal would show of the line in the end: after the last carriage return, no control characters."""
    if b"\r" in line:
        line = line.rstrip(b"\r").rpartition(b"\r")[2]
    text = line[: 4 * LINE_LIMIT].decode("utf-8", "replace")
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    text = text.translate(_CONTROL)
    return text if len(text) <= LINE_LIMIT else text[:LINE_LIMIT] + " …"
