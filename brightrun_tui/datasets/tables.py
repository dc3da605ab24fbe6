"""Tables: CSV and TSV with a header line, and Parquet."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

from brightrun_tui.datasets.source import MAX_RECORD_BYTES, Row, SourceFile, numbered_lines, readable
from brightrun_tui.datasets.turns import printable
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError

_PARQUET_BATCH = 256
_DECLARED = re.compile(r'"?sep=(\\t|.)"?')
_DELIMITERS = ",;\t|"
_EMPTY_CELLS = frozenset(
    {
        "nan",
        "NaN",
        "None",
        "null",
        "NULL",
        "<NA>",
        "NaT",
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
    }
)
"""What pandas, SQL clients and Excel write for a cell without a value."""


def read_csv(file: SourceFile) -> Iterator[Row]:
    """A dict of column name to text for every row, numbered by the line on which the row starts.

    The delimiter is the one of comma, semicolon, tab and bar that splits the header line most.

    Raises:
        DatasetError: no column names, one used twice, a quote never closed, a row of the wrong width.
    """
    csv.field_size_limit(MAX_RECORD_BYTES)
    lines = numbered_lines(file)
    first_number, first = next(((n, line) for n, line in lines if line.strip()), (1, ""))
    delimiter = _delimiter(first)
    if declared := _DECLARED.fullmatch(first.strip()):  # Excel's own way of naming the delimiter
        delimiter = declared[1].replace("\\t", "\t")
        first_number, first = next(((n, line) for n, line in lines if line.strip()), (2, ""))
    if first.strip() and not any(
        mark in first for mark in _DELIMITERS
    ):  # one cell: a title, where the next line has more
        second_number, second = next(((n, line) for n, line in lines if line.strip()), (0, ""))
        if any(mark in second for mark in _DELIMITERS):
            first_number, first, delimiter = second_number, second, _delimiter(second)
        else:
            lines = chain([(second_number, second)], lines)
    reader = csv.reader(chain([first], (line for _, line in lines)), delimiter=delimiter, strict=True)
    header: list[str] = []
    start = first_number
    try:
        for cells in reader:
            if not header:
                header = header_names(file, start, cells)
            elif any(cell.strip() for cell in cells):
                yield Row(start, as_dict(file, start, header, cells), f"line {start}")
            start = first_number + reader.line_num
    except csv.Error as error:
        raise _broken_csv(file, start, error) from None


def read_parquet(file: SourceFile) -> Iterator[Row]:
    """A dict of column name to value for every row, numbered from 1; columns of raw bytes are not read.

    Raises:
        DatasetError: pyarrow is not installed, or the file is damaged.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DatasetError(
            "reading Parquet needs the package pyarrow",
            where=str(file.path),
            kind=ErrorKind.DATASET_NEEDS_PYARROW,
            fix="install it with: pip install 'brightrun[parquet]'; or save the data as JSONL",
        ) from None
    number = 0
    try:
        with readable(file.path), pyarrow.parquet.ParquetFile(file.data) as table:
            file.position.total = table.metadata.num_rows
            columns = [field.name for field in table.schema_arrow if not _is_bytes(field.type)]
            for batch in table.iter_batches(batch_size=_PARQUET_BATCH, columns=columns):
                for value in batch.to_pylist():
                    number += 1
                    file.position.done = number
                    yield Row(number, value, f"row {number}")
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DatasetError(
            f"the Parquet file is damaged or cut off ({reason})",
            where=str(file.path),
            fix="copy or export it again",
            kind=ErrorKind.DATASET_BROKEN_PARQUET,
        ) from None


def columns_of(value: Any) -> list[Row]:
    """The rows of a table that is given by its columns, as lists or, as pandas writes them, as objects; else empty."""
    if not isinstance(value, dict) or len(value) < 2:
        return []
    columns = list(value.values())
    if all(isinstance(column, dict) for column in columns) and all(
        column.keys() == columns[0].keys() for column in columns
    ):
        columns = [list(column.values()) for column in columns]
    if not all(isinstance(column, list) and len(column) == len(columns[0]) > 1 for column in columns):
        return []
    return [
        Row(number, dict(zip(value, row, strict=True)), f"row {number}")
        for number, row in enumerate(zip(*columns, strict=True), start=1)
    ]


def _is_bytes(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _delimiter(header_line: str) -> str:
    return max(_DELIMITERS, key=lambda mark: (header_line.count(mark), mark == ","))


def header_names(file: SourceFile, line: int, cells: list[str]) -> list[str]:
    """The column names in the first row of a table. Raises `DatasetError` where one is used twice."""
    names = [cell.strip() for cell in cells]
    while len(names) > 1 and not names[-1]:
        names.pop()
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise DatasetError(
            f"two columns have the same name, “{printable(twice)}”",
            where=file.at(line),
            fix="rename one of them",
            kind=ErrorKind.DATASET_COLUMNS,
        )
    return names


def as_dict(file: SourceFile, line: int, header: list[str], cells: list[str]) -> dict[str, str]:
    """A row by its column names; what tables write for “nothing here” is empty. Raises `DatasetError` for a wrong width."""
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
        what, fix = "the lines end in the way of old Macs (with CR only)", "save it again as CSV UTF-8"
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
