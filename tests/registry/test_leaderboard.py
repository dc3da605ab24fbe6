"""Leaderboards: only what was measured on the very same records stands together, and how sure the order is."""

from __future__ import annotations

import pytest

from brightrun_tui import registry
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.evaluation import Evaluation, Judging
from brightrun_tui.domain.model import ModelVersion, SplitScore
from brightrun_tui.paths import Paths
from brightrun_tui.store import Database, models
from tests.registry.cards import Card, make_report


def version(
    number: int, marks: str, loss: float, *, key: str = "k1", base: str = "starter", spread: float = 0.1
) -> ModelVersion:
    report = make_report(Card(marks))
    bounds = {"loss_interval": {"low": loss - spread, "high": loss + spread}}
    report = report.model_copy(
        update={
            "records_key": key,
            "tuned": SplitScore(loss=loss, perplexity=2.0, tokens=900, records=50),
            "scores": report.scores | bounds,
            "lineage": report.lineage.model_copy(update={"base_id": base, "base_fingerprint": base}),
        }
    )
    return ModelVersion(
        name="lantern",
        version=number,
        run_id=f"r{number}",
        directory="/m",
        base_id=base,
        report=report,
        created_at=float(number),
        aliases=("champion",) if number == 1 else (),
    )


def test_one_base_is_ordered_by_loss_and_chance_is_marked() -> None:
    board = registry.make_boards([version(1, "r" * 8, 1.3), version(2, "w" * 8, 1.2), version(3, "r" * 8, 1.9)], [])[0]
    assert [(each.ref, each.level, each.champion) for each in board.standings] == [
        ("lantern:2", False, False),
        ("lantern:1", True, True),
        ("lantern:3", False, False),
    ]
    assert board.by == "loss" and not board.note


def test_numbers_that_came_with_a_model_are_not_taken_for_measured_here() -> None:
    """Anybody can write any number into a report card; measured again, here, it stands like any other."""
    forged = version(2, "r" * 8, 0.1).model_copy(update={"run_id": "import-abc"})
    own = version(1, "r" * 8, 1.3)
    board = registry.make_boards([own, forged], [])[0]
    assert [(each.ref, each.elsewhere) for each in board.standings] == [("lantern:2", True), ("lantern:1", False)]
    (caution,) = registry.compare_many([own, forged]).cautions
    assert "lantern:2" in caution and "nothing of it was measured here" in caution
    report = forged.report
    again = Evaluation(
        run_id="e",
        name="lantern",
        model_version=2,
        created_at=report.created_at + 1,
        dataset_name="d",
        dataset_fingerprint="f",
        records_key=report.records_key,
        base_id="starter",
        base=report.base,
        tuned=report.tuned.model_copy(update={"loss": 1.9}),
        judging=Judging(records=1),
    )
    board = registry.make_boards([own, forged], [again])[0]
    assert [(each.ref, each.elsewhere) for each in board.standings] == [("lantern:1", False), ("lantern:2", False)]


def test_different_bases_are_ordered_by_right_answers() -> None:
    """Their losses count different tokens; with too few answers to tell, the loss has to do, and that is said."""
    both = [version(1, "r" * 2 + "w" * 18, 0.5), version(2, "r" * 20, 1.5, base="other")]
    board = registry.make_boards(both, [])[0]
    assert board.by == "answers right" and [each.ref for each in board.standings] == ["lantern:2", "lantern:1"]
    right = board.standings[0].right
    assert (
        right and right.value == 1.0 and right.low and 0.8 < right.low < 1.0 and "different base models" in board.note
    )
    few = registry.make_boards([version(1, "rw", 0.5), version(2, "rr", 1.5, base="other")], [])[0]
    assert few.by == "loss" and "different base models" in few.note


def test_other_records_are_another_board() -> None:
    """A report card of before, which names no records, stands with those alone that were split and cut alike."""
    boards = registry.make_boards(
        [
            version(1, "r" * 8, 1.0),
            version(2, "r" * 8, 1.0, key="k2"),
            version(3, "r" * 8, 1.0, key=""),
            version(4, "r" * 8, 1.1, key=""),
        ],
        [],
    )
    assert sorted(sorted(each.ref for each in board.standings) for board in boards) == [
        ["lantern:1"],
        ["lantern:2"],
        ["lantern:3", "lantern:4"],
    ]


async def test_a_dataset_is_named_by_its_name_or_fingerprint(db: Database, paths: Paths) -> None:
    found = version(1, "r" * 8, 1.0)
    await models.reserve(db, found.name, found.run_id)
    await models.complete(db, found)
    for word in ("lantern", "LANTERN.jsonl", "sha256:ab", "ab", ""):
        assert [board.dataset for board in await registry.leaderboards(db, word)] == ["lantern.jsonl"]
    with pytest.raises(UsageError, match="nothing was measured") as refused:
        await registry.leaderboards(db, "winter")
    assert "lantern.jsonl" in refused.value.fix
