"""An endpoint has as many keys as it has users, and they change while it serves."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import openai
import pytest

from brightrun_tui.domain.durations import parse_duration
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.serving.keys import (
    KeyRing,
    add_key,
    forget_key,
    list_keys,
    put_key,
    read_key,
    read_key_file,
    remove_key,
    rotate_key,
)
from brightrun_tui.serving.places import let_serve, remove_left
from tests.serving.conftest import Served

OLD = "an-old-key-of-mine"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    put_key(tmp_path, OLD)
    return tmp_path


def admits(home: Path, key: str) -> bool:
    return KeyRing(home).admits(key.encode())


def test_a_named_key_is_let_in_until_it_is_removed(home: Path) -> None:
    ring = KeyRing(home)
    key = add_key(home, "ci")
    assert ring.admits(key.encode()) and ring.admits(OLD.encode())
    with pytest.raises(UsageError, match="there is a key “ci” already"):
        add_key(home, "ci")
    remove_key(home, "ci")
    assert not ring.admits(key.encode()) and ring.admits(OLD.encode())
    with pytest.raises(UsageError, match="no key “ci”"):
        remove_key(home, "ci")
    with pytest.raises(UsageError, match="rotate it"):
        remove_key(home, "main")


def test_a_damaged_file_of_keys_is_said_and_nothing_is_written_over_it(home: Path) -> None:
    """It lets nobody in but the main key, and the keys in it can still be saved by hand."""
    key = add_key(home, "ci")
    file = home / "keys.json"
    damaged = file.read_text()[:-4]
    file.write_text(damaged)
    assert admits(home, OLD) and not admits(home, key)
    for attempt in (
        lambda: list_keys(home),
        lambda: add_key(home, "night"),
        lambda: rotate_key(home),
        lambda: remove_key(home, "ci"),
    ):
        with pytest.raises(UsageError, match="is damaged") as refused:
            attempt()
        assert refused.value.where == str(file)
    assert file.read_text() == damaged and read_key(home) == OLD


def test_an_old_key_is_let_in_only_as_long_as_was_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = KeyRing(home)
    new = rotate_key(home, keep_old=60.0)
    assert read_key(home) == new
    assert ring.admits(new.encode()) and ring.admits(OLD.encode())
    expires = next(key.expires_at for key in list_keys(home) if key.expires_at)
    monkeypatch.setattr("brightrun_tui.serving.keys.time.time", lambda: expires + 1)
    assert ring.admits(new.encode()) and not ring.admits(OLD.encode())
    assert [key.name for key in list_keys(home)] == ["main"]


@pytest.mark.parametrize("name", ["main", "ci"])
def test_a_second_rotation_keeps_to_what_was_said_at_the_first(home: Path, name: str) -> None:
    """Whoever was promised an hour has it; a rotation that keeps nothing ends them all."""
    first = OLD if name == "main" else add_key(home, name)
    second = rotate_key(home, name, keep_old=60.0)
    third = rotate_key(home, name, keep_old=60.0)
    assert all(admits(home, key) for key in (first, second, third))
    last = rotate_key(home, name)
    assert admits(home, last) and not any(admits(home, key) for key in (first, second, third))


def test_rotating_at_once_ends_the_old_key(home: Path) -> None:
    named = add_key(home, "ci")
    new = rotate_key(home, "ci", "a-key-of-my-own-making")
    assert new == "a-key-of-my-own-making" and admits(home, new) and not admits(home, named)
    rotate_key(home)
    assert not admits(home, OLD)


def test_keys_are_kept_from_others_and_named_ones_are_not_kept_at_all(home: Path) -> None:
    key = add_key(home, "ci")
    files = [path for path in home.iterdir() if path.is_file()]
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in files)
    assert not any(key in path.read_text() for path in files)


@pytest.mark.parametrize("text", ["short", "two words of some length", "ümlaut-in-a-key-of-mine"])
def test_what_cannot_be_a_key_is_refused(home: Path, text: str) -> None:
    with pytest.raises(UsageError, match="one word of 16 to 512"):
        rotate_key(home, key=text)
    assert admits(home, OLD)


def test_one_key_does_not_go_by_two_names(home: Path) -> None:
    """Else whoever holds it would still be let in after one of them was removed."""
    with pytest.raises(UsageError, match="already, as “main”"):
        add_key(home, "ci", OLD)
    with pytest.raises(UsageError, match="already, as “main”"):
        rotate_key(home, key=OLD)


def test_a_key_file_is_neither_waited_for_nor_read_without_end(tmp_path: Path) -> None:
    """The engine reads it, too: a pipe that nobody writes to must not hold up everything else."""
    os.mkfifo(pipe := tmp_path / "pipe")
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(UsageError, match="not a regular file") as refused:
            read_key_file(path)
        assert refused.value.where == str(path) and refused.value.fix


def test_a_damaged_file_lets_nobody_else_in(home: Path) -> None:
    key = add_key(home, "ci")
    (home / "keys.json").write_text("{")
    assert not admits(home, key) and admits(home, OLD)


def test_spans_of_time() -> None:
    assert [parse_duration(text, "--x") for text in ("0", "90s", "30m", "1.5h", "2d")] == [0, 90, 1800, 5400, 172800]
    with pytest.raises(UsageError, match="“soon” is not a span of time"):
        parse_duration("soon", "--x")


@pytest.mark.slow
def test_a_running_endpoint_follows_its_keys(served: Served) -> None:
    """No restart: the next request counts."""
    key = add_key(served.directory, "colleague")
    assert served.client(key).models.list().data
    remove_key(served.directory, "colleague")
    with pytest.raises(openai.AuthenticationError):
        served.client(key).models.list()
    assert served.client().models.list().data


def test_an_endpoint_that_has_ended_leaves_no_key_of_any_of_its_versions(home: Path) -> None:
    """Each version that took another's place had a copy, which stayed on the disk for good."""
    put_key(home / "version-2-abcd", OLD)
    add_key(home, "ci")
    forget_key(home)
    assert {path.name for path in home.rglob("*") if path.is_file()} <= {".keys.lock"}


def test_places_of_versions_that_serve_no_more_go_and_the_others_stay(home: Path) -> None:
    for place in ("version-1-aaaa", "version-2-bbbb", "version-3-cccc"):
        put_key(home / place, OLD)
    let_serve(home, "version-2-bbbb")
    (home / "candidate").write_text("version-3-cccc")
    remove_left(home)
    assert sorted(path.name for path in home.iterdir() if path.is_dir()) == ["version-2-bbbb", "version-3-cccc"]
    assert read_key(home) == OLD
