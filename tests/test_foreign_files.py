"""Files of others are read at one border: whatever stands under the name, the answer is a value or one sentence of ours."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from brightrun_tui.foreign_files import (
    MAX_TOML_BYTES,
    ForeignFileError,
    NoSuchFileError,
    read_bytes,
    read_json,
    read_safetensors_header,
    read_toml,
)

READERS: tuple[Callable[[Path], object], ...] = (
    read_json,
    read_toml,
    read_safetensors_header,
    lambda path: read_bytes(path, 100),
)


def _secret(path: Path) -> None:
    path.touch()
    path.chmod(0)


def _hole(path: Path) -> None:
    path.write_text("{")
    os.truncate(path, 1 << 40)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        Path.mkdir,
        lambda path: path.symlink_to(path.name),
        _hole,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to("/dev/tty"),
    ],
)
def test_what_is_no_file_is_refused_without_waiting_for_it(
    tmp_path: Path, read: Callable[[Path], object], make: Callable[[Path], object]
) -> None:
    """A pipe, a directory, a loop of links, terabytes of nothing, devices: one sentence, at once."""
    path = tmp_path / "x"
    make(path)
    with pytest.raises(ForeignFileError) as refused:
        read(path)
    assert refused.value.what and refused.value.where == str(path)


@pytest.mark.parametrize("name", ["missing", "x" * 300, "a\0b", "missing/x"])
def test_a_name_that_stands_for_nothing_is_told_apart(tmp_path: Path, name: str) -> None:
    """A setting that is not there is no damaged one."""
    for read in READERS:
        with pytest.raises(NoSuchFileError):
            read(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    _secret(tmp_path / "x")
    with pytest.raises(ForeignFileError, match="Permission denied"):
        read_json(tmp_path / "x")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"5",
        b"{",
        b"\xff{}",
        b'{"a": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": nul}',
        b"<html>",
        b"\0" * 100,
    ],
)
def test_what_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ForeignFileError):
        read_json(tmp_path / "x")


@pytest.mark.parametrize(
    "content", [b"x = [", b"x = " + b"[" * 20_000, b"\xff = 1", b"a" * (MAX_TOML_BYTES + 1), b"x = 1\nx = 2"]
)
def test_what_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ForeignFileError):
        read_toml(tmp_path / "x")


def header(text: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("<Q", len(text) if length is None else length) + text + data


GOOD = b'{"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 7,
        header(b"[]"),
        header(b"{}", length=0),
        header(b"{}", length=2**63),
        header(b"{}", length=100 << 20),
        header(b'{"w": 5}'),
        header(b'{"w": {}}'),
        header(b'{"w": {"shape": null, "data_offsets": [0, 8]}}', b"x" * 8),
        header(b'{"w": {"shape": [2], "data_offsets": "ab"}}', b"x" * 8),
        header(b'{"w": {"shape": [2], "data_offsets": [0]}}', b"x" * 8),
        header(b'{"w": {"shape": [-2], "data_offsets": [0, 8]}}', b"x" * 8),
        header(b'{"w": {"shape": [1.5], "data_offsets": [0, 8]}}', b"x" * 8),
        header(b'{"w": {"shape": [999999999], "data_offsets": [0, 8]}}', b"x" * 8),
        header(b'{"w": {"shape": [2], "data_offsets": [8, 0]}}', b"x" * 8),
        header(b'{"w": [[[[' * 5000),
        header(GOOD, b"x" * 7),
    ],
)
def test_a_safetensors_header_that_makes_no_sense_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ForeignFileError, match=r"damaged|incomplete"):
        read_safetensors_header(tmp_path / "x")


def test_a_whole_safetensors_file_is_read_with_its_metadata_left_out(tmp_path: Path) -> None:
    text = b'{"__metadata__": {"format": "pt"}, ' + GOOD[1:]
    (tmp_path / "x").write_bytes(header(text, b"x" * 8))
    found = read_safetensors_header(tmp_path / "x")
    assert (list(found.tensors), found.tensors["w"].elements, found.data_bytes) == (["w"], 2, 8)
