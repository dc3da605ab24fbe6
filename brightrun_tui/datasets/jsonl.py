"""JSON Lines: one record a line. A broken line refuses the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from brightrun_tui.datasets.flaws import CUT_OFF, NAME_TWICE, NOT_A_NUMBER, NUMBER_TOO_LONG
from brightrun_tui.datasets.nesting import MAX_DEPTH, is_deep
from brightrun_tui.datasets.source import Literal, SourceFile, SourceRow, numbered_lines
from brightrun_tui.datasets.turns import printable
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError

_BYTE_ORDER_MARK = "\ufeff"
_EXPORT_AGAIN = "repair or delete that line, or export the file again"


def read_jsonl(file: SourceFile) -> Iterator[SourceRow]:
    """Yield the value of every line that is not blank.

    Raises:
        DatasetError: a line is not JSON; names line, column, reason and fix.
    """
    decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=Literal, object_pairs_hook=_object)
    for number, line in numbered_lines(file):
        text = line.strip().removeprefix(_BYTE_ORDER_MARK).strip()  # of a file that was put behind another one
        if not text:
            continue
        try:
            value = decoder.decode(text)
        except (ValueError, RecursionError) as error:
            raise _broken(file, number, line, error) from None
        if is_deep(text, value):
            raise _broken(file, number, line, RecursionError())
        yield SourceRow(number, value, f"line {number}")


def _refuse_constant(name: str) -> NoReturn:
    raise _NotJson(name)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object. Readers differ in which of two fields of one name they take, so neither is taken."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next((name for name, value in pairs if found[name] != value), None)
        if twice is not None:
            raise _NameTwice(twice)
    return found


class _NameTwice(ValueError):
    """Two fields of one object have the same name."""


class _NotJson(ValueError):
    """NaN, Infinity or -Infinity: Python writes them, JSON does not know them."""


def _broken(file: SourceFile, number: int, line: str, error: ValueError | RecursionError) -> DatasetError:
    if isinstance(error, RecursionError):
        return DatasetError(
            f"a line is nested more than {MAX_DEPTH} levels deep",
            where=file.at(number),
            fix=_EXPORT_AGAIN,
            kind=ErrorKind.DATASET_NESTING,
        )
    if isinstance(error, _NotJson):
        return NOT_A_NUMBER.at(file.at(number), str(error))
    if isinstance(error, _NameTwice):
        return NAME_TWICE.at(file.at(number), printable(str(error)))
    if not isinstance(error, json.JSONDecodeError):
        return NUMBER_TOO_LONG.at(file.at(number))
    column = error.colno + len(line) - len(line.lstrip())
    if not line.endswith("\n") and fine_so_far(error):
        return CUT_OFF.at(file.at(number, column))
    fix = _EXPORT_AGAIN
    if "double quotes" in error.msg:
        fix = "JSON wants double quotes around names and texts; write each line with a JSON library"
    elif error.msg == "Extra data":
        fix = "put each record on a line of its own"
    return DatasetError(
        f"this line is not valid JSON: {_plain(error.msg)}",
        where=file.at(number, column),
        fix=fix,
        kind=ErrorKind.DATASET_BROKEN_JSON,
    )


def fine_so_far(error: json.JSONDecodeError) -> bool:
    """Say whether the text was fine as far as it went."""
    return error.msg.startswith("Unterminated string") or not error.doc[error.pos :].strip()


def _plain(message: str) -> str:
    return message[:1].lower() + message[1:]
