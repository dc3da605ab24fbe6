"""Curves: nothing that a person must see is lost on the way to the screen."""

from __future__ import annotations

import math

from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from brightrun_tui.tui.widgets.chart import Line, View, draw
from brightrun_tui.tui.widgets.reduce import gap_words, reduce, smooth, ticks

values_with_gaps = st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(math.nan)), min_size=1, max_size=400)


@given(values_with_gaps, st.integers(1, 60))
def test_reducing_keeps_every_extreme_and_at_most_two_points_a_column(values: list[float], columns: int) -> None:
    """A spike of a single step is still on the picture, however many steps share a column."""
    steps = list(range(len(values)))
    segments = reduce(steps, values, 0, len(values) - 1, columns)
    kept = [value for _, ys in segments for value in ys]
    known = [value for value in values if not math.isnan(value)]
    assert len(kept) <= 2 * (columns + len(segments)) and not any(map(math.isnan, kept))
    assert bool(kept) == bool(known)
    if known:
        assert (max(kept), min(kept)) == (max(known), min(known))


@given(values_with_gaps)
def test_a_gap_is_never_bridged(values: list[float]) -> None:
    """NaN is a gap: no stretch of the curve runs over a step whose loss is unknown."""
    gaps = [step for step, value in enumerate(values) if math.isnan(value)]
    for xs, _ in reduce(list(range(len(values))), values, 0, len(values) - 1, 50):
        assert xs == sorted(xs)
        assert not any(xs[0] < gap < xs[-1] for gap in gaps)


def test_a_drawing_has_the_size_of_its_panel() -> None:
    """No row is longer or shorter than the room, so nothing wraps or stays behind."""
    line = Line("train", list(range(500)), [3 * math.exp(-step / 90) for step in range(500)])
    for width, height in ((30, 6), (70, 10), (140, 30)):
        rows = draw([line], width, height, View()).rows
        assert len(rows) == height
        assert {sum(cell_len(text) for _, text in row) for row in rows} == {width}


def test_a_log_axis_survives_zero_and_infinity() -> None:
    """A loss of 0 cannot stand on a log axis; the picture goes on without it."""
    rows = draw([Line("train", [1, 2, 3, 4], [0.0, 1.0, 0.1, math.nan])], 60, 12, View(log=True)).rows
    assert any(role == "train" for row in rows for role, _ in row)


def test_smoothing_is_not_drawn_to_zero_at_the_start() -> None:
    """The first smoothed value is the first value."""
    assert smooth([2.0, 2.0, 2.0], 0.9) == [2.0, 2.0, 2.0]
    assert math.isnan(smooth([1.0, math.nan, 1.0], 0.5)[1])


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 12))
@example(-400_000.0, 800_000.0, 2)
def test_ticks_are_inside_the_axis(low: float, span: float, wanted: int) -> None:
    """Numbers on an axis are round and lie on it."""
    high = low + span
    found = ticks(low, high, wanted)
    slack = 1e-6 * max(1.0, abs(low), abs(high))
    most = max(wanted + 2, 5)  # where steps of 5 leave one number on the axis, steps of 2 put up to five there
    assert (2 <= len(found) <= most) or high - low <= slack
    assert all(low - slack <= value <= high + slack for value in found) or high <= low


def test_gap_words_say_where() -> None:
    """The badge names the steps."""
    assert gap_words([]) == ""
    assert gap_words([12]) == "loss is NaN at step 12"
    assert gap_words([11, 12, 14]) == "loss is NaN at steps 11–14 (3 points)"
