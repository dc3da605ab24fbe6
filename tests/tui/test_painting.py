"""What is painted after a change: only what it is about, and every cell of that as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from textual._compositor import ChopsUpdate, Compositor
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from brightrun_tui.paths import Paths
from tests.tui.conftest import Opened

Cell = tuple[int, int, str, object]


def cells(segments: list[Segment], x: int, y: int) -> Iterator[Cell]:
    """Column, line, letter and style of each letter from there on."""
    for text, style, _ in segments:
        for letter in text:
            yield x, y, letter, style
            x += cell_len(letter)


def painted(update: ChopsUpdate) -> Iterator[Cell]:
    """What it paints of each of its spans, in which its cuts may begin earlier and end later."""
    for y, left, right in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=True):
            if x < right and left < end:
                assert strip is not None, f"nothing is painted at {x}, {y}"
                yield from (cell for cell in cells([*strip], x, y) if left <= cell[0] < right)


async def test_a_change_renders_what_it_is_about_and_paints_what_is_there(
    seeded: Paths, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moving in a list, in a form, and in dialogues over them; a part that is changed while another one covers it."""
    update, render = Compositor.render_partial_update, Widget.render_lines
    rendered: list[Widget] = []
    spared = 0

    def render_lines(self: Widget, crop: Region) -> list[Strip]:
        rendered.append(self)
        return render(self, crop)

    def render_partial_update(self: Compositor) -> ChopsUpdate | None:
        nonlocal spared
        about, there = {*self._dirty_regions}, {**self.visible_widgets}
        rendered.clear()
        found = update(self)
        if found is not None:
            shown = {widget: region.intersection(clip) for widget, (region, clip) in there.items()}
            strangers = [one for one in rendered if one in shown and not any(map(shown[one].overlaps, about))]
            assert not strangers, "rendered for nothing"
            spared += len(there) - len(rendered)
            whole = {cell for y, strip in enumerate(self.render_strips()) for cell in cells([*strip], 0, y)}
            assert {*painted(found)} <= whole, "something else is painted than what is there"
        return found

    monkeypatch.setattr(Widget, "render_lines", render_lines)
    monkeypatch.setattr(Compositor, "render_partial_update", render_partial_update)
    async with opened(seeded) as driver:
        for keys in (
            "3 j j k A c z escape",
            "2 escape j j k a j",
            "4 j j k",
            "colon escape f1 escape",
            "3 s escape f2 down",
        ):
            await driver.press(*keys.split())
    assert spared > 100
