"""Tables with a header line: CSV and TSV; and those that are one JSON object."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from brightrun_tui.datasets.parsed import CONVERSATIONS
from brightrun_tui.datasets.source import MAX_RECORD_BYTES, SourceFile, SourceRow, numbered_lines
from brightrun_tui.datasets.tabbed import cells_by_tabs, quotes_nothing
from brightrun_tui.datasets.turns import printable
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError

_DECLARED = re.compile(r'"?sep=(\\t|.)"?')
_RULE = re.compile(r"\s*:?-{3,}:?\s*")
"""The line below the names of the columns in Markdown."""
_DELIMITERS = ",;\t|"
_LEAST_CONVERSATIONS = 5
"""Conversations by name in one object; fewer may be parts of one record."""
_LOOKED_AT = 8
"""Lines behind the header by which the delimiter is told."""
ABOVE = 5
"""Rows that may stand above the names of the columns: headings of groups of them, remarks."""
_HEADS_OF_SURVEYS = 2
"""Rows below the names of the columns that may be names as well."""
IsHeader = Callable[[Sequence[str]], bool]
"""Whether cells are names of columns that are known."""
_RETURN = re.compile(rb"\r(?!\n|$)")
_BEHIND_RETURN = re.compile(r"(?<=\r)(?!\n)")
_EMPTY_CELLS = frozenset(
    {
        "nan",
        "NaN",
        "None",
        "null",
        "NULL",
        "<NA>",
        "NaT",
        "N/A",
        "n/a",
        "#N/A",
        "#REF!",
        "#VALUE!",
        "#DIV/0!",
        "#NAME?",
        "#NUM!",
        "#NULL!",
        "#NV",
        "#BEZUG!",
        "#WERT!",
        "\\N",
    }
)
"""What pandas, SQL clients and Excel write for a cell without a value."""


def read_csv(file: SourceFile, is_header: IsHeader = lambda cells: True) -> Iterator[SourceRow]:
    """Yield a dict of column name to text for every row, numbered by the line on which the row starts.

    The delimiter is the one of comma, semicolon, tab and bar that parts the first lines evenly, or the header line
    most. The names of the columns stand in the first row, or in the first of the next few that ``is_header`` knows.

    Raises:
        DatasetError: no column names, one used twice, a quote never closed, a row of the wrong width.
    """
    csv.field_size_limit(MAX_RECORD_BYTES)
    lines = _lines(file)
    filled = ((number, line) for number, line in lines if line.strip())
    first_number, first = next(filled, (1, ""))
    declared = _DECLARED.fullmatch(first.strip())  # Excel's own way of naming the delimiter
    if declared:
        first_number, first = next(filled, (2, ""))
    ahead = list(islice(lines, _LOOKED_AT))
    head = next((place for place, (_, line) in enumerate(ahead) if line.strip()), len(ahead))
    alone = first.strip().strip('"').lower() in (*CONVERSATIONS, "text")
    if head < len(ahead) and not alone and not _has_delimiter(first) and _has_delimiter(ahead[head][1]):  # a title
        first_number, first = ahead[head]
        ahead = ahead[head + 1 :]
    following = [line for _, line in ahead]
    delimiter = declared[1].replace("\\t", "\t") if declared else _delimiter(first, following)
    if delimiter == "\t" and not _RETURN.search(file.head) and quotes_nothing(file, first.count("\t")):
        yield from _below_header(file, cells_by_tabs(chain([(first_number, first)], ahead, lines)), is_header)
        return
    spaced = _quotes_after_spaces([first, *following], delimiter)
    texts = chain([first], (line for _, line in chain(ahead, lines)))
    reader = csv.reader(texts, delimiter=delimiter, strict=True, skipinitialspace=spaced)
    start = first_number

    def rows() -> Iterator[tuple[int, list[str]]]:
        nonlocal start
        for cells in reader:
            yield start, cells
            start = first_number + reader.line_num

    try:
        inner = _delimiter_in_quotes(first, following, delimiter)
        yield from _below_header(file, _parted_again(rows(), inner) if inner else rows(), is_header)
    except csv.Error as error:
        raise _broken_csv(file, start, error) from None


def _lines(file: SourceFile) -> Iterator[tuple[int, str]]:
    """Return the lines with their numbers, also where some end as on old Macs, with a carriage return alone; without the marks of
    files that were put behind the first one.
    """
    lines = numbered_lines(file)
    parted = _parted_at_returns(lines) if _RETURN.search(file.head) else lines
    return ((number, line.removeprefix("\ufeff")) for number, line in parted)


def _parted_at_returns(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Part lines at carriage returns that do not stand within quotes."""
    number, quoted, line = 0, False, ""
    for piece in (piece for _, whole in lines for piece in _BEHIND_RETURN.split(whole)):
        quoted ^= piece.count('"') % 2 == 1
        line += piece
        if quoted and not piece.endswith("\n"):
            continue
        number += 1
        yield number, f"{line[:-1]}\n" if line.endswith("\r") else line
        line = ""
    if line:
        yield number + 1, line


def _below_header(file: SourceFile, rows: Iterator[tuple[int, list[str]]], is_header: IsHeader) -> Iterator[SourceRow]:
    rows = (
        (number, cells) for number, cells in rows if any(cell.strip() and not _RULE.fullmatch(cell) for cell in cells)
    )
    above = list(islice(rows, 1))
    if above and not is_header(_trimmed(above[0][1])):
        above += islice(rows, ABOVE)
    found = next((place for place, (_, cells) in enumerate(above) if is_header(_trimmed(cells))), 0)
    header = header_names(file, *above[found]) if above else []
    following = chain(above[found + 1 :], rows)
    ahead = list(islice(following, _HEADS_OF_SURVEYS))
    behind = next((place for place, (_, cells) in enumerate(ahead, start=1) if any(map(_is_import_id, cells))), 0)
    for number, cells in chain(ahead[behind:], following):
        yield SourceRow(number, as_dict(file, number, header, cells), f"line {number}")


def _is_import_id(cell: str) -> bool:
    """Say whether a cell is what a tool for surveys writes below the names and the wordings of its questions."""
    return cell.startswith('{"ImportId"')


def _delimiter_in_quotes(first: str, following: Sequence[str], delimiter: str) -> str:
    """Return the delimiter within lines that a spreadsheet has put into quotes as a whole, as if each were one cell; else
    empty.
    """
    lines = [line for line in (first, *following) if line.strip()]
    inner = [cells[0] for cells in csv.reader(lines) if len(cells) == 1]
    if len(inner) < 3 or len(inner) < len(lines) or not all(line.lstrip().startswith('"') for line in lines):
        return ""
    found = _delimiter(inner[0], inner[1:])
    widths = {len(cells) for cells in csv.reader(inner, delimiter=found)}
    return found if len(widths) == 1 and widths != {1} else ""


def _parted_again(rows: Iterator[tuple[int, list[str]]], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    for number, cells in rows:
        yield number, next(csv.reader(["".join(cells[:1])], delimiter=delimiter, strict=True), [])


def _quotes_after_spaces(lines: list[str], delimiter: str) -> bool:
    """Say whether quotes stand behind a space (``"a", "b"``), which belongs to no value then."""
    if delimiter.isspace():
        return False
    try:
        return any(cell.startswith(' "') for cells in csv.reader(lines, delimiter=delimiter) for cell in cells[1:])
    except csv.Error:
        return False


def columns_of(value: Any, is_record: Callable[[Any], bool]) -> list[SourceRow]:
    """Return the rows of a table that is one object: by its columns, as lists or, as pandas writes them, as objects; or by its
    rows.

    Empty if it is something else.
    """
    if not isinstance(value, dict) or len(value) < 2:
        return []
    columns = list(value.values())
    least = 2 if isinstance(columns[0], dict) else _LEAST_CONVERSATIONS
    if len(columns) >= least and all(map(is_record, columns)):
        return [SourceRow(number, row, f"record {number}") for number, row in enumerate(columns, start=1)]
    if all(isinstance(column, dict) for column in columns) and all(
        column.keys() == columns[0].keys() for column in columns
    ):
        columns = [list(column.values()) for column in columns]
    if not all(isinstance(column, list) and len(column) == len(columns[0]) > 1 for column in columns):
        return []
    return [
        SourceRow(number, dict(zip(value, row, strict=True)), f"row {number}")
        for number, row in enumerate(zip(*columns, strict=True), start=1)
    ]


def _has_delimiter(line: str) -> bool:
    return any(mark in line for mark in _DELIMITERS)


def _delimiter(header_line: str, following: list[str]) -> str:
    """Return the mark that parts the header and the lines behind it into equally many cells, of several the one with the most."""

    def fit(mark: str) -> tuple[bool, int, bool]:
        widths = [len(cells) for cells in csv.reader([header_line, *following], delimiter=mark) if cells] or [0]
        return len(set(widths[:-1])) <= 1 < widths[0], header_line.count(mark), mark == ","

    try:
        return max(_DELIMITERS, key=fit)
    except csv.Error:
        return max(_DELIMITERS, key=lambda mark: (header_line.count(mark), mark == ","))


def header_names(file: SourceFile, line: int, cells: list[str]) -> list[str]:
    """Return the column names in the first row of a table. Raises `DatasetError` where one is used twice."""
    names = _trimmed(cells)
    refuse_twice(names, file.at(line))
    return names


def _trimmed(cells: Sequence[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    while len(names) > 1 and not names[-1]:
        names.pop()
    return names


def refuse_twice(names: list[str], where: str) -> None:
    """Raise `DatasetError` where two columns have one name."""
    seen: set[str] = set()
    for name in filter(None, names):
        if name in seen:
            raise DatasetError(
                f"two columns have the same name, “{printable(name)}”",
                where=where,
                fix="rename one of them",
                kind=ErrorKind.DATASET_COLUMNS,
            )
        seen.add(name)


def as_dict(file: SourceFile, line: int, header: list[str], cells: list[str]) -> dict[str, str]:
    """Return a row by its column names; what tables write for “nothing here” is empty. Raises `DatasetError` for a wrong
    width.
    """
    surplus = [cell for cell in cells[len(header) :] if cell.strip()]
    if len(cells) < len(header) or surplus:
        raise DatasetError(
            f"this row has {len(cells)} values, but there are {len(header)} columns",
            where=file.at(line),
            fix="put texts that hold commas, quotes or line breaks in double quotes (any spreadsheet's "
            "CSV export does)",
            kind=ErrorKind.DATASET_ROW_WIDTH,
        )
    return {name: "" if cell.strip() in _EMPTY_CELLS else cell for name, cell in zip(header, cells, strict=False)}


def _broken_csv(file: SourceFile, line: int, error: csv.Error) -> DatasetError:
    reason = str(error)
    if "new-line character" in reason:
        what, fix = "the lines end as on old Macs (with CR only)", "save it again as CSV UTF-8"
    elif "unexpected end of data" in reason or "field larger" in reason:
        what, fix = "a double quote that opens in this row is never closed", "close it, or export the table again"
    elif "expected after" in reason:
        what, fix = (
            "there is text after a closing double quote in this row",
            'write a double quote inside a text twice (""), or export the table again',
        )
    else:
        what, fix = f"this row is not valid CSV ({reason})", "repair the row, or export the table again"
    return DatasetError(what, where=file.at(line), fix=fix, kind=ErrorKind.DATASET_BROKEN_CSV)
