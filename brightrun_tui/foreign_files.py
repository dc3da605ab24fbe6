"""Reading files that others wrote: bases, bundles, settings, themes. One function a kind; each refuses in one sentence.

A name may stand for a pipe, a device, a directory or terabytes; JSON may be nested without end. Nothing here waits, reads more
than its limit, or raises anything but `ForeignFileError`.
"""

from __future__ import annotations

import errno
import math
import os
import re
import stat
import struct
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.text import shortened

MAX_JSON_BYTES = 64 << 20
MAX_TOML_BYTES = 1 << 20
MAX_TOML_LEVELS = 32
MOST_TOML_BITS = 1024
MOST_TOML_DOTS = 500
"""In a line, but for what is quoted or a comment."""
MOST_SHOWN = 80
"""Characters of what somebody wrote, in a sentence about it."""
MOST_SENTENCE = 400
MAX_HEADER_BYTES = 100 << 20
"""As the safetensors format itself allows."""
_BOM = b"\xef\xbb\xbf"
"""What editors on Windows put before UTF-8."""
_QUOTED = re.compile(r'"""[\s\S]*?"""|\'\'\'[\s\S]*?\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*')
_SMALLEST_ELEMENT_BITS = 4

Model = TypeVar("Model", bound=BaseModel)


class ForeignFileError(BrightrunError):
    """A file that is not what it should be. ``what`` goes on after the file's name: “is damaged”."""


class NoSuchFileError(ForeignFileError):
    """There is nothing of that name."""


def read_bytes(path: Path, limit: int) -> bytes:
    """Return the content of a regular file of at most ``limit`` bytes. Raises `ForeignFileError`."""
    with _regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ForeignFileError(
            f"is larger than {humanize.limit(limit)}", where=str(path), kind=ErrorKind.FILE_TOO_LARGE
        )
    return data


def read_json(path: Path, limit: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """Return a JSON object, nested some 200 levels at most. Raises `ForeignFileError`."""
    return _object(read_bytes(path, limit), path)


def read_model(path: Path, model: type[Model], limit: int = MAX_JSON_BYTES) -> Model:
    """Return a JSON object that must fit ``model``. Raises `ForeignFileError`, naming the first field that does not."""
    return fit(read_json(path, limit), model, str(path))


def read_toml(path: Path) -> dict[str, Any]:
    """Return a TOML document. Raises `ForeignFileError`."""
    data = read_bytes(path, MAX_TOML_BYTES)
    try:
        text = data.removeprefix(_BOM).decode("utf-8")
        if any(line.count(".") > MOST_TOML_DOTS for line in _QUOTED.sub("", text).split("\n")):
            raise RecursionError  # the parser would take the square of that
        document = tomllib.loads(text)
        _require_plain(document, path)
        return document
    except UnicodeDecodeError:
        raise ForeignFileError("is not text in UTF-8", where=str(path), kind=ErrorKind.FILE_DAMAGED) from None
    except RecursionError:
        raise ForeignFileError("is nested too deeply", where=str(path), kind=ErrorKind.FILE_DAMAGED) from None
    except ValueError as error:
        why = shortened(str(error), MOST_SENTENCE)
        raise ForeignFileError(f"is not valid TOML: {why}", where=str(path), kind=ErrorKind.FILE_DAMAGED) from None


def _require_plain(document: dict[str, Any], path: Path) -> None:
    """Refuse what TOML's own grammar allows and no reader can work with: a thousand tables within one another, by one name
    with as many dots, and whole numbers that cannot even be told of.
    """
    found: list[tuple[Any, tuple[str, ...]]] = [(document, ())]
    while found:
        value, keys = found.pop()
        if len(keys) > MAX_TOML_LEVELS:
            raise ForeignFileError("is nested too deeply", where=str(path), kind=ErrorKind.FILE_DAMAGED)
        if isinstance(value, int) and value.bit_length() > MOST_TOML_BITS:
            place = shortened(".".join(keys), MOST_SHOWN)
            raise ForeignFileError(
                f"has a number that is too large: {place}", where=str(path), kind=ErrorKind.FILE_DAMAGED
            )
        if isinstance(value, dict):
            found += [(inner, (*keys, key)) for key, inner in value.items()]
        elif isinstance(value, list):
            found += [(inner, (*keys, str(number))) for number, inner in enumerate(value)]


def dotted(table: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return tables within tables as one: ``[a.b]`` with ``c = 1`` is what ``"a.b.c" = 1`` is."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= dotted(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value}
    return found


def fit(document: Any, model: type[Model], where: str) -> Model:
    """Return ``document`` as ``model``. Raises `ForeignFileError`, naming the first field that does not fit."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise ForeignFileError(
            f"is not valid ({first_problem(error)})", where=where, kind=ErrorKind.FILE_DAMAGED
        ) from None


def first_problem(error: ValidationError) -> str:
    """Return ``files.0.size should be a valid integer``, in words that do without pydantic's own."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part)[:40] for part in first["loc"][:6])
    said = shortened(first["msg"], MOST_SENTENCE)
    if place and first["type"] == "extra_forbidden":
        return f"nothing here is called “{place}”"
    if place and first["type"] == "missing":
        return f"“{place}” is missing"
    if said.startswith("Input should"):
        return f"{place or 'it'} {said.removeprefix('Input ')}"
    said = said.removeprefix("Value error, ")
    return f"{place}: {said}" if place else said


class Tensor(BaseModel):
    """What a safetensors header says of one tensor: its type in the format's own words, offsets in bytes behind the header."""

    model_config = ConfigDict(frozen=True, strict=True, defer_build=True)

    dtype: str = ""
    shape: Annotated[list[Annotated[int, Field(ge=0, lt=2**48)]], Field(max_length=16)]
    data_offsets: Annotated[list[Annotated[int, Field(ge=0, lt=2**63)]], Field(min_length=2, max_length=2)]

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


_OBJECT = TypeAdapter(dict[str, Any])
_TENSORS = TypeAdapter(dict[str, Tensor])


@dataclass(frozen=True)
class SafetensorsHeader:
    """Tensors by name, where the data begins, and how many bytes of it there are."""

    tensors: dict[str, Tensor]
    data_start: int
    data_bytes: int


def read_safetensors_header(path: Path, limit: int = MAX_HEADER_BYTES) -> SafetensorsHeader:
    """Return the header of a safetensors file: 8 bytes little-endian length, then that much JSON. The tensors lie inside the
    file.

    Raises:
        ForeignFileError: it makes no sense, or the file is shorter than it says.
    """
    with _regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        prefix = file.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
        if not 0 < length <= min(limit, size - 8):
            raise _no_header(path)
        raw = file.read(length)
    try:
        document = _object(raw, path)
        document.pop("__metadata__", None)
        tensors = _TENSORS.validate_python(document)
    except (ForeignFileError, ValidationError):
        raise _no_header(path) from None
    data = size - 8 - length
    wanted = max((tensor.data_offsets[1] for tensor in tensors.values()), default=0)
    if wanted > data:
        raise ForeignFileError(
            f"is incomplete ({size:,} of {8 + length + wanted:,} bytes are there)",
            where=str(path),
            kind=ErrorKind.FILE_DAMAGED,
        )
    for tensor in tensors.values():
        start, end = tensor.data_offsets
        if tensor.elements * _SMALLEST_ELEMENT_BITS > 8 * (end - start):
            raise _no_header(path)
    return SafetensorsHeader(tensors, 8 + length, data)


def _no_header(path: Path) -> ForeignFileError:
    return ForeignFileError("is damaged (its beginning makes no sense)", where=str(path), kind=ErrorKind.FILE_DAMAGED)


def _object(data: bytes, path: Path) -> dict[str, Any]:
    try:
        return _OBJECT.validate_json(data.removeprefix(_BOM))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        why = (
            f"is not valid JSON ({first['ctx']['error']})"
            if first["type"] == "json_invalid"
            else "is not a JSON object"
        )
        raise ForeignFileError(why, where=str(path), kind=ErrorKind.FILE_DAMAGED) from None


@contextmanager
def _regular(path: Path) -> Iterator[BinaryIO]:
    """Return a regular file, open for reading; a pipe is not waited for, and every error of the system is a sentence."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ForeignFileError("is not a regular file", where=str(path), kind=ErrorKind.FILE_NOT_REGULAR)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                yield file
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        number = getattr(error, "errno", errno.ENOENT)
        if number in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            raise NoSuchFileError("is not there", where=str(path), kind=ErrorKind.FILE_MISSING) from None
        raise ForeignFileError(
            f"cannot be read ({os.strerror(number)})", where=str(path), kind=ErrorKind.FILE_NOT_READABLE
        ) from None
