"""Whole lines of a file that grows: none lost, none doubled, none half, however it is written and whatever becomes of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from brightrun_tui import lines
from brightrun_tui.lines import LineFollower, backwards, cut, from_next_line, line_break, split


@pytest.mark.parametrize("limit", [4, 7, 1000])
def test_lines_written_byte_by_byte_arrive_whole_and_once(tmp_path: Path, limit: int) -> None:
    path, text = tmp_path / "log", b"one\n\ntwo\r\nlast"
    follower, found = LineFollower(path), b""
    assert follower.read(limit) == b""
    for end in range(1, len(text) + 1):
        path.write_bytes(text[:end])
        while whole := follower.read(limit):
            assert whole.endswith(b"\n") or len(whole) == limit
            found += whole
    assert found == text[: follower.offset]
    assert found.startswith(b"one\n\ntwo\r" if limit == 4 else b"one\n\ntwo\r\n")


def test_a_line_without_an_end_comes_in_pieces(tmp_path: Path) -> None:
    """Nobody who follows a file holds more of it than a piece."""
    path = tmp_path / "log"
    path.write_bytes(b"x" * 25)
    follower = LineFollower(path)
    assert [len(follower.read(10)) for _ in range(3)] == [10, 10, 0]
    path.write_bytes(b"x" * 25 + b"\nnext\n")
    assert follower.read(100) == b"xxxxx\nnext\n"


def test_a_file_that_was_shortened_or_replaced_begins_anew(tmp_path: Path) -> None:
    """A log that its writer closed and began again is read from its beginning, also where it is longer than the old one."""
    path = tmp_path / "log"
    path.write_bytes(b"old 1\nold 2\n")
    follower = LineFollower(path)
    assert not follower.look() and follower.read() == b"old 1\nold 2\n"
    os.truncate(path, 0)
    assert follower.look()
    path.write_bytes(b"new\n")
    assert not follower.look() and follower.read() == b"new\n" and follower.size == 4
    aside = tmp_path / "aside"
    aside.write_bytes(b"another one, and longer\n")
    os.replace(aside, path)
    assert follower.look() and follower.read() == b"another one, and longer\n"
    path.unlink()
    assert not follower.look() and follower.read() == b""


@pytest.mark.parametrize("end", [b"", b"half"])
@pytest.mark.parametrize("block", [1, 5, 64])
def test_backwards_gives_every_line_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, end: bytes
) -> None:
    monkeypatch.setattr(lines, "_BLOCK", block)
    path, text = tmp_path / "log", b"a\n\nlonger than a block\r\n" + b"b" * 70 + b"\n" + end
    path.write_bytes(text)
    found = list(backwards(path))
    assert [line for _, line in reversed(found)] == list(split(text))
    assert all(text[place:].startswith(line) for place, line in found)
    path.write_bytes(b"")
    assert list(backwards(path)) == []


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    """A progress bar is one line, and so is a text with other breaks in it."""
    assert list(split("1%\r2%\x0b\u2028\nrest".encode())) == ["1%\r2%\x0b\u2028\n".encode(), b"rest"]
    assert cut(b"a\nb\nrest") == (b"a\nb\n", b"rest") and cut(b"rest") == (b"", b"rest")
    assert from_next_line(b"half\nwhole\n") == b"whole\n" and from_next_line(b"half") == b""
    path = tmp_path / "log"
    assert line_break(path) == b""
    for text, missing in ((b"", b""), (b"a\n", b""), (b"a", b"\n")):
        path.write_bytes(text)
        assert line_break(path) == missing
