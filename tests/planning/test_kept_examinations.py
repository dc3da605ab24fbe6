"""What was found in a large file is kept until the file changes, for its user alone."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from brightrun_tui import datasets
from brightrun_tui.datasets import Examined
from brightrun_tui.paths import Paths
from brightrun_tui.planning import kept_examinations
from brightrun_tui.planning.dataset_reports import examined
from brightrun_tui.planning.kept_examinations import keep, recall, state_of
from tests.datasets.conftest import lines

HOUR = 3600.0
PAD = "x" * 3000
COLUMNS = {"prompt": "prompt", "completion": "completion"}


def written(path: Path, word: str = "is") -> Path:
    """A file that is large enough to be kept, and has not been touched for an hour."""
    path.write_text(lines(*({"prompt": f"{i}?", "completion": f"{i} {word} {PAD}"} for i in [*range(100), 7, 8])))
    os.utime(path, (time.time() - HOUR,) * 2)
    return path


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Examined:
    return datasets.examine(written(tmp_path_factory.mktemp("found") / "data.jsonl"))


@pytest.fixture
def kept_file(tmp_path: Path, paths: Paths) -> Path:
    """The one file in the cache."""
    path = written(tmp_path / "data.jsonl")
    examined(str(path), {}, paths)
    (file,) = (paths.cache / "dataset-reports").iterdir()
    return file


def test_all_that_was_found_is_there_after_a_restart(tmp_path: Path, paths: Paths, found: Examined) -> None:
    """Report, records of each finding and sample: nothing is read again, and nothing is missing."""
    path = written(tmp_path / "data.jsonl")
    keep(path, state_of(path), time.time(), {}, found, paths)
    again = recall(path, state_of(path), {}, paths)
    assert again and again.report == found.report.model_copy(update={"path": str(path)})
    assert list(again.entries["duplicate"]) == [100, 101] and list(again.like["duplicate"]) == [7, 8]
    assert list(again.usable) == list(found.usable) and list(again.sample) == list(found.sample)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(
            lambda path: path.write_text(path.read_text() + lines({"prompt": "?", "completion": "!"})), id="more"
        ),
        pytest.param(lambda path: written(path, "si"), id="as long, and as old"),
        pytest.param(lambda path: written(path.with_name("other")).replace(path), id="another file of this name"),
    ],
)
def test_a_file_that_changed_is_read_again(
    tmp_path: Path, paths: Paths, found: Examined, changed: Callable[[Path], object]
) -> None:
    path = written(tmp_path / "data.jsonl")
    keep(path, state_of(path), time.time(), {}, found, paths)
    changed(path)
    assert recall(path, state_of(path), {}, paths) is None


def test_what_was_read_in_another_way_is_another_thing(tmp_path: Path, paths: Paths, found: Examined) -> None:
    """Mapping, sheet and encoding are part of what is kept."""
    path = written(tmp_path / "data.jsonl")
    keep(path, state_of(path), time.time(), COLUMNS, found, paths)
    assert recall(path, state_of(path), COLUMNS, paths)
    for other in ({}, {**COLUMNS, "encoding": "cp1252"}, {**COLUMNS, "sheet": "Two"}):
        assert recall(path, state_of(path), other, paths) is None


def test_what_may_still_be_written_is_not_kept(tmp_path: Path, paths: Paths, found: Examined) -> None:
    """Two writings within the resolution of a clock look alike; a small file is read again in no time."""
    path = written(tmp_path / "data.jsonl")
    os.utime(path)
    keep(path, state_of(path), time.time(), {}, found, paths)
    small = tmp_path / "small.jsonl"
    small.write_text(lines({"prompt": "?", "completion": "!"}))
    os.utime(small, (0, 0))
    keep(small, state_of(small), time.time(), {}, found, paths)
    assert not (paths.cache / "dataset-reports").exists()


def test_records_in_the_cache_are_for_their_user_alone(kept_file: Path) -> None:
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (kept_file, kept_file.parent, kept_file.parent.parent)]
    assert modes == [0o600, 0o700, 0o700]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[: len(data) // 2], id="half"),
        pytest.param(lambda data: b"{}", id="something else"),
        pytest.param(lambda data: bytes(reversed(data)), id="rubbish"),
    ],
)
def test_a_damaged_file_of_the_cache_counts_as_none(
    tmp_path: Path, kept_file: Path, paths: Paths, damage: Callable[[bytes], bytes]
) -> None:
    kept_file.write_bytes(damage(kept_file.read_bytes()))
    path = tmp_path / "data.jsonl"
    assert recall(path, state_of(path), {}, paths) is None
    assert examined(str(path), {}, paths).report.usable == 102


def test_a_file_of_the_cache_that_says_something_else_counts_as_none(
    tmp_path: Path, kept_file: Path, paths: Paths, found: Examined
) -> None:
    """One that was kept of another dataset, under the name of this one's."""
    other = written(tmp_path / "other.jsonl")
    keep(other, state_of(other), time.time(), {}, found, paths)
    (strange,) = set(kept_file.parent.iterdir()) - {kept_file}
    strange.replace(kept_file)
    path = tmp_path / "data.jsonl"
    assert recall(path, state_of(path), {}, paths) is None


def test_the_cache_is_bounded(tmp_path: Path, paths: Paths, found: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not asked for the longest goes first."""
    monkeypatch.setattr(kept_examinations, "MOST_FILES", 2)
    files = [written(tmp_path / f"{number}.jsonl") for number in range(3)]
    for age, path in zip((30, 20, 10), files, strict=True):
        keep(path, state_of(path), time.time(), {}, found, paths)
        newest = max((paths.cache / "dataset-reports").iterdir(), key=lambda file: file.stat().st_mtime_ns)
        os.utime(newest, (time.time() - age,) * 2)
        if path is files[1]:
            assert recall(files[0], state_of(files[0]), {}, paths)
    known = [bool(recall(path, state_of(path), {}, paths)) for path in files]
    assert known == [True, False, True]
