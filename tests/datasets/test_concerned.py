"""Which records a finding is about: what “show me” opens, and what a repair takes out."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from brightrun_tui import datasets
from brightrun_tui.datasets.columns import look_at_columns
from brightrun_tui.datasets.concerned import EntryReader
from brightrun_tui.domain.errors import DatasetError, UsageError
from tests.datasets.conftest import Write, lines, pairs


def test_every_finding_names_its_records_and_what_they_are_like(write: Write) -> None:
    """Numbers count all entries of the file, unusable ones too; a copy names the record that it copies."""
    rows = [
        {"prompt": "nothing", "completion": ""},
        *pairs(30),
        next(iter(pairs(1, 4))),
        {"prompt": "Who?", "completion": "Write to jane.doe@firma.de for more of that."},
        {"prompt": "Which?", "completion": "no", "aside": "unread"},
    ]
    found = datasets.examine(write("a.jsonl", lines(*rows)))
    assert {kind: list(entries) for kind, entries in found.entries.items() if entries} == {
        "no_answer": [0],
        "duplicate": [31],
        "personal": [32],
        "short_answer": [33],
    }
    assert list(found.like["duplicate"]) == [5] and list(found.usable) == list(range(1, 34))
    reader = EntryReader(found.report.path)
    assert [reader.at(number).place for number in (31, 5, 33, 0)] == ["line 32", "line 6", "line 34", "line 1"]
    assert reader.at(0).left_out == "no_answer" and reader.at(0).value == rows[0]
    with pytest.raises(IndexError):
        reader.at(len(rows))


def test_findings_that_need_the_whole_picture_name_their_records(write: Write) -> None:
    """One answer for nearly all, fields that nobody reads, one question answered forty times."""
    same = [
        {"prompt": f"Question {i}, please?", "completion": "yes, of course", "aside": f"note {i}"} for i in range(40)
    ]
    found = datasets.examine(write("same.jsonl", lines(*same, *pairs(2))))
    assert list(found.entries["same_answer"]) == list(found.entries["unused_fields"]) == list(range(40))
    poems = [{"prompt": "Write a poem", "completion": f"Poem {i}: {chr(65 + i % 26) * 9} {i * i}"} for i in range(60)]
    found = datasets.examine(write("poems.jsonl", lines(*poems, *pairs(3))))
    assert list(found.entries["shared_prompt"]) == list(range(60))


def test_a_sheet_and_an_encoding_that_are_named_are_what_is_read(tmp_path: Path, write: Write) -> None:
    """They stand beside the mapping of columns; what cannot be is refused with what there is."""
    book = openpyxl.Workbook()
    for title, word in (("Old", "before"), ("New", "after")):
        sheet = book.create_sheet(title)
        sheet.append(["prompt", "completion"])
        for i in range(3):
            sheet.append([f"{word} {i}?", f"{word} it is {i}"])
    book.save(path := tmp_path / "two.xlsx")
    assert look_at_columns(path).sheets == ("Old", "New")
    assert next(iter(datasets.read(path, columns={"sheet": "New"}))).messages[0].content == "after 0?"
    with pytest.raises(DatasetError, match="no sheet") as refused:
        datasets.check(path, columns={"sheet": "Newer"})
    assert "“Old”, “New”" in refused.value.fix
    text = "prompt,completion\n" + "".join(f"Gdzie {i}?,Ulica Żółta w Łodzi {i}\n" for i in range(3))
    polish = write("polish.csv", text.encode("cp1250"))
    assert look_at_columns(polish).encoding == "cp1250"
    assert (
        next(iter(datasets.read(polish, columns={"encoding": "cp1252"}))).messages[1].content.startswith("Ulica ¯ó³ta")
    )
    assert (
        "Ulica Żółta w Łodzi 0" in next(iter(datasets.read(polish, columns={"encoding": "cp1250"}))).messages[1].content
    )
    assert not datasets.check(polish, columns={"encoding": "cp1250"}).statement.count("guess")
    for columns, error, words in (
        ({"encoding": "klingon"}, UsageError, "no encoding"),
        ({"encoding": "utf-8"}, DatasetError, "not UTF-8"),
        ({"sheet": "New"}, UsageError, "only Excel"),
    ):
        with pytest.raises(error, match=words):
            datasets.check(polish, columns=columns)
