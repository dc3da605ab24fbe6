"""A repaired version: without what is wrong, with where it comes from; the original is not touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from brightrun_tui import datasets
from brightrun_tui.datasets.repairing import Repairs, droppable, repair
from brightrun_tui.domain.errors import BrightrunError, UsageError
from tests.datasets.conftest import Write, chat, lines, pairs


def faulty(write: Write) -> Path:
    rows: list[dict[str, Any]] = [
        {**chat("Where is it?", "  In Hull.  \n", "When?", "Soon. \nPerhaps."), "category": "bilings", "id": "first"},
        {"messages": [{"role": "user", "content": "nobody answers"}]},
        *(chat(row["prompt"], row["completion"]) | {"category": "billing"} for row in pairs(20)),
        chat("Where is it?", "In Hull.", "When?", "Soon. \nPerhaps."),
        chat("Who?", "Write to jane.doe@firma.de, she knows."),
    ]
    rows[0]["messages"][1]["weight"] = 0
    rows[22]["messages"][1]["weight"] = 0
    return write("faulty.jsonl", lines(*rows))


def test_a_repaired_version_has_all_that_is_right_and_says_where_it_comes_from(write: Write, tmp_path: Path) -> None:
    """Copies and findings out, texts trimmed, a category renamed; marks of what is learnt, ids and groups stay."""
    source, target = faulty(write), tmp_path / "faulty-v2.jsonl"
    before, found = source.read_bytes(), datasets.examine(faulty(write))
    assert set(droppable(found)) == {"duplicate", "personal"}
    repairs = Repairs(drop={"duplicate", "personal"}, entries={5}, trim=True, relabel={"bilings": "billing"})
    repair(found, {}, repairs, target, "faulty.jsonl")
    report = datasets.check(target)
    assert source.read_bytes() == before
    assert (report.records, report.usable, report.duplicates) == (20, 20, 0)
    assert report.categories == {"category": {"billing": 20}}
    assert (
        report.origin and report.origin.fingerprint == found.report.fingerprint and report.origin.name == "faulty.jsonl"
    )
    assert [done.split(" (")[0] for done in report.origin.done] == [
        "took out 1 copy of an earlier record",
        "took out 1 with personal data",
        "took out 1 chosen record",
        "trimmed white space",
        "category bilings is now billing",
        "left out 1 entry that cannot be used",
    ]
    first = next(datasets.read(target))
    assert (first.id, [turn.content for turn in first.messages]) == (
        "first",
        ["Where is it?", "In Hull.", "When?", "Soon.\nPerhaps."],
    )
    assert [turn.train for turn in first.messages] == [True, False, True, True]


@pytest.mark.parametrize(
    ("repairs", "words"),
    [
        (Repairs(), "there is nothing to repair"),
        (Repairs(drop={"garbled"}), "no records of the kind “garbled”"),
        (Repairs(relabel={"x": "y"}), "no record has the category “x”"),
        (Repairs(entries=set(range(30))), "fewer than two"),
    ],
)
def test_what_cannot_be_repaired_is_said_and_leaves_nothing(
    write: Write, tmp_path: Path, repairs: Repairs, words: str
) -> None:
    """No half version, no temporary file."""
    found = datasets.examine(faulty(write))
    (folder := tmp_path / "into").mkdir()
    with pytest.raises(UsageError, match=words):
        repair(found, {}, repairs, folder / "v2.jsonl", "faulty")
    assert not list(folder.iterdir())


@pytest.mark.parametrize(("name", "words"), [("v2.csv", "written as JSONL"), ("n" * 300, "name too long")])
def test_a_name_that_cannot_be_is_refused_before_anything_is_written(
    write: Write, tmp_path: Path, name: str, words: str
) -> None:
    """What ends in .csv would be read as CSV from then on."""
    (folder := tmp_path / "into").mkdir()
    with pytest.raises(BrightrunError, match=f"(?i){words}"):
        repair(datasets.examine(faulty(write)), {}, Repairs(trim=True), folder / name, "faulty")
    assert not list(folder.iterdir())


def test_a_file_that_is_there_is_never_replaced(write: Write) -> None:
    """Not even the original by its own repair."""
    source = faulty(write)
    before = source.read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        repair(datasets.examine(source), {}, Repairs(trim=True), source, "faulty")
    assert source.read_bytes() == before
