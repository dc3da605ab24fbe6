"""Dataset files that change while they are read, or that only a library can say something about."""

from __future__ import annotations

import gzip
import json
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from brightrun_tui.datasets.checking import check
from brightrun_tui.datasets.opening import REPORT_EVERY
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError
from tests.cli.conftest import mounted

__all__ = ["mounted"]


def _lines(name: str, first: int) -> str:
    records = [
        {"prompt": f"How many are on cart {first + n}?", "completion": f"{first + n}."} for n in range(2 * REPORT_EVERY)
    ]
    if name.endswith(".csv"):
        return "".join(f"{record['prompt']},{record['completion']}\n" for record in records)
    return "".join(("," if name.endswith(".json") else "") + json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize("name", ["log.jsonl", "log.json", "log.csv"])
def test_a_file_that_grows_as_fast_as_it_is_read_is_not_read_without_end(name: str, tmp_path: Path) -> None:
    """A check of the log of a busy service never came to an end, and what was read last was half a record."""
    path, written = tmp_path / name, 0

    def write(what: str = "", share: float = 0.0) -> None:
        nonlocal written
        if written < 20:
            with path.open("a") as file:
                file.write(_lines(name, written * 2 * REPORT_EVERY))
            written += 1

    write()
    whole = path.read_text()
    path.write_text({".json": "[" + whole[1:], ".csv": "prompt,completion\n" + whole}.get(path.suffix, whole))
    with pytest.raises(DatasetError, match="grows while it is read"):
        check(path, progress=write)
    assert written < 20


@pytest.mark.parametrize("footer", [0, 1, 2**31 - 1, 2**32 - 1])
def test_a_parquet_file_whose_end_lies_is_damaged_and_nothing_else(footer: int, tmp_path: Path) -> None:
    """It was said that the disk should be looked at, on two lines."""
    path = tmp_path / "d.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"prompt": ["a", "b"], "completion": ["c", "d"]}), path)
    path.write_bytes(path.read_bytes()[:-8] + struct.pack("<I", footer) + b"PAR1")
    with pytest.raises(DatasetError, match="damaged") as met:
        check(path)
    assert "disk" not in met.value.fix and "\n" not in met.value.what


@pytest.mark.parametrize("records", [9, 2_000])
def test_no_room_to_unpack_is_said_of_the_place_that_is_full(
    records: int, mounted: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was said of the directory with the runs, which had room; and what had been unpacked stayed."""
    path, full = tmp_path / "d.jsonl.gz", mounted("size=8k")
    path.write_bytes(gzip.compress(_lines("d.jsonl", 0).encode()[: records * 50]))
    (full / "other").write_bytes(bytes(4096))
    monkeypatch.setattr(tempfile, "tempdir", str(full))
    if records < 1_000:
        (full / "more").write_bytes(bytes(4096))
    with pytest.raises(DatasetError, match="not enough room") as met:
        check(path)
    assert str(full) in met.value.fix and met.value.kind == ErrorKind.DISK_FULL
    assert not list(full.glob("brightrun-*"))
