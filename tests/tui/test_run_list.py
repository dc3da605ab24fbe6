"""The list of runs: what a filter means, and in which order they stand."""

from __future__ import annotations

import time
from typing import Any

import pytest

from brightrun_tui.domain import humanize
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.run_compare import compare, names
from brightrun_tui.domain.run_states import RunState
from brightrun_tui.paths import Paths
from brightrun_tui.store import open_database, runs
from brightrun_tui.tui import run_reader
from brightrun_tui.tui.run_list import RunOrder, arrange
from brightrun_tui.tui.run_reader import Vitals
from brightrun_tui.tui.snapshot import SnapshotReader
from brightrun_tui.tui.widgets import run_columns
from brightrun_tui.tui.widgets.run_filter import matches
from tests.tui import seed


def run(id_: str, name: str, state: RunState, **facts: Any) -> Run:
    spec = seed.spec(name, id_)
    return Run(
        id=id_, name=name, state=state, spec=spec, directory="/runs", created_at=float(id_[2:]), updated_at=1.0, **facts
    )


RUNS = (
    run("r-1", "lamp", "completed", eval_loss=1.5),
    run("r-2", "shop", "failed"),
    run("r-3", "lamp", "running", eval_loss=0.9),
    run("r-4", "tone", "paused", eval_loss=1.2),
)


@pytest.mark.parametrize(
    ("needle", "fits"),
    [
        ("", "r-1 r-2 r-3 r-4"),
        ("lamp", "r-1 r-3"),
        ("LAMP run", "r-3"),
        ("!lamp", "r-2 r-4"),
        ("state:failed", "r-2"),
        ("!state:failed !paused", "r-1 r-3"),
        ("data:lamp state:comp", "r-1"),
        ("nosuchfield:x", ""),
    ],
)
def test_a_filter_takes_words_negation_and_fields(needle: str, fits: str) -> None:
    """Every word must fit; `!` turns a word round; `field:` looks in one field."""
    assert " ".join(one.id for one in RUNS if matches(needle, one)) == fits


def test_runs_are_ordered_grouped_and_folded() -> None:
    """What moves comes first; a column sorts and what has no value comes last; a pinned run is at the top; the past is folded."""

    def ids(order: RunOrder, *pinned: str) -> list[tuple[str, str]]:
        return [(group.caption, " ".join(one.id for one in group.runs)) for group in arrange(RUNS, order, pinned)]

    assert ids(RunOrder()) == [("", "r-3 r-4 r-2 r-1")]
    assert ids(RunOrder(), "r-1") == [("", "r-1 r-3 r-4 r-2")]
    assert ids(RunOrder(sort="eval")) == [("", "r-3 r-4 r-1 r-2")]
    assert ids(RunOrder(sort="eval", reverse=True)) == [("", "r-1 r-4 r-3 r-2")]
    assert ids(RunOrder(group="name")) == [("lamp", "r-3 r-1"), ("tone", "r-4"), ("shop", "r-2")]
    assert arrange(RUNS, RunOrder(), (), stays="r-2")[0].runs[2].id == "r-2", "it ended while it was watched"
    many = [run(f"r-{number}", "old", "completed") for number in range(10, 30)]
    folded = arrange([*RUNS, *many], RunOrder(folded=True), ())[0]
    assert [one.id for one in folded.runs[:2]] == ["r-3", "r-4"] and folded.hidden == 19


@pytest.mark.parametrize("width", [98, 118, 198])
def test_a_row_has_the_width_of_the_table(width: int) -> None:
    """No cell pushes another one off its column, whatever is in it; the heading fits the rows."""
    long = run("r-9", "模型" * 40, "running", hardware={"device": "NVIDIA H200 [b]x" * 5}, eval_loss=123456.0)
    vitals = Vitals(learning_rate=1e-9)
    row = run_columns.table_row(long, vitals, width, wanted=(), mark="●", silent=True, alert="error")
    assert row.cell_length == run_columns.heading(width, (), "eval", True).cell_length <= width


@pytest.mark.parametrize("seconds", [0.0, 59.0, 605.0, 1234.0, 3599.0, 35_000.0, 40_000.0, 86_000.0, 900_000.0])
def test_times_and_speeds_are_whole_in_their_columns(seconds: float) -> None:
    """What is left, how old it is and how fast it goes is never cut, however long it takes."""
    slow = run("r-1", "faq", "running", step=1, total_steps=301, eta_seconds=300 * max(0.01, seconds / 100))
    old = slow.model_copy(update={"created_at": time.time() - seconds})
    for one in (old, old.model_copy(update={"eta_seconds": seconds})):
        row = run_columns.table_row(one, Vitals(), 198, wanted=("left", "rate", "age"), mark="", silent=False, alert="")
        assert "…" not in row.plain
        assert len(humanize.roughly(seconds)) <= 10


async def test_the_first_picture_of_a_long_history_is_what_is_seen_first(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is under way, what is watched and the newest of the past, with the number of the others; then all of them."""
    monkeypatch.setattr(run_reader, "FIRST", 2)
    async with open_database(paths.database) as db:
        for number in range(8):
            await runs.create(db, seed.spec(f"run-{number}", f"r-{number}", age=100.0 - number), "/runs")
            if number != 1:
                await runs.transition(db, f"r-{number}", "stopped")
        reader = SnapshotReader(db, paths)
        first, second = await reader.read("r-0"), await reader.read("r-0")
    assert [run.id for run in first.runs] == ["r-7", "r-6", "r-1", "r-0"]
    assert (first.more, second.more, len(second.runs)) == (4, 0, 8)


async def test_monitor_is_drawn_before_all_the_rest_is_read(seeded: Paths) -> None:
    """The very first picture has the runs, which is no whole picture of the store yet; that comes next."""
    async with open_database(seeded.database) as db:
        reader = SnapshotReader(db, seeded, runs_first=True)
        first, second = await reader.read("r-0006"), await reader.read("r-0006")
    assert first.runs_alone and not first.loaded and {run.id for run in first.runs} == {run.id for run in second.runs}
    assert second.loaded and not second.runs_alone and second.models and second.detail is not None


def test_runs_side_by_side_are_told_apart() -> None:
    """Two runs of one name are called by their ids, and where nobody is better nobody has a star."""
    twins = [run("r-1", "faq", "completed", best_eval_loss=0.9), run("r-2", "faq", "completed", best_eval_loss=0.9)]
    other = run("r-3", "tone", "completed", best_eval_loss=0.8)
    assert names([*twins, other]) == ("faq r-1", "faq r-2", "tone")
    assert not next(row for row in compare(twins) if row.label == "Held-out loss, best").best
    assert next(row for row in compare([*twins, other]) if row.label == "Held-out loss, best").best == {2}
    assert next(row for row in compare(twins) if row.label == "Cost").values == ("free", "free")
