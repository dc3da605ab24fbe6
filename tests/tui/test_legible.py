"""What stands on the screen is whole: no word cut without a sign, no table wider than its room, no number without its unit."""

from __future__ import annotations

import pytest

from brightrun_tui.domain.curve import MEMORY, UTILISATION
from brightrun_tui.domain.money import GIB, Hardware, Offer
from brightrun_tui.domain.settings import iter_settings
from brightrun_tui.paths import Paths
from brightrun_tui.planning.base_fit import base_fits
from brightrun_tui.planning.offers import WeighedOffer
from brightrun_tui.tui.ascii_driver import like
from brightrun_tui.tui.widgets import cells, choice_text, offer_text
from brightrun_tui.tui.widgets.chart import View
from brightrun_tui.tui.widgets.chart_scene import Scene, Strand, chart_of, picture
from brightrun_tui.tui.widgets.form import FormRow
from tests.tui.conftest import SIZES, Opened
from tests.tui.test_new_run import choose_example, open_form


@pytest.fixture
def first_mode() -> str:
    return "new_run"


@pytest.mark.parametrize("size", [*SIZES, (60, 30), (200, 50)])
async def test_a_label_is_whole_or_says_that_it_is_not(paths: Paths, opened: Opened, size: tuple[int, int]) -> None:
    """“Gradient checkpointing” is never “Gradient”."""
    async with opened(paths, size) as driver:
        await open_form(driver)
        await choose_example(driver)
        await driver.press("a")
        for setting in iter_settings():
            row = next(row for row in driver.app.screen.query(FormRow) if row.label == setting.title)
            row.scroll_visible(animate=False, immediate=True)
            await driver.pilot.pause()
            line = driver.text().splitlines()[row.region.y][row.region.x :]
            assert line.startswith(setting.title) or "…" in line[: len(setting.title)], line


@pytest.mark.parametrize("size", SIZES)
async def test_a_bar_to_type_in_moves_nothing_sideways(paths: Paths, opened: Opened, size: tuple[int, int]) -> None:
    """Searching in the log and finding a setting take a line, and no column."""
    async with opened(paths, size) as driver:
        await open_form(driver)
        for screen, keys in (("new_run", ("slash", "r")), ("monitor", ("L", "slash", "r"))):
            await driver.visit(screen)
            before = driver.one("#body").size.width
            await driver.press(*keys)
            await driver.sees(" r")
            assert driver.one("#body").size.width == before == size[0], screen
            assert not driver.app.screen.max_scroll_x and not driver.app.screen.max_scroll_y
            await driver.press("escape")


@pytest.mark.parametrize("width", [44, 60, 70, 74, 110, 114])
def test_a_machine_for_rent_has_its_price_at_every_width(width: int) -> None:
    """What this run costs there is the last to go."""
    machine = Hardware(device="cuda", gpu="NVIDIA RTX 4090", gpu_count=1, gpu_memory=24 * GIB)
    offer = Offer(provider="vast", id="1", hardware=machine, price_per_hour=1234.5)
    one = WeighedOffer(offer=offer, memory=GIB, fits="safe", seconds=240.0, cost_usd=98.76, cost_usd_high=99.0)
    row, head = offer_text.table_row(one, width), offer_text.table_head(width)
    assert row.cell_length <= width and head.cell_length <= width
    assert "$98.76" in row.plain and "this run" in head.plain


@pytest.mark.parametrize("width", [48, 70, 71, 108, 109])
def test_the_table_of_bases_fits_its_room(paths: Paths, width: int) -> None:
    """A base is one line, its columns below their names."""
    head = choice_text.row(choice_text.HEAD, width)
    for fit in base_fits(None, paths):
        assert len(choice_text.base_row(fit, width)) <= width
    assert len(head) <= width and "fits" in head


def test_an_axis_says_what_its_numbers_are() -> None:
    """Bytes are GiB there as in the legend, shares per cent."""
    strand = Strand([1.0, 2.0, 3.0], [0.9] * 3, [0.9] * 3, [0.85, 0.9, 0.95])
    load = picture(Scene((chart_of(UTILISATION, {"utilisation": strand}, View()),), View()), 60, 12)
    assert any("90 %" in text or "90.0 %" in text for row in load.rows for _, text in row)
    values = [31.0 * GIB, 32.0 * GIB, 33.0 * GIB]
    memory = chart_of(MEMORY, {"memory_used": Strand([1.0, 2.0, 3.0], values, values, values)}, View())
    assert any("32.0 GiB" in text for row in picture(Scene((memory,), View()), 60, 12).rows for _, text in row)


def test_how_far_a_run_is_is_seen_in_ascii() -> None:
    """What is done of a bar does not look like what is left, on a terminal without other letters."""
    filled, empty = cells.bar(0.5, 10)
    done, left = ("".join(map(like, part)) for part in (filled, empty))
    assert done.isascii() and left.isascii() and not set(done) & set(left)
