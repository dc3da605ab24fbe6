"""The event log survives every way of dying, and keeps counting."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from brightrun_tui.domain.events import Alert, Done, Metric
from brightrun_tui.trainer.runtime.events import AnotherWorkerError, DirectoryGoneError, EventLog


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_counting_goes_on_after_a_crash_that_tore_the_last_line(tmp_path: Path) -> None:
    """Half a line is cut off before anything is appended, and seq continues without gap."""
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    for step in range(3):
        log.write(Metric(step=step, values={"train_loss": 1.0}))
    log.close()
    with path.open("ab") as file:
        file.write(b'{"seq":3,"time":1.0,"kind":"met')
    log = EventLog(path)
    assert [event.seq for event in log.history] == [0, 1, 2]
    log.write(Done(outcome="completed", step=3))
    log.close()
    assert [line["seq"] for line in lines(path)] == [0, 1, 2, 3]


def test_numbers_that_are_none_become_null(tmp_path: Path) -> None:
    """Readers get JSON, never NaN."""
    log = EventLog(tmp_path / "events.jsonl")
    log.write(Metric(step=1, values={"train_loss": math.nan, "grad_norm": math.inf}))
    log.close()
    assert lines(tmp_path / "events.jsonl")[0]["values"] == {"train_loss": None, "grad_norm": None}


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: log.write(Alert(level="info", code="x", message="y" * i)), range(200)))
    log.close()
    assert [line["seq"] for line in lines(tmp_path / "events.jsonl")] == list(range(200))


def test_two_workers_never_write_to_one_run(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    with pytest.raises(AnotherWorkerError):
        EventLog(tmp_path / "events.jsonl")
    log.close()
    EventLog(tmp_path / "events.jsonl").close()


@pytest.mark.parametrize("taken", ["moved", "deleted", "replaced"])
def test_a_worker_whose_directory_was_taken_away_ends_and_saves_nothing_elsewhere(tmp_path: Path, taken: str) -> None:
    """It trained on to its end, and made a second directory at the old place, with checkpoints that nobody knew of."""
    home = tmp_path / "run"
    home.mkdir()
    log = EventLog(home / "events.jsonl")
    log.write(Metric(step=1, values={"train_loss": 1.0}))
    home.rename(tmp_path / "elsewhere") if taken != "deleted" else shutil.rmtree(home)
    if taken == "replaced":
        home.mkdir()
        (home / "events.jsonl").touch()
    with pytest.raises(DirectoryGoneError):
        log.write(Metric(step=2, values={"train_loss": 1.0}))
    with pytest.raises(DirectoryGoneError):  # before each checkpoint
        log.sync()
    log.close()


def test_a_worker_killed_with_9_leaves_nothing_beside_its_log(tmp_path: Path) -> None:
    """The room that it keeps on the disk, to report that the disk is full, goes with it."""
    code = (
        "import os, signal, pathlib; from brightrun_tui.domain.events import Phase; "
        "from brightrun_tui.trainer.runtime.events import EventLog\n"
        "EventLog(pathlib.Path('events.jsonl')).write(Phase(phase='training'))\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path)
    assert killed.returncode == -9 and [path.name for path in tmp_path.iterdir()] == ["events.jsonl"]
