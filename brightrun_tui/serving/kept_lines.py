"""A file with a line of JSON for each thing that happens: for its owner alone, and never larger than it may be."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from brightrun_tui.lines import backwards, from_next_line

Line = TypeVar("Line", bound=BaseModel)


def add_lines(file: Path, lines: Sequence[BaseModel], most_bytes: int, *, make: bool = True) -> None:
    """Append them, and let go of the older half of a file of more than ``most_bytes``. Blocking.

    ``make``: begin the file where there is none. A disk that cannot be written loses the lines, and nothing else.
    """
    told = b"".join(line.model_dump_json().encode() + b"\n" for line in lines)
    flags = os.O_WRONLY | os.O_APPEND | (os.O_CREAT if make else 0)
    with suppress(OSError):
        with os.fdopen(os.open(file, flags, 0o600), "ab") as out:
            out.write(told)
        if file.stat().st_size > most_bytes:
            _forget_older_half(file)


def newest_lines(file: Path, kind: type[Line], most: int = 0) -> list[Line]:
    """Return the newest first, at most so many (0: all); a line that cannot be read is passed over. Blocking.

    Raises:
        OSError: the file cannot be read.
    """
    found: list[Line] = []
    with suppress(FileNotFoundError):
        for _, line in backwards(file):
            if most and len(found) >= most:
                break
            with suppress(ValidationError):
                found.append(kind.model_validate_json(line))
    return found


def _forget_older_half(file: Path) -> None:
    data = file.read_bytes()
    rest = from_next_line(data[len(data) // 2 :])
    aside = file.with_name(f".{file.name}.part")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(rest)
    aside.replace(file)
