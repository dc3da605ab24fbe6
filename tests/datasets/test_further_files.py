"""Files as programs, spreadsheets and servers leave them: read where they can be, else refused for what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from brightrun_tui import datasets
from brightrun_tui.domain.errors import DatasetError
from tests.datasets.conftest import Write, first, kinds, lines, pairs

COUNT = 24
PAIRS = list(pairs(COUNT))
FIRST = [("user", PAIRS[0]["prompt"]), ("assistant", PAIRS[0]["completion"])]
TABLE = "".join(f'"{row["prompt"]}","{row["completion"]}"\n' for row in PAIRS)
TABS = "".join(f"{row['prompt']}\t{row['completion']}\r\n" for row in PAIRS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("remark.csv", f"# exported by a tool, 2024-05-01, for anna\nprompt,completion\n{TABLE}"),
        (
            "headings.csv",
            f"Customer,,Agent\nid,question,answer\n{''.join(f'{i},{line}' for i, line in enumerate(TABLE.splitlines(True)))}",
        ),
        (
            "quoted.csv",
            '"prompt,completion"\n' + "".join(f'"{row["prompt"]},""{row["completion"]}"""\n' for row in PAIRS),
        ),
        ("unicode.txt", f"prompt\tcompletion\r\n{TABS}".encode("utf-16")),
        ("table.txt", f"prompt,completion\n{TABLE}"),
        ("records.jsonl.txt", lines(*PAIRS)),
        ("records.txt", json.dumps(PAIRS, indent=1)),
        ("records.jl", lines(*PAIRS)),
        ("records.jsonlines", lines(*PAIRS)),
        (
            "markdown.csv",
            "| prompt | completion |\n|---|:---:|\n" + "".join(f"|{r['prompt']}|{r['completion']}|\n" for r in PAIRS),
        ),
        ("cms.json", json.dumps({"data": [{"id": i, "attributes": row} for i, row in enumerate(PAIRS)]})),
        ("base.json", json.dumps({"records": [{"id": "r", "createdTime": "2024", "fields": row} for row in PAIRS]})),
        ("hits.jsonl", lines(*({"_index": "faq", "_id": str(i), "_source": row} for i, row in enumerate(PAIRS)))),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_a_table_or_list_is_found_whatever_stands_around_it(write: Write, name: str, content: str | bytes) -> None:
    report = datasets.check(write(name, content))
    assert first(report) == FIRST and report.usable == COUNT


def test_the_names_of_a_sheets_columns_may_stand_below_remarks(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["Please fill in", "Thank you!"], [], ["Question", "Answer", "Owner"]):
        sheet.append(row)
    for pair in PAIRS:
        sheet.append(list(pair.values()))
    book.save(tmp_path / "a.xlsx")
    report = datasets.check(tmp_path / "a.xlsx")
    assert first(report) == FIRST and report.usable == COUNT


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", "<!DOCTYPE html>\n<html><body>Please log in</body></html>", "web page"),
        ("a.csv", "<html lang='en'>\n<body>Not found, sorry</body>\n</html>", "web page"),
        ("a.parquet", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "Git LFS"),
        ("a.json", '{\\rtf1\\ansi {"prompt": "hi"}}', "RTF"),
        ("a.arrow", b"\xff\xff\xff\xff\x88\x00\x00\x00", "Arrow"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c\x00\x04", "7-Zip"),
        ("a.txt", "[01.05.24, 10:01:00] Anna: Hello\n", "plain text"),
        ("a.txt", "{Hello} there,\nthis is text\n", "plain text"),
        ("a.json", json.dumps({row["prompt"]: row["completion"] for row in PAIRS}), "names read like texts"),
        ("a.json", json.dumps({"took": 1, "hits": {"hits": [{"_source": row} for row in PAIRS]}}), "“hits.hits”"),
        ("a.json", json.dumps({"faqs": {f"n{i}": row for i, row in enumerate(PAIRS)}}), "“faqs”"),
    ],
    ids=lambda value: str(value)[:16] if isinstance(value, str) else "",
)
def test_what_is_no_dataset_is_named_for_what_it_is(write: Write, name: str, content: str | bytes, words: str) -> None:
    with pytest.raises(DatasetError, match=words) as refused:
        datasets.check(write(name, content))
    assert "prompt=" not in refused.value.fix


def test_nothing_in_the_way_of_a_database_is_no_answer(write: Write) -> None:
    rows = "".join(f"{row['prompt']}\t{row['completion'] if i % 3 else chr(92) + 'N'}\n" for i, row in enumerate(PAIRS))
    assert datasets.check(write("a.tsv", f"prompt\tcompletion\n{rows}")).usable == COUNT - COUNT // 3


def test_a_sum_below_the_table_is_said(write: Write) -> None:
    assert "totals" in kinds(datasets.check(write("a.csv", f"question,answer\n{TABLE}Total,24\n")))


def test_texts_that_a_cell_spells_as_a_list_are_several_answers(write: Write) -> None:
    rows = "".join(f'"{row["prompt"]}","[""{row["completion"]}"", ""or so""]"\n' for row in PAIRS)
    report = datasets.check(write("a.csv", f"question,answers\n{rows}"))
    assert first(report) == FIRST and "several_answers" in kinds(report)


def test_an_object_where_a_text_belongs_is_named(write: Write) -> None:
    rows: list[Any] = [{**row, "context": {"title": ["A"]}} for row in PAIRS]
    with pytest.raises(DatasetError, match="context: an object"):
        datasets.check(write("a.jsonl", lines(*rows)))


def test_of_a_folder_with_folders_the_one_with_the_data_is_named(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train-00000.jsonl").write_text(lines(*PAIRS))
    with pytest.raises(DatasetError) as refused:
        datasets.check(tmp_path)
    assert str(tmp_path / "data") in refused.value.fix
    assert datasets.check(tmp_path / "data").usable == COUNT


def test_where_the_wrong_list_of_a_file_was_read_the_others_are_named(write: Write) -> None:
    document = {"Examples": PAIRS[:1], "Instances": PAIRS[1:]}
    with pytest.raises(DatasetError) as refused:
        datasets.check(write("a.json", json.dumps(document)))
    assert "“Instances”" in refused.value.fix


def test_a_workbook_whose_damage_looks_like_a_later_version_is_refused(tmp_path: Path) -> None:
    """It was a traceback."""
    book = openpyxl.Workbook()
    assert book.active is not None
    for pair in [{"prompt": "prompt", "completion": "completion"}, *PAIRS]:
        book.active.append(list(pair.values()))
    book.save(path := tmp_path / "a.xlsx")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = 167
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="damaged"):
        datasets.check(path)


def test_lists_of_records_that_were_put_together_are_read_record_by_record(write: Write) -> None:
    """A list on each line is a batch of records, not one conversation of all of them; a list of turns remains one."""
    half = COUNT // 2
    for name in ("batches.jsonl", "two.json"):
        report = datasets.check(write(name, lines(PAIRS[:half], PAIRS[half:])))
        assert first(report) == FIRST and report.usable == report.records == COUNT
        assert not report.duplicates and "duplicate_id" not in kinds(report)
    talks = [
        [{"role": "user", "content": r["prompt"]}, {"role": "assistant", "content": r["completion"]}] for r in PAIRS
    ]
    assert datasets.check(write("turns.jsonl", lines(*talks))).usable == COUNT


@pytest.mark.parametrize("turned", [False, True])
def test_columns_that_are_called_a_and_b_are_told_by_what_is_in_them(write: Write, turned: bool) -> None:
    """“A” is the first column of a sheet here, and no answer; beside “Q” it is one."""
    asked, answered = ("B", "A") if turned else ("A", "B")
    rows = [{asked: row["prompt"], answered: row["completion"]} for row in PAIRS]
    table = "A,B\n" + "".join(f'"{row["A"]}","{row["B"]}"\n' for row in rows)
    with pytest.raises(DatasetError, match="no columns named") as caught:
        datasets.check(write("sheet.csv", table))
    assert f"prompt={asked}, completion={answered}" in caught.value.fix
    table = 'A,Q\n"It is.","Is it?"\n"It was.","Was it?"\n'
    with pytest.raises(DatasetError, match="no columns named") as caught:
        datasets.check(write("faq.csv", table))
    assert "prompt=Q, completion=A" in caught.value.fix


def test_a_name_with_spaces_is_printed_as_a_shell_takes_it(write: Write) -> None:
    table = "Customer wrote,Our reply\n" + TABLE
    with pytest.raises(DatasetError) as caught:
        datasets.check(write("mail.csv", table))
    assert 'prompt="Customer wrote", completion="Our reply"' in caught.value.fix


@pytest.mark.parametrize(
    ("begins", "kind"),
    [
        ("[2024-05-01 10:00:40] Agent Kim: ", "chat_page"),
        ("[01/05/2024, 10:00] ", "chat_page"),
        ("01.05.24, 10:00 - Agent Kim: ", "chat_page"),
        ("'=", "spelling"),
        ("'+49 ", "spelling"),
    ],
)
def test_what_an_export_put_before_answers_is_said(write: Write, begins: str, kind: str) -> None:
    """Who spoke when, and the mark by which a spreadsheet is kept from reckoning."""
    report = datasets.check(write("log.jsonl", lines(*({**r, "completion": begins + r["completion"]} for r in PAIRS))))
    assert kind in kinds(report)
    plain = ("2024-05-01 10:00 is when it starts.", "'Tis so, it's the 5th.", "'-ing' is an ending.")
    report = datasets.check(
        write("plain.jsonl", lines(*({**r, "completion": f"{t} {r['completion']}"} for r in PAIRS for t in plain)))
    )
    assert kind not in kinds(report)
