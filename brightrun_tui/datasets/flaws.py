"""What may be wrong with a file wherever it is read, whatever its form: said in one place."""

from __future__ import annotations

from typing import NamedTuple

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError


class Flaw(NamedTuple):
    """``what`` may hold ``{detail}``."""

    what: str
    fix: str
    kind: ErrorKind

    def at(self, where: str, detail: str = "") -> DatasetError:
        """Return the error at this place."""
        return DatasetError(self.what.format(detail=detail), where=where, fix=self.fix, kind=self.kind)


CUT_OFF = Flaw(
    "the file ends in the middle of a record: it was cut off",
    "copy or export it again; or delete the part after the last whole record",
    ErrorKind.DATASET_TRUNCATED,
)
NOT_A_NUMBER = Flaw(
    "{detail} is not a JSON value", "write null for a missing value, or leave the field out", ErrorKind.DATASET_NAN
)
NAME_TWICE = Flaw(
    "the field “{detail}” occurs twice in one object, with different values",
    "keep the one that is meant, or give one of them another name",
    ErrorKind.DATASET_COLUMNS,
)
NUMBER_TOO_LONG = Flaw(
    "there is a number with more digits than can be read", "write such numbers as text", ErrorKind.DATASET_BROKEN_JSON
)
NOT_UTF8 = Flaw(
    "the text is not UTF-8 (byte 0x{detail})",
    "save it as UTF-8 (Excel: “CSV UTF-8”; command line: iconv -f WINDOWS-1252 -t UTF-8)",
    ErrorKind.DATASET_ENCODING,
)
PARQUET_BOMB = Flaw(
    "the Parquet file unpacks to far more than its size",
    "write it again without the rows that repeat a long text",
    ErrorKind.DATASET_BOMB,
)
WORKBOOK_BOMB = Flaw(
    "the workbook unpacks to far more than its size", "save the sheet as CSV UTF-8", ErrorKind.DATASET_BOMB
)
