"""The lines of a log that are kept, and of these the ones that are shown: as bad as is asked for, in pieces that fit. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from brightrun_tui.tui.widgets.log_lines import Severity, at_least, wrapped


class KeptLog:
    """``kept``: whole lines, oldest first. ``lines``: what is shown of them, ``width`` characters at most; ``matches``: how many
    of these have what is looked for. ``least``: how bad a line has to be to be shown. ``room``: the width to which long lines are
    cut where ``wrap`` is set.
    """

    def __init__(self) -> None:
        self.least = Severity.INFO
        self.wrap = False
        self.room = 0
        self.needle = ""
        self.clear()

    def clear(self) -> None:
        """Forget all lines; what is shown of those to come stays as it was asked for."""
        self.kept: list[str] = []
        self.lines: list[str] = []
        self.width = self.matches = 0
        self._severity = Severity.INFO

    def add(self, lines: Sequence[str]) -> int:
        """Put lines behind all others; return how many more are shown."""
        self.kept.extend(lines)
        fresh = self._arranged(lines)
        self.lines.extend(fresh)
        self.matches += self._count(fresh)
        self.width = max(self.width, *map(len, fresh), 0)
        return len(fresh)

    def drop(self, count: int) -> int:
        """Let go of the first lines; return how many of them were shown."""
        severity, self._severity = self._severity, Severity.INFO
        shown = self._arranged(self.kept[:count])
        self._severity = severity
        self.matches -= self._count(shown)
        del self.kept[:count]
        del self.lines[: len(shown)]
        return len(shown)

    def arrange(self) -> None:
        """Make what is shown anew from what is kept."""
        self._severity = Severity.INFO
        self.lines = self._arranged(self.kept)
        self.matches = self._count(self.lines)
        self.width = max(map(len, self.lines), default=0)

    def search(self, needle: str) -> None:
        """Look for ``needle``, whatever its letters' case; for nothing if it is empty."""
        self.needle = needle.casefold()
        self.matches = self._count(self.lines)

    def is_match(self, line: str) -> bool:
        """Say whether a line has what is looked for."""
        return bool(self.needle) and self.needle in line.casefold()

    def _count(self, lines: Sequence[str]) -> int:
        return sum(map(self.is_match, lines))

    def _arranged(self, lines: Sequence[str]) -> list[str]:
        """Return those of new lines that are shown, in the pieces in which they are."""
        found = list(lines)
        if self.least:
            found, self._severity = at_least(lines, self.least, self._severity)
        if not self.wrap:
            return found
        return [piece for line in found for piece in wrapped(line, self.room)]
