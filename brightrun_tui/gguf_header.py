"""The beginning of a GGUF file: what is said about the model, and which tensors lie where.

The package ``gguf`` reads the same, but makes several objects of every one of the 300,000 words of a vocabulary: five seconds and
more for a list that nobody here looks at. This passes over them, and takes a damaged or hostile file for what it is.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAGIC = b"GGUF"
VERSIONS = (2, 3)
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_KEPT = 512
"""Longest list whose values are kept; of a longer one only the length."""
_MOST_TENSORS, _MOST_VALUES, _MOST_DIMENSIONS, _LONGEST_NAME = 1 << 20, 1 << 16, 8, 1 << 16
_ALIGNMENT = 32
_MOST_BYTES = 256 << 20
"""Of a header: ten times what the largest vocabularies take."""


@dataclass(frozen=True)
class GgufTensor:
    """One tensor. ``shape``: as written, the fastest dimension first; ``kind``: number of the GGML type; ``offset``: bytes after
    the start of the data.
    """

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class GgufHeader:
    """``values``: numbers, texts and short lists by key; ``lengths``: how long each list is; ``data_start``: byte of the first
    tensor; ``size``: bytes of the whole file.
    """

    values: dict[str, Any]
    lengths: dict[str, int]
    tensors: tuple[GgufTensor, ...]
    data_start: int
    size: int

    def number(self, key: str, default: int = 0) -> int:
        """Return a whole number, or the largest of a list of them (for what differs from layer to layer)."""
        value = self.values.get(key, default)
        if isinstance(value, list):
            value = max((one for one in value if isinstance(one, int)), default=default)
        return int(value) if isinstance(value, int) else default

    def text(self, key: str) -> str:
        value = self.values.get(key, "")
        return value if isinstance(value, str) else ""


def read_header(path: Path) -> GgufHeader:
    """Read everything before the weights; no more of the file is touched.

    Raises:
        ValueError: it is not a GGUF file, or its beginning is damaged; says what is wrong.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if file.read(4) != MAGIC:
            raise ValueError("it does not begin as a GGUF file does")
        size = os.fstat(file.fileno()).st_size
        with mmap.mmap(file.fileno(), min(size, _MOST_BYTES), access=mmap.ACCESS_READ) as data:
            try:
                return _Cursor(data, size).header()
            except (struct.error, IndexError, OverflowError):
                raise ValueError("it ends before its description does") from None
            except UnicodeDecodeError:
                raise ValueError("a name in it is not text") from None


class _Cursor:
    """Reads onwards through the file."""

    def __init__(self, data: mmap.mmap, size: int) -> None:
        self.data, self.size, self.at = data, size, 4

    def header(self) -> GgufHeader:
        version = self.take("<I")
        if version not in VERSIONS:
            raise ValueError(f"it is of version {version}; this reads {VERSIONS[0]} and {VERSIONS[1]}")
        tensor_count, value_count = self.take("<Q"), self.take("<Q")
        if tensor_count > _MOST_TENSORS or value_count > _MOST_VALUES:
            raise ValueError("its beginning makes no sense")
        values: dict[str, Any] = {}
        lengths: dict[str, int] = {}
        for _ in range(value_count):
            key = self.string()
            kind = self.take("<I")
            if kind == _ARRAY:
                kept, lengths[key] = self.array()
                if kept is not None:
                    values[key] = kept
            else:
                values[key] = self.value(kind)
        tensors = tuple(self.tensor() for _ in range(tensor_count))
        alignment = values.get("general.alignment", _ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
            raise ValueError("its alignment makes no sense")
        return GgufHeader(values, lengths, tensors, -(-self.at // alignment) * alignment, self.size)

    def take(self, form: str) -> Any:
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def string(self) -> str:
        length = self.take("<Q")
        if length > len(self.data) - self.at:
            raise IndexError
        text = self.data[self.at : self.at + length].decode("utf-8")
        self.at += length
        return text

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind not in _SCALARS:
            raise ValueError(f"it holds a value of an unknown kind ({kind})")
        return self.take(_SCALARS[kind])

    def array(self) -> tuple[list[Any] | None, int]:
        """Return the values of a short list, and its length; a longer one is passed over."""
        kind, count = self.take("<I"), self.take("<Q")
        if count > len(self.data) - self.at:
            raise IndexError
        if count <= _KEPT and kind != _ARRAY:
            return [self.value(kind) for _ in range(count)], count
        if kind in _SCALARS:
            self.at += count * struct.calcsize(_SCALARS[kind])
        elif kind == _STRING:
            data, at = self.data, self.at
            for _ in range(count):
                at += 8 + struct.unpack_from("<Q", data, at)[0]
            self.at = at
        else:
            raise ValueError("it holds lists of lists")
        return None, count

    def tensor(self) -> GgufTensor:
        name, dimensions = self.string(), self.take("<I")
        if dimensions > _MOST_DIMENSIONS or len(name) > _LONGEST_NAME:
            raise ValueError("its list of tensors makes no sense")
        shape = tuple(self.take("<Q") for _ in range(dimensions))
        return GgufTensor(name, shape, self.take("<I"), self.take("<Q"))
