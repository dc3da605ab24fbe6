"""Curves: nothing that a person must see is lost on the way to the screen."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from rich.cells import cell_len

from brightrun_tui.domain import humanize
from brightrun_tui.domain.curve import LOSS
from brightrun_tui.domain.events import Checkpoint, Event
from brightrun_tui.tui.curve import MOST_ENTRIES, Curve
from brightrun_tui.tui.snapshot import RunDetail
from brightrun_tui.tui.widgets.chart import OTHERS, Line, View, draw
from brightrun_tui.tui.widgets.chart_across import AXES, Across
from brightrun_tui.tui.widgets.chart_export import as_png, as_svg
from brightrun_tui.tui.widgets.chart_scene import ALERT, CHECKPOINT, EVALUATION, Strand, chart_of, freeze, marks_of
from brightrun_tui.tui.widgets.curves import shown
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


def test_smoothing_never_lies() -> None:
    """The mean of a falling curve does not lag above it, ends where the points end, and few points stay as they are."""
    assert smooth([3.0, 1.0, 2.0]) == [3.0, 1.0, 2.0]
    falling = [8 * math.exp(-step / 40) + (0.1 if step % 2 else -0.1) for step in range(400)]
    mean = smooth(falling)
    assert (mean[0], mean[-1]) == pytest.approx((falling[0], falling[-1]))
    for index in range(10, 390):
        around = falling[index - 10 : index + 11]
        assert min(around) <= mean[index] <= max(around)
        assert abs(mean[index] - 8 * math.exp(-index / 40)) < 0.25
    assert math.isnan(smooth([math.nan, *falling])[0])


def test_lines_are_told_apart_without_colour() -> None:
    """Raw points are dots, the first line is whole, the second dashed, and each is named at its end."""
    steps = list(range(300))
    flat = [Line("train", steps, [1.0] * 300, label="train"), Line("eval", steps, [2.0] * 300, label="eval")]
    text = ["".join(part for _, part in row) for row in draw(flat, 80, 14, View()).rows]
    whole = next(row for row in text if row.count("⠤") + row.count("⠒") + row.count("⣀") + row.count("⠉") > 60)
    dashed = [row for row in text if any("⠀" < letter <= "⣿" for letter in row) and row is not whole]
    assert any("train" in row for row in text) and any("eval" in row for row in text)
    assert dashed and len({letter for letter in dashed[0] if "⠀" < letter <= "⣿"}) > 1


def test_lines_of_several_runs_are_told_apart_without_colour() -> None:
    """Where they run beside one another no two have the same dashes."""
    steps = list(range(300))
    drawn = []
    for role in ("train", "eval", "behind", *OTHERS):
        rows = draw([Line(role, steps, [1.0] * 300)], 80, 6, View()).rows
        drawn.append("".join(text for row in rows for kind, text in row if kind == role))
    assert len(set(drawn)) == len(drawn)


def test_an_early_peak_is_left_out_and_said() -> None:
    """The first steps do not flatten the rest; nothing is left out when the person wants to see it all."""
    values = [80.0, 40.0] + [2.0 + 0.001 * (step % 7) - step / 900 for step in range(400)]
    line = Line("train", list(range(len(values))), values)
    assert draw([line], 80, 14, View()).left_out == 80.0
    assert draw([line], 80, 14, View(fit=False)).left_out is None


def test_a_million_points_take_the_room_of_a_few_thousand() -> None:
    """Neighbours are put together as they come: no extreme is lost, and a gap stays a gap."""
    curve = Curve()
    for step in range(1, 60_001):
        curve.add(step, 100.0 if step == 777 else None if step == 5_000 else 1.0, float(step))
    assert len(curve.steps) <= MOST_ENTRIES and curve.coarse and curve.gaps == [5_000]
    assert max(high for high in curve.highs if high == high) == 100.0 and sum(curve.counts) == 60_000
    assert any(math.isnan(value) for value in curve.values)


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


def told(**said: int) -> RunDetail:
    """What Monitor knows of a run with a loss every second, and these counts of tokens: ``at_10=500`` is one at step 10."""
    loss, tokens = Curve(), Curve()
    for step in range(1, 101):
        loss.add(step, 1.0, 1000.0 + step)
    for place, count in said.items():
        tokens.add(int(place.removeprefix("at_")), float(count), 1001.0)
    return RunDetail("r-1", {"train_loss": loss, **({"supervised_tokens": tokens} if said else {})})


def test_points_marks_and_moments_are_at_one_place_of_each_axis() -> None:
    """By step, time and tokens; between two counts of the tokens by the steps, before the first from nothing on."""
    detail = told(at_10=1000, at_50=9000)
    loss = detail.curves["train_loss"]
    for axis, fifth, thirtieth in (("step", 5, 30), ("time", 4, 29), ("tokens", 500, 5000)):
        across = Across(detail, axis)  # type: ignore[arg-type]
        assert across.known and (across.places(loss)[4], across.places(loss)[29]) == (fifth, thirtieth)
        assert across.of_step(30) == across.of_moment(1030.0) == thirtieth
        assert across.places(loss) == sorted(across.places(loss))


def test_a_run_without_counts_of_its_tokens_is_not_drawn_as_if_it_had_them() -> None:
    """Over the tokens of another run its steps would be a lie."""
    detail = told()
    across = Across(detail, "tokens")
    assert not across.known and across.places(detail.curves["train_loss"]) == []
    assert marks_of(detail, across, [10]) == {}


def test_evaluations_and_troubles_have_marks_on_the_axis() -> None:
    """Whoever looks at the curve sees where it was measured, and from where on something is wrong."""
    detail = told()
    measured = Curve()
    measured.add(20, 1.1, 1020.0)
    detail = replace(detail, curves={**detail.curves, "eval_loss": measured})
    marks = marks_of(detail, Across(detail, "step"), [60])
    assert marks[EVALUATION] == [20.0] and marks[ALERT] == [60.0]
    axis = draw([Line("train", [1, 100], [1.0, 2.0])], 60, 10, View(), marks).rows[-2]
    assert [text for role, text in axis if role == "mark"] == [EVALUATION, ALERT]


def test_what_a_run_went_back_behind_is_drawn_apart_until_it_is_learnt_again() -> None:
    """Back at an older checkpoint the curve ends there: what had come after it is sparse dots, no value of the run, and gives
    way step by step to what is learnt now; so do its moments and the marks of checkpoints."""
    detail = told()
    loss = detail.curves["train_loss"]
    last = loss.steps[-1]
    back = last // 2
    loss.go_back(back)
    assert loss.steps[-1] == back and loss.last == loss.values[-1]
    assert [entry[0] for entry in loss.behind] == list(range(back + 1, last + 1))
    loss.add(back + 1, 9.0, 1200.0)
    loss.go_back(back + 1)
    assert (loss.last, loss.behind[0][0]) == (9.0, back + 2)
    for axis in AXES[:2]:
        across = Across(detail, axis)
        strand = freeze(loss, across)
        assert strand.behind is not None and strand.places == sorted(strand.places)
        assert across.of_moment(1200.0) == strand.places[-1], "it goes on where it is now"
        chart = chart_of(LOSS, {"train_loss": strand}, View(axis=axis))
        assert [line.role for line in chart.lines] == ["behind", "train"]
        cells = [part for row in draw(chart.lines, 80, 14, View(axis=axis)).rows for part in row]
        assert {"behind", "train"} <= {role for role, _ in cells}
    behind = View(cursor=float(last))
    assert chart_of(LOSS, {"train_loss": freeze(loss, Across(detail, "step"))}, behind).said[0][1] == "train –"
    late = Event(9, 1.0, Checkpoint(step=last, path="checkpoints/late"))
    assert marks_of(replace(detail, checkpoints=(late,)), Across(detail, "step"))[CHECKPOINT] == []


@pytest.mark.parametrize("spike", [1e20, 1e308, -1e308])
def test_a_value_beyond_all_measure_hides_nothing_of_the_others(spike: float) -> None:
    """One step at which all goes wrong: it is drawn, in the app and in files, and what came after is smoothed as it was."""
    curve = Curve()
    for step in range(1, 201):
        curve.add(step, spike if step == 20 else -spike if step == 22 else 2.0)
    assert smooth(curve.values)[60:] == [2.0] * 140
    for view in (View(), View(log=True), View(log_x=True), View(fit=False)):
        rows = draw([Line("train", curve.steps, curve.values)], 80, 14, view).rows
        assert {sum(cell_len(text) for _, text in row) for row in rows} == {80}
        assert any(role == "train" for row in rows for role, _ in row)
    assert "<polyline" in as_svg(LOSS, {"train_loss": curve}, "x") and as_png(LOSS, {"train_loss": curve}, "x")
    assert len(shown(LOSS, spike)) < 12 and len(humanize.loss(spike)) < 12


def test_a_clock_that_is_set_back_turns_no_curve_round() -> None:
    """Over the time a curve only ever goes to the right, whatever the clocks of its machines say."""
    loss = Curve()
    for step in range(1, 41):
        loss.add(step, 2 / step, 1000.0 + step - (3600.0 if step > 20 else 0.0))
    detail = RunDetail("r", {"train_loss": loss})
    places = Across(detail, "time").places(loss)
    assert places == sorted(places) and len(places) == 40


def test_a_chart_as_a_file_names_its_lines_in_words_and_pixels() -> None:
    """The same picture as SVG and PNG: the second line is dashed, a gap is a gap, markup in a name is text."""
    curves = {"train_loss": Curve(), "eval_loss": Curve()}
    for step in range(1, 61):
        curves["train_loss"].add(step, None if step == 30 else 2 / step)
        curves["eval_loss"].add(step, 3 / step)
    svg = as_svg(LOSS, curves, "a <b> run")
    lines = [part for part in svg.split("<polyline")[1:] if "#ddd" not in part]
    assert len(lines) == 3 and "stroke-dasharray" in lines[2] and ">train<" in svg and "a &lt;b&gt; run" in svg
    image = Image.open(io.BytesIO(as_png(LOSS, curves, "a <b> run"))).convert("RGB")
    assert image.size == (1800, 840)
    drawn = {colour for _, colour in image.getcolors(1 << 20) or ()}
    assert {(0x2F, 0x6F, 0xBF), (0xC2, 0x66, 0x0C)} <= drawn
    assert as_svg(LOSS, {}, "x") == "" and as_png(LOSS, {}, "x") == b""


def test_the_crosshair_says_nothing_of_a_run_that_had_ended_there() -> None:
    """Behind its last step another run has no value; between its points it has that of the point before."""
    strand = Strand([10.0, 20.0, 44.0], [3.0, 2.0, 1.4], [3.0, 2.0, 1.4], [3.0, 2.0, 1.4])
    said = [
        chart_of(LOSS, {}, View(cursor=place), [("other", {"train_loss": strand})]).said[0][1]
        for place in (25.0, 406.0)
    ]
    assert said == ["other 2.000", "other –"]


def test_a_label_stands_where_its_line_ends() -> None:
    """A run that ended early is named there, not at the edge beside those that went on."""
    lines = [Line("train", [0, 100], [1.0, 2.0], label="longer"), Line("other-1", [0, 20], [3.0, 2.9], label="shorter")]
    text = ["".join(part for _, part in row) for row in draw(lines, 90, 16, View()).rows]
    early, late = (next(line.index(name) for line in text if name in line) for name in ("shorter", "longer"))
    assert early < 40 and late > 80
