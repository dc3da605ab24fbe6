"""A picture of dots, eight to a character cell, each cell in the colour of what was drawn there last."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

BELOW = "raw"
"""The role that others are drawn over without wiping it out."""
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


@dataclass(frozen=True)
class Pen:
    """A role, and which dots of a line are drawn: ``on`` of every ``period``."""

    role: str
    on: int = 1
    period: int = 1


class Canvas:
    """``columns`` × ``rows`` cells. Dots count from the top left; what lies outside is not drawn."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self._dots = [[0] * columns for _ in range(rows)]
        self._roles: list[list[str]] = [["axis"] * columns for _ in range(rows)]
        self._letters: dict[tuple[int, int], tuple[str, str]] = {}

    @property
    def width(self) -> int:
        """In dots."""
        return 2 * self.columns

    @property
    def height(self) -> int:
        """In dots."""
        return 4 * self.rows

    def dot(self, x: int, y: int, role: str) -> None:
        if 0 <= x < self.width and 0 <= y < self.height:
            row, column = y >> 2, x >> 1
            if self._dots[row][column] and self._roles[row][column] not in (role, BELOW):
                self._dots[row][column] = 0  # two lines in one cell: the later one keeps its shape and colour
            self._roles[row][column] = role
            self._dots[row][column] |= _BITS[y & 3][x & 1]

    def line(self, points: list[tuple[int, int]], pen: Pen) -> None:
        """Draw a line through all points; one that is too short for its pen is a dot."""
        drawn = False
        for (x0, y0), (x1, y1) in pairwise(points):
            y0, y1 = (max(-1, min(self.height, y)) for y in (y0, y1))
            steps = max(abs(x1 - x0), abs(y1 - y0), 1)
            for step in range(steps + 1):
                x = x0 + round((x1 - x0) * step / steps)
                y = y0 + round((y1 - y0) * step / steps)
                if pen.period == 1 or (x + y) % pen.period < pen.on:
                    self.dot(x, y, pen.role)
                    drawn = True
        if points and not drawn:
            self.dot(*points[0], pen.role)

    def column(self, x: int, role: str) -> None:
        """Draw a thin vertical line through the cells, below everything else."""
        for row in range(self.rows):
            if 0 <= x >> 1 < self.columns and not self._dots[row][x >> 1]:
                self._letters.setdefault((row, x >> 1), (role, "│"))

    def write(self, row: int, column: int, text: str, role: str) -> None:
        """Write letters over the picture."""
        for offset, letter in enumerate(text):
            if 0 <= row < self.rows and 0 <= column + offset < self.columns:
                self._letters[row, column + offset] = (role, letter)

    def lines(self) -> list[list[tuple[str, str]]]:
        """Return each row as stretches of one role."""
        found = []
        for row in range(self.rows):
            parts: list[tuple[str, str]] = []
            for column in range(self.columns):
                dots = self._dots[row][column]
                role, letter = self._letters.get(
                    (row, column), (self._roles[row][column], chr(0x2800 + dots) if dots else " ")
                )
                if parts and parts[-1][0] == role:
                    parts[-1] = (role, parts[-1][1] + letter)
                else:
                    parts.append((role, letter))
            found.append(parts)
        return found
