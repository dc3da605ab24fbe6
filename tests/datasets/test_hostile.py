"""Datasets that mean no good, or are none: one sentence each, in bounded time and memory."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import zstandard

from brightrun_tui import datasets
from brightrun_tui.datasets.cells import shown
from brightrun_tui.datasets.guessing import guess_columns
from brightrun_tui.datasets.inspecting import inspect_file
from brightrun_tui.datasets.reading import first_rows
from brightrun_tui.datasets.tables import header_names
from brightrun_tui.domain.errors import DatasetError
from tests.datasets.conftest import Write
from tests.fuzz.datasets import odd_things

LONG = 6_000_000


@pytest.mark.parametrize(
    ("end", "column", "kind"),
    [('\n"}]', 1, "dataset_broken_json"), ('" "b"}]', 5, "dataset_broken_json"), ("", 1, "dataset_truncated")],
)
def test_the_place_of_an_error_is_found_behind_a_text_of_megabytes(
    tmp_path: Path, end: str, column: int, kind: str
) -> None:
    """The parser begins a long text anew with every piece it is fed; looked for byte by byte this took hours."""
    path = tmp_path / "a.json"
    start = '[{"prompt": "a", "completion": "'
    path.write_text(start + "x" * LONG + end)
    with pytest.raises(DatasetError) as refused:
        datasets.check(path)
    assert refused.value.kind == kind
    assert refused.value.where == f"{path}:1:{len(start) + LONG + column}"


def test_a_long_text_that_is_whole_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"prompt": "a", "completion": "' + "x" * LONG + '"}, {"prompt": "b", "completion": "c"}]')
    assert datasets.check(path).usable == 2


def test_names_that_stand_for_no_file_of_data_are_refused(tmp_path: Path) -> None:
    """Pipes, devices, loops, a terabyte of nothing, names that are too long or of nobody: a sentence with a place."""
    for label, path in odd_things(tmp_path):
        with pytest.raises(DatasetError) as refused:
            datasets.check(path)
        assert refused.value.what and refused.value.fix, label


def workbook(path: Path, sheet: Callable[[bytes], bytes] = bytes, date_format: str = "yyyy-mm-dd") -> Path:
    """Four questions and answers, the last answers dates of a format; ``sheet`` changes the text of the only sheet."""
    book = openpyxl.Workbook()
    days = [datetime(2026, 11, day) for day in range(1, 5)]
    for row in [("prompt", "completion"), *((f"Which day is {day:%A}?", day) for day in days)]:
        book.active.append(row)
    for cell in book.active["B"][1:]:
        cell.number_format = date_format
    book.save(whole := path.with_suffix(".whole"))
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, sheet(old.read(name)) if name == "xl/worksheets/sheet1.xml" else old.read(name))
    return path


def sized(reference: str, *rows: str) -> Callable[[bytes], bytes]:
    """A sheet that says it has another size than it has, and further rows; nothing is said where ``reference`` is empty."""
    dimension = f'<dimension ref="{reference}"/>' if reference else ""

    def change(sheet: bytes) -> bytes:
        sheet = re.sub(rb"<dimension[^>]*/>", dimension.encode(), sheet)
        return sheet.replace(b"</sheetData>", "".join(rows).encode() + b"</sheetData>")

    return change


FIFTH = (
    '<row r="6"><c r="A6" t="inlineStr"><is><t>Why?</t></is></c><c r="B6" t="inlineStr"><is><t>So.</t></is></c></row>'
)


@pytest.mark.parametrize("reference", ["", "A1", "A1:B5", "A1:XFD1048576"])
def test_a_sheet_has_the_rows_it_has_and_not_those_it_claims(tmp_path: Path, reference: str) -> None:
    """Programs that write as they go say nothing of the size, or “A1”: rows behind that were lost without a word."""
    assert datasets.check(workbook(tmp_path / "a.xlsx", sized(reference, FIFTH))).usable == 5


@pytest.mark.parametrize(
    ("row", "refused"),
    [
        ('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>', "16384 values"),
        ('<row r="1000000000"><c r="A1000000000"><v>1</v></c></row>', "far more than its size"),
        ("<row hidden='0' x='" + ' r="1"' * 200_000 + "'></row>", "damaged"),
        ("<row" + " " * 500_000 + "></row>", "damaged"),
    ],
    ids=["far", "beyond", "repeated", "blank"],
)
def test_a_sheet_made_to_be_looked_through_without_end_is_not(tmp_path: Path, row: str, refused: str) -> None:
    """Rows far away and attributes that a pattern tries over and over: read or refused, and soon."""
    path = workbook(tmp_path / "a.xlsx", sized("A1:XFD1048576", row))
    try:
        assert datasets.check(path).usable == 4
    except DatasetError as error:
        assert refused in error.what


@pytest.mark.parametrize("form", ["yyyy{1:999999999}", "yyyy%9999Y{}{9}", "yyyy" + ";" * 60_000, "0." + "0" * 60_000])
def test_a_cells_format_is_no_program(tmp_path: Path, form: str) -> None:
    """Its braces asked for a gigabyte a cell; a long one was matched for hours."""
    assert len(shown(datetime(2026, 11, 3), form)) < 300
    assert len(shown(46000.5, form)) < 300
    assert datasets.check(workbook(tmp_path / "a.xlsx", date_format=form[:250])).usable == 4


def lines(count: int) -> bytes:
    return b"".join(b'{"prompt": "How many is %d?", "completion": "It is %d."}\n' % (n, n * n) for n in range(count))


def packed(path: Path, method: int = zipfile.ZIP_DEFLATED, name: str = "d.jsonl") -> bytes:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(name, lines(300))
    return path.read_bytes()


def test_a_packed_file_that_is_damaged_is_refused_whatever_packed_it(tmp_path: Path) -> None:
    """Cut off at any place, it is not read as a shorter one; a packer's own errors are sentences, too."""
    frame = zstandard.compress(lines(30_000))
    lzma = bytearray(packed(tmp_path / "whole.zip", zipfile.ZIP_LZMA))
    lzma[50:53] = b"\xff\xfe\xfd"
    strange = packed(tmp_path / "whole.zip", name="é.jsonl").replace("é".encode(), b"\xff\xfe")
    damaged = {
        "cut.jsonl.zst": frame[: len(frame) // 2],
        "end.jsonl.zst": frame[:-1],
        "second.jsonl.zst": frame + frame[:9],
        "head.jsonl.zst": frame[:4] + b"\xff" * 30,
        "lzma.zip": bytes(lzma),
        "name.zip": strange,
    }
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DatasetError) as refused:
            datasets.check(tmp_path / name)
        assert refused.value.kind == "dataset_broken_archive", name
    (tmp_path / "two.jsonl.zst").write_bytes(
        zstandard.compress(lines(200)) + zstandard.compress(lines(300)[len(lines(200)) :])
    )
    assert datasets.check(tmp_path / "two.jsonl.zst").usable == 300


@pytest.mark.parametrize("mebibytes", [2, 40])
@pytest.mark.parametrize("nested", [False, True], ids=["plain", "nested"])
def test_a_text_that_a_parquet_file_keeps_once_is_not_unpacked_for_every_row(
    tmp_path: Path, mebibytes: int, nested: bool
) -> None:
    """A thousand bytes took all the memory there is."""
    arrays, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    count = 400
    texts = arrays.DictionaryArray.from_arrays(
        arrays.array([0] * count, arrays.int32()), arrays.array(["x" * (mebibytes << 20)])
    )
    if nested:
        turn = arrays.StructArray.from_arrays(
            [arrays.array(["user", "assistant"] * (count // 2)), texts], ["role", "content"]
        )
        columns = {"messages": arrays.ListArray.from_arrays(arrays.array(range(0, count + 1, 2), arrays.int32()), turn)}
    else:
        columns = {"prompt": arrays.array([f"q{number}" for number in range(count)]), "completion": texts}
    parquet.write_table(arrays.table(columns), tmp_path / "a.parquet", compression="zstd")
    with pytest.raises(DatasetError) as refused:
        datasets.check(tmp_path / "a.parquet")
    assert refused.value.kind in ("dataset_bomb", "dataset_record_too_long")
    assert arrays.total_allocated_bytes() < 400 << 20


def test_the_columns_of_a_parquet_file_are_described_a_few_times_and_not_for_each_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three thousand columns took six seconds, ten times as many a hundred times as long: each description names all of them."""
    arrays, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    asked, usual = list[Any](), parquet.ParquetFile.schema_arrow.fget

    def described(file: Any) -> Any:
        asked.append(file)
        return usual(file)

    monkeypatch.setattr(parquet.ParquetFile, "schema_arrow", property(described))
    columns = {f"c{number}": [number / 4, 2.0] for number in range(200)}
    talk = {"prompt": ["Where is it?", "And when?"], "completion": ["On the shelf.", "At nine."]}
    parquet.write_table(arrays.table(columns | talk), tmp_path / "a.parquet")
    assert datasets.check(tmp_path / "a.parquet").usable == 2
    assert 0 < len(asked) < 20


def test_texts_that_repeat_in_parquet_are_read_as_they_are(tmp_path: Path) -> None:
    arrays, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    wanted = [f"Answer {number % 7}." if number % 11 else None for number in range(1000)]
    table = arrays.table({"prompt": [f"Question {number}?" for number in range(1000)], "completion": wanted})
    parquet.write_table(table, tmp_path / "a.parquet")
    rows = first_rows(tmp_path / "a.parquet")
    assert [row.value.get("completion") for row in rows] == wanted[: len(rows)] and len(rows) > 5
    assert datasets.check(tmp_path / "a.parquet").usable == 1000 - len(wanted[::11])


def test_a_parquet_file_with_columns_of_one_name_or_impossible_dates_is_refused(tmp_path: Path) -> None:
    arrays, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    texts, path = arrays.array(["a", "b"]), tmp_path / "a.parquet"
    tables = [arrays.table([texts, texts], names=["prompt", "prompt"])]
    for kind in (arrays.timestamp("us"), arrays.duration("s"), arrays.date32()):
        days = arrays.array([2**31 - 1] * 2, arrays.int32()).cast(kind) if kind == arrays.date32() else None
        tables.append(arrays.table({"prompt": texts, "completion": days or arrays.array([2**62, 5], kind)}))
    for table in tables:
        parquet.write_table(table, path)
        with pytest.raises(DatasetError) as refused:
            datasets.check(path)
        assert refused.value.kind in ("dataset_columns", "dataset_broken_parquet")


def test_the_names_of_very_many_columns_are_told_apart(tmp_path: Path) -> None:
    """Each was looked for among all others: for a header line of some megabytes that took hours."""
    (tmp_path / "a.csv").write_text("prompt,completion\n")
    names = [f"c{number}" for number in range(500_000)]
    assert header_names(inspect_file(tmp_path / "a.csv"), 1, names) == names


def test_of_very_many_columns_question_and_answer_are_guessed_soon() -> None:
    """Every pair was weighed: for twenty thousand columns that took hours."""
    rows = [{f"c{column}": f"text {column} {row}" for column in range(20_000)} for row in range(2)]
    for number, row in enumerate(rows):
        row |= {"my question": f"How many is {number}?", "my answer": f"It is {number}, or a few more."}
    assert guess_columns(rows) == {"prompt": "my question", "completion": "my answer"}


def test_a_map_in_a_parquet_file_is_measured_and_not_damaged(tmp_path: Path) -> None:
    arrays, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    kind = arrays.map_(arrays.string(), arrays.string())
    turns = arrays.array([[("a", "b")], [], None, [("c", "d"), ("e", "f")]], kind)
    texts = [f"text {number}" for number in range(4)]
    table = arrays.table({"prompt": texts, "completion": texts, "more": turns})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert datasets.check(tmp_path / "a.parquet").usable == 4


@pytest.mark.parametrize("text", ["\x1d", "\x1c\n\x1d\n", "\x0b", "\u2028"])
def test_a_table_of_nothing_but_separators_holds_no_records(write: Write, text: str) -> None:
    """They are white space to some and lines to others, and no cells to anybody."""
    with pytest.raises(DatasetError):
        datasets.check(write("a.csv", text))


RELATIONS = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
TEXTS = "xl/worksheets/texts.xml"
HELD: dict[str, tuple[str, bytes, bytes]] = {
    "texts": (
        "[Content_Types].xml",
        b"</Types>",
        b'<Override PartName="/%s" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.'
        b'sharedStrings+xml"/>' % TEXTS.encode(),
    ),
    "styles": ("xl/styles.xml", b"</cellXfs>", b"<xf/>" * 4_000_000),
    "sheets": (
        "xl/workbook.xml",
        b"</sheets>",
        b'<sheet name="x" sheetId="1" q:id="rId1" xmlns:q="%s"/>' % RELATIONS * 2000,
    ),
    "names": (
        "xl/_rels/workbook.xml.rels",
        b"</Relationships>",
        b'<Relationship Id="r" Type="x" Target="y"/>' * 500_000,
    ),
    "parts": ("[Content_Types].xml", b"</Types>", b'<Override PartName="/x" ContentType="y"/>' * 500_000),
    "merged": (
        "xl/worksheets/sheet1.xml",
        b"</worksheet>",
        b"<mergeCells>" + b'<mergeCell ref="A1:A9"/>' * 300_000 + b"</mergeCells>",
    ),
}


@pytest.mark.parametrize("held", HELD)
def test_what_a_workbook_makes_of_memory_is_bounded_too(tmp_path: Path, held: str) -> None:
    """Some hundred kilobytes took minutes and gigabytes: a text, a style or a name is a hundred times what it is in the file."""
    part, place, more = HELD[held]
    path = workbook(tmp_path / "whole.xlsx")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "a.xlsx", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content.replace(place, more + place, 1) if name == part else content)
        if held == "texts":
            new.writestr(TEXTS, b"<sst>" + b"<si><t/></si>" * 1_600_000 + b"</sst>")
    with pytest.raises(DatasetError, match="far more than its size"):
        datasets.check(tmp_path / "a.xlsx")
