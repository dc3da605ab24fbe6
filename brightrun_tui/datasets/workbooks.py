"""Excel workbooks: the first visible sheet that has rows, or the one that is named, with column names in its first row."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from brightrun_tui.datasets.cells import follows, shown
from brightrun_tui.datasets.flaws import WORKBOOK_BOMB
from brightrun_tui.datasets.sheet_notes import commented_rows
from brightrun_tui.datasets.source import LEAST_SUSPECT, MOST_TIMES, SourceFile, SourceRow, readable
from brightrun_tui.datasets.tables import ABOVE, IsHeader, as_dict, header_names
from brightrun_tui.datasets.turns import printable
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError

_OPEN_FORMULA = re.compile(rb"</f>\s*(?:<v\s*/>|<v></v>|</c>)")
_COLUMN = re.compile(rb"<(?:\w+:)?col\s([^<>]{0,4096})[/>]")
_SPAN = re.compile(rb"(?:^|\s)(min|max)=[\"'](\d{1,5})[\"']")
_ROW = re.compile(rb"<(?:\w+:)?row(?:\s([^<>]{0,4096}))?[/>]")
_NUMBER = re.compile(rb"(?:^|\s)r=[\"'](\d{1,10})[\"']")
_HIDDEN = re.compile(rb"(?:^|\s)hidden=[\"'](?:1|true)[\"']")
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s[^<>]{0,4096}?ref=[\"']([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})[\"']")
_LAST_ROW = 1 << 20
"""As the format itself allows."""
_LOOKED_AT = 1000
"""Rows by which it is told whether a sheet has more than one column."""
_NO_ARCHIVE = (zipfile.BadZipFile, OSError, ValueError, NotImplementedError)
"""What the library says of an archive that is damaged, or of one from the future."""
_PIECE = 1 << 20
_LONGEST_TAG = 1 << 12
_MOST_BYTES = 2 << 30
_MOST_TIMES_HELD = 20
_LEAST_SUSPECT_HELD = 1 << 24
"""Of the parts that the library holds in memory as a whole, a hundred bytes for every few of theirs: texts, styles, names."""
_HELD = re.compile(rb"[^<>]{0,4096}ContentType=[\"'][^<>\"']{0,200}(?:sharedStrings|styles|main)\+xml[\"']")
_PART = re.compile(rb"PartName=[\"']/([^<>\"']{1,200})[\"']")
_TYPES = "[Content_Types].xml"
_MOST_SHEETS = 1000
_MOST_MERGED = 1 << 18


@dataclass
class _Scan:
    """What a sheet's own text says, which the library does not say where a workbook is read as a stream.

    How large a sheet is it takes from what the file claims beside the rows; many programs claim nothing, or one cell.

    Attributes:
        rows: how many there are.
        merged: cells merged over several rows, by their first row: column (from 0) and last row.
        hidden: numbers of the rows that are not shown.
        unseen: first and last of the columns (from 1) that are not shown.
    """

    rows: int = 0
    merged: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    hidden: set[int] = field(default_factory=set)
    unseen: list[tuple[int, int]] = field(default_factory=list)


def read_workbook(
    file: SourceFile, others: dict[str, int], sheet: str = "", is_header: IsHeader = lambda cells: True
) -> Iterator[SourceRow]:
    """Yield a dict of column name to value for every row, numbered as in the sheet. ``others`` receives the other
    sheets with rows.

    The names of the columns stand in the first row of several cells, or in the first of the next few that ``is_header``
    knows.

    Raises:
        DatasetError: openpyxl is missing, the workbook is damaged, protected or a bomb, or it has no sheet with rows.
    """
    with _opened(file) as book:
        sheets = _with_rows(file, book)
        chosen = next((one for one in sheets if one.title == sheet), None) if sheet else next(iter(sheets))
        if chosen is None:
            named = ", ".join(f"“{printable(one.title)}”" for one in sheets)
            raise DatasetError(
                f"the workbook has no sheet “{printable(sheet)}” with rows",
                where=str(file.path),
                kind=ErrorKind.DATASET_EMPTY,
                fix=f"one of: {named}",
            )
        if not sheet:
            others.update({one.title: scan.rows - 1 for one, scan in sheets.items() if one is not chosen})
        yield from _rows(file, chosen, sheets[chosen], _header_below(chosen, is_header))


def sheet_names(file: SourceFile) -> list[str]:
    """Return the sheets that have rows, the one that is read unless another is named first. Raises as `read_workbook`."""
    with _opened(file) as book:
        return [str(sheet.title) for sheet in _with_rows(file, book)]


def holds_open_formulas(file: SourceFile) -> bool:
    """Say whether the workbook has formulas that no program has computed yet, so that their cells are empty."""
    try:
        with zipfile.ZipFile(file.data) as archive:
            sheets = [
                name for name in archive.namelist() if name.startswith("xl/worksheets/") and name.endswith(".xml")
            ]
            return any(_OPEN_FORMULA.search(archive.read(name)) for name in sheets)
    except _NO_ARCHIVE:
        return False


def _with_rows(file: SourceFile, book: Any) -> dict[Any, _Scan]:
    """Return the sheets with rows below a header, the one to be read first. Raises `DatasetError`."""
    found: dict[Any, _Scan] = {}
    if len(book.worksheets) > _MOST_SHEETS:
        raise WORKBOOK_BOMB.at(str(file.path))
    for sheet in book.worksheets:
        sheet.reset_dimensions()
        if (scan := _scan(file, sheet)).rows > 1:
            found[sheet] = scan
    if not found:
        raise DatasetError(
            "the workbook has no sheet with rows",
            where=str(file.path),
            kind=ErrorKind.DATASET_EMPTY,
            fix="put column names into the first row and a record into each row below",
        )
    return {sheet: found[sheet] for sheet in sorted(found, key=lambda sheet: _is_passed_over(sheet, found[sheet].rows))}


@contextmanager
def _opened(file: SourceFile) -> Iterator[Any]:
    """Return the workbook; whatever goes wrong in it, here or where it is read, is a `DatasetError`."""
    try:
        import openpyxl
    except ImportError:
        raise DatasetError(
            "reading Excel files needs the package openpyxl",
            where=str(file.path),
            kind=ErrorKind.DATASET_NEEDS_OPENPYXL,
            fix="install it with: pip install openpyxl; or save the sheet as CSV UTF-8",
        ) from None
    _refuse_bombs(file)
    try:
        with readable(file.path):
            book = openpyxl.load_workbook(file.data, read_only=True, data_only=True)
            try:
                yield book
            finally:
                book.close()
    except DatasetError:
        raise
    except Exception as error:  # the library fails in as many ways as an archive of XML can be damaged
        raise DatasetError(
            f"the workbook is damaged or protected ({type(error).__name__})",
            where=str(file.path),
            fix="open it in Excel and save it again, or save the sheet as CSV UTF-8",
            kind=ErrorKind.DATASET_BROKEN_WORKBOOK,
        ) from None


def _header_below(sheet: Any, is_header: IsHeader) -> int:
    """Return the number of the row with the names of the columns, where it is not the first with several cells; else 0."""
    rows = enumerate(sheet.iter_rows(max_row=_LOOKED_AT, values_only=True), start=1)
    named = ((number, [str(cell).strip() for cell in cells if cell is not None]) for number, cells in rows)
    first = list(islice(((number, cells) for number, cells in named if len(cells) > 1), ABOVE + 1))
    known = [number for number, cells in first if is_header(cells)]
    return known[0] if known and known[0] != first[0][0] else 0


def _rows(file: SourceFile, sheet: Any, scan: _Scan, header_at: int) -> Iterator[SourceRow]:
    header: list[str] = []
    file.position.total = scan.rows
    said, most = 0, max(LEAST_SUSPECT, MOST_TIMES * file.size)
    title: list[str] = []
    file.sheet.dates.clear()
    file.sheet.filled = file.sheet.hidden = file.sheet.struck = file.sheet.commented = 0
    file.sheet.unseen.clear()
    commented = commented_rows(file, sheet)
    struck = _struck_styles(sheet.parent)
    over: dict[int, tuple[int, str]] = {}
    for number, row in enumerate(sheet.iter_rows(), start=1):
        file.position.done = number
        cells = ["" if cell.value is None else shown(cell.value, cell.number_format) for cell in row]
        file.sheet.dates.update(
            (cell.number_format, text)
            for cell, text in zip(row, cells, strict=True)
            if cell.value is not None and not follows(cell.value, cell.number_format)
        )
        said += sum(map(len, cells)) + len(cells)
        if (
            said > most
        ):  # a text that is kept once may stand in every cell, and a row may have its only cell far to the right
            raise WORKBOOK_BOMB.at(str(file.path))
        if number < header_at or not any(cell.strip() for cell in cells):
            continue
        if not header and not title and sum(1 for cell in cells if cell.strip()) == 1:
            title = cells  # over the table; or the name of its only column
        elif not header and sum(1 for cell in cells if cell.strip()) > 1:
            header = header_names(file, number, cells)
            file.sheet.unseen += [
                name
                for place, name in enumerate(header, start=1)
                if any(least <= place <= most for least, most in scan.unseen)
            ]
        else:
            header = header or header_names(file, number - 1, title)
            cells += [""] * (len(header) - len(cells))
            filled = _fill(cells, number, over)
            said += filled
            file.sheet.filled += bool(filled)
            over.update(
                (column, (last, cells[column])) for column, last in scan.merged.get(number, ()) if column < len(header)
            )
            file.sheet.hidden += number in scan.hidden
            file.sheet.commented += number in commented
            if struck:
                file.sheet.struck += any(cell.value is not None and cell._style_id in struck for cell in row)
            yield SourceRow(number, as_dict(file, number, header, cells), f"row {number}")


def _struck_styles(book: Any) -> set[int]:
    """Return the numbers of the styles of cells whose text is struck through."""
    return {number for number, style in enumerate(book._cell_styles) if book._fonts[style.fontId].strike}


def _fill(cells: list[str], number: int, over: dict[int, tuple[int, str]]) -> int:
    """Give a row the values of cells that are merged ``over`` it: by column the last row of each, and its value.

    Returns how many characters it got.
    """
    filled = 0
    for column, (last, value) in over.items():
        if number <= last and not cells[column].strip():
            cells[column] = value
            filled += len(value)
    return filled


def _scan(file: SourceFile, sheet: Any) -> _Scan:
    """Look through the text of a sheet. Raises `DatasetError` for a row that no sheet can have."""
    from openpyxl.utils.cell import range_boundaries

    scan, merged = _Scan(), 0
    with sheet._get_source() as stream:
        rest = b""
        while piece := stream.read(_PIECE):
            whole, end, rest = (rest + piece).rpartition(b">")
            for tag in _ROW.finditer(whole + end):
                scan.rows += 1
                number = int(found[1]) if (found := _NUMBER.search(tag[1] or b"")) else 0
                if number > _LAST_ROW:
                    raise WORKBOOK_BOMB.at(str(file.path))
                if _HIDDEN.search(tag[1] or b""):
                    scan.hidden.add(number)
            for tag in () if scan.rows > _LOOKED_AT else _COLUMN.finditer(whole + end):
                span = {name: int(number) for name, number in _SPAN.findall(tag[1])}
                if _HIDDEN.search(tag[1]) and len(span) == 2 and len(scan.unseen) < _LOOKED_AT:
                    scan.unseen.append((span[b"min"], span[b"max"]))
            for tag in _MERGED.finditer(whole):
                merged += 1
                if merged > _MOST_MERGED:
                    raise WORKBOOK_BOMB.at(str(file.path))
                left, top, _, bottom = range_boundaries(tag[1].decode())
                if bottom > top:
                    scan.merged.setdefault(top, []).append((left - 1, bottom))
            rest = rest[-_LONGEST_TAG:]
    return scan


def _is_passed_over(sheet: Any, rows: int) -> tuple[bool, bool]:
    """Say whether a sheet is hidden; whether it has too few columns for questions and answers, or too few rows for two of
    them.
    """
    return sheet.sheet_state != "visible", rows < 3 or all(
        len(row) < 2 for row in islice(sheet.iter_rows(), _LOOKED_AT)
    )


def _refuse_bombs(file: SourceFile) -> None:
    try:
        with zipfile.ZipFile(file.data) as archive:
            sizes = {one.filename: one.file_size for one in archive.infolist()}
            size, held = sum(one.file_size for one in archive.infolist()), _held(archive, sizes)
    except _NO_ARCHIVE:
        raise DatasetError(
            "the workbook is damaged or cut off",
            where=str(file.path),
            fix="copy or export it again",
            kind=ErrorKind.DATASET_BROKEN_WORKBOOK,
        ) from None
    if (
        size > _MOST_BYTES
        or (size > LEAST_SUSPECT and size > MOST_TIMES * file.size)
        or (held > _LEAST_SUSPECT_HELD and held > _MOST_TIMES_HELD * file.size)
    ):
        raise WORKBOOK_BOMB.at(str(file.path))


def _held(archive: zipfile.ZipFile, sizes: dict[str, int]) -> int:
    """Return the bytes of the parts that are read at once, wherever in the archive they are."""
    names = {name for name in sizes if name.endswith(".rels")} | {_TYPES}
    if sizes.get(_TYPES, 0) <= _LEAST_SUSPECT_HELD:
        for tag in archive.read(_TYPES).split(b"<") if _TYPES in sizes else ():
            if _HELD.match(tag) and (part := _PART.search(tag)):
                names.add(part[1].decode("utf-8", "replace"))
    return sum(sizes.get(name, 0) for name in names)
