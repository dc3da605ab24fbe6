"""Text that arranges itself anew for every width: headings, label and value, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import RenderResult
from textual.content import Content
from textual.geometry import Region, Size
from textual.widget import Widget

from brightrun_tui.tui.widgets import cells
from brightrun_tui.tui.widgets.sanitize import sanitize_content
from brightrun_tui.tui.widgets.shown import shown

Lines = list[Content]
Build = Callable[[int], Lines]
TALL = 34
"""Rows of the terminal from which on there is room for all that a text has to say."""


class Flow(Widget):
    """Shows what ``build(width)`` makes; as high as it needs to be."""

    DEFAULT_CSS = "Flow { height: auto; width: 1fr; }"

    def __init__(self, build: Build | None = None, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._build: Build = build or (lambda width: [])
        self._made: tuple[int, Lines] = (-1, [])
        self._awaited = False

    def show(self, build: Build) -> None:
        """Show something else; painted only if it looks different. What has no place yet asks for one once: where it is hidden,
        every asking would lay out, and so paint, the others."""
        self._build = build
        width = self._made[0]
        if width < 1:
            if not self._awaited:
                self._awaited = True
                self.refresh(layout=True)
            return
        old, new = self._made[1], self._make(width)
        self._made = (width, new)
        if len(old) != len(new):
            self.refresh(layout=self.styles.is_auto_height)
            return
        changed = [place for place, (a, b) in enumerate(zip(old, new, strict=True)) if not a.is_same(b)]
        if changed:
            self.refresh(*(Region(0, place, self.content_size.width, 1) for place in changed))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def render(self) -> RenderResult:
        return Content("\n").join(self._lines(self.content_size.width))

    def _lines(self, width: int) -> Lines:
        if self._made[0] != width:
            self._made = (width, self._make(max(8, width)))
        return self._made[1]

    def _make(self, width: int) -> Lines:
        return shown(
            self, lambda cells: [_whole(line, cells) for line in self._build(cells)], width, lambda note: [note]
        )


def _whole(line: Content, width: int) -> Content:
    """Return the line, safe to show; what there is no room for is not left out without a sign."""
    clean = sanitize_content(line)
    return clean if clean.cell_length <= width else clean.truncate(width, ellipsis=True)


def text(value: str | Content, width: int, style: str = "", *, most: int | None = None) -> Lines:
    """Wrap text; a plain string is freed of control characters first. Where it takes more than ``most`` lines, the last
    of them is filled up and ends in an ellipsis.
    """
    content = value if isinstance(value, Content) else Content(cells.plain(value))
    lines = (content.stylize(style) if style else content).wrap(max(4, width))
    if most is None or len(lines) <= most:
        return lines
    rest = Content(" ").join([line.rstrip() for line in lines[most - 1 :]])
    return [*lines[: most - 1], rest.truncate(max(4, width), ellipsis=True)]


def heading(value: str, width: int, note: str = "") -> Lines:
    """Return a title with a thin line behind it."""
    note = f"  {cells.one_line(note)}" if note else ""
    title = Content.assemble((cells.one_line(value), "bold $primary"), (note, "$muted"))
    return [Content.assemble(title, " ", ("─" * max(0, width - title.cell_length - 1), "$line"))]


def pair(label: str, value: str | Content, width: int, label_width: int = 14, *, most: int | None = None) -> Lines:
    """Return a label and its value; a long value goes on below itself, for ``most`` lines in all."""
    body = text(value, width - label_width, most=most)
    return [
        Content.assemble(((label if not index else "").ljust(label_width), "$muted"), line)
        for index, line in enumerate(body)
    ]


def pairs(rows: Sequence[tuple[str, str | Content]], width: int, label_width: int = 14) -> Lines:
    return [line for label, value in rows for line in pair(label, value, width, label_width)]


def beside(left: Lines, right: Lines, width: int, gap: int = 3) -> Lines:
    """Set two columns of half the width each side by side, with a thin line between them."""
    half = column_width(width, gap)
    blank = Content("")
    result = []
    for index in range(max(len(left), len(right))):
        first = left[index] if index < len(left) else blank
        second = right[index] if index < len(right) else blank
        result.append(
            Content.assemble(first.pad_right(max(0, half - first.cell_length)), (" │ ".center(gap), "$line"), second)
        )
    return result


def by_two(blocks: Sequence[Lines], width: int) -> Lines:
    """Set any number of blocks two by two, each made for `column_width`."""
    lines: Lines = []
    for at in range(0, len(blocks), 2):
        lines += beside(blocks[at], blocks[at + 1] if at + 1 < len(blocks) else [], width)
    return lines


def column_width(width: int, gap: int = 3) -> int:
    return max(4, (width - gap) // 2)


def indented(lines: Lines, by: int = 2, mark: str = "", style: str = "$line") -> Lines:
    """Move to the right; ``mark`` stands at the left of every line."""
    return [Content.assemble((mark.ljust(by), style), line) for line in lines]


def marked(lines: Lines, by: int, mark: str, style: str) -> Lines:
    """Move to the right; ``mark`` stands at the left of the first line only, so that what is wrapped reads as one thing."""
    return [Content.assemble(((mark if not index else "").ljust(by), style), line) for index, line in enumerate(lines)]
