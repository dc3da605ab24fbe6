"""What comes home of a run elsewhere is always whole: a checkpoint never without the steps that led to it."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from brightrun_tui.domain.errors import BrightrunError, MachineLiesError
from brightrun_tui.domain.manifest import FileFacts
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.hosts import arrivals
from brightrun_tui.hosts.connection import new_key_pair
from brightrun_tui.hosts.local import LocalHost
from brightrun_tui.lines import read_span
from brightrun_tui.orchestrator.log_copy import LogCopy
from brightrun_tui.orchestrator.mirror import Mirror
from brightrun_tui.providers.base import Need
from brightrun_tui.providers.box import SshBox
from brightrun_tui.providers.reach import host_for
from brightrun_tui.providers.ssh import Ssh
from tests.clouds.fixtures import FAST_SSH, server
from tests.clouds.server import CloudServer

__all__ = ["server"]

FILES = ("adapter_config.json", "adapter_model.safetensors", "optimizer.safetensors", "state.json")


def tell(run: Path, *events: dict[str, object]) -> None:
    with (run / "events.jsonl").open("ab") as file:
        for event in events:
            start = file.tell()
            file.write(json.dumps({"seq": start, "time": 1.0, **event}, separators=(",", ":")).encode() + b"\n")


def save(run: Path, step: int) -> None:
    directory = run / "checkpoints" / f"step-{step}"
    directory.mkdir(parents=True)
    files = {name: f"{name} of step {step}".encode() for name in FILES}
    for name, data in files.items():
        (directory / name).write_bytes(data)
    (directory / "manifest.json").write_text(
        json.dumps(
            {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()}
        )
    )


async def test_a_checkpoint_waits_for_the_events_before_it(server: CloudServer, tmp_path: Path) -> None:
    """The worker saved another one while the first was on its way home; the machine may die at any moment."""
    box, keys = await server.new_box("box"), new_key_pair("mine")
    box.authorise(keys.public)
    (tmp_path / "key").write_text(keys.private)
    (tmp_path / "key").chmod(0o600)
    provider = Ssh(
        {
            "box": SshBox(
                host="127.0.0.1",
                port=box.links[0].port,
                user=box.user,
                key=str(tmp_path / "key"),
                host_key=box.host_key,
            )
        }
    )
    machine = await provider.launch((await provider.offers(Need()))[0], "br-x-run-1", "", disk=0, deadline=0)
    host = host_for(machine, "", timings=FAST_SSH)
    there, home = box.home / str(machine.home) / "run", tmp_path / "home"
    there.mkdir(parents=True, exist_ok=True)
    home.mkdir()
    mirror = Mirror(home, 3)
    save(there, 10)
    tell(
        there,
        {"kind": "metric", "step": 10, "values": {}},
        {"kind": "checkpoint", "step": 10, "path": "checkpoints/step-10"},
    )
    await mirror.follow(host)
    save(there, 20)
    await mirror.pull_the_rest(host, 20)
    assert mirror.home.steps() == [10]
    tell(
        there,
        {"kind": "metric", "step": 20, "values": {}},
        {"kind": "checkpoint", "step": 20, "path": "checkpoints/step-20"},
    )
    await mirror.follow(host)
    await mirror.pull_the_rest(host, 20)
    assert mirror.home.steps() == [10, 20]
    await host.close()


class Shelf:
    """Stands in for a machine: the files of a directory, read as `SshHost` reads them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.connection = SimpleNamespace(where="shelf")
        self.asked: list[str] = []

    async def size(self, path: str) -> int:
        return (self.directory / path).stat().st_size if (self.directory / path).exists() else 0

    async def read(self, path: str, offset: int, limit: int = 4 << 20) -> bytes:
        self.asked.append(path)
        return read_span(self.directory / path, offset, offset + limit)

    async def get(self, source: str, target: Path, facts: FileFacts) -> None:
        self.asked.append(source)
        await LocalHost(self.directory).get(source, target, facts)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    (tmp_path / "there").mkdir()
    (tmp_path / "home").mkdir()
    return Shelf(tmp_path / "there")


def checkpoint(step: int, **more: object) -> dict[str, object]:
    return {"kind": "checkpoint", "step": step, "path": f"checkpoints/step-{step}", **more}


async def bring_all(mirror: Mirror, shelf: Shelf) -> None:
    while not await mirror.follow(shelf):  # type: ignore[arg-type]  # a Shelf has what is used of a host
        continue
    await mirror.pull_the_rest(shelf, 10)  # type: ignore[arg-type]  # a Shelf has what is used of a host


async def test_what_is_home_stays_whatever_the_machine_lists(shelf: Shelf, tmp_path: Path) -> None:
    """A machine that has only an older checkpoint of its own does not take the place of what was paid for."""
    for step in (10, 20, 30):
        save(tmp_path / "home", step)
    save(shelf.directory, 1)
    tell(shelf.directory, checkpoint(1))
    mirror = Mirror(tmp_path / "home", 3)
    await bring_all(mirror, shelf)
    assert mirror.home.steps() == [10, 20, 30]


async def test_at_home_as_many_checkpoints_are_kept_as_the_worker_keeps_and_the_best(
    shelf: Shelf, tmp_path: Path
) -> None:
    mirror = Mirror(tmp_path / "home", 2)
    for step in range(1, 7):
        save(shelf.directory, step)
        tell(shelf.directory, checkpoint(step, best=step == 2))
        await bring_all(mirror, shelf)
    assert mirror.home.steps() == [2, 5, 6]
    again = Mirror(tmp_path / "home", 2)
    await bring_all(again, shelf)
    assert again.home.steps() == [2, 5, 6], "another engine reads from the events which is the best"


async def test_a_checkpoint_that_is_gone_does_not_keep_an_older_one_from_coming(shelf: Shelf, tmp_path: Path) -> None:
    save(shelf.directory, 10)
    tell(shelf.directory, checkpoint(10), checkpoint(20))
    mirror = Mirror(tmp_path / "home", 1)
    await bring_all(mirror, shelf)
    assert mirror.home.steps() == [10]


async def test_a_lie_of_a_checkpoint_is_told_by_the_next_look(shelf: Shelf, tmp_path: Path) -> None:
    save(shelf.directory, 10)
    (shelf.directory / "checkpoints/step-10/state.json").write_bytes(b"other")
    tell(shelf.directory, checkpoint(10))
    mirror = Mirror(tmp_path / "home", 1)
    await bring_all(mirror, shelf)
    with pytest.raises(MachineLiesError, match=r"state\.json"):
        await mirror.follow(shelf)  # type: ignore[arg-type]  # a Shelf has what is used of a host
    assert list((tmp_path / "home/checkpoints").iterdir()) == []


async def test_a_calm_log_is_copied_byte_for_byte(shelf: Shelf, tmp_path: Path) -> None:
    copy = LogCopy(RunDirectory(tmp_path / "home"))
    for n in range(5):
        with (shelf.directory / "worker.log").open("a") as log:
            log.write(f"line {n}\n" * 1000)
        await copy.follow(shelf)  # type: ignore[arg-type]  # a Shelf has what is used of a host
    assert (tmp_path / "home/worker.log").read_bytes() == (shelf.directory / "worker.log").read_bytes()
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["worker.log"]


async def test_of_a_flooding_log_the_end_comes_home_and_what_is_left_out_is_said(shelf: Shelf, tmp_path: Path) -> None:
    """The copy stays small, its last line is the log's, and another engine goes on where this one was."""
    home = RunDirectory(tmp_path / "home")
    for n in range(8):
        with (shelf.directory / "worker.log").open("ab") as log:
            log.write(b"".join(b"round %d line %06d\n" % (n, line) for line in range(80_000)))
        await LogCopy(home, 3 << 20).follow(shelf)  # type: ignore[arg-type]  # a Shelf has what is used of a host
        data = home.log.read_bytes()
        assert (
            data.endswith(b"round %d line 079999\n" % n) and b"left out on the machine" in data and len(data) <= 4 << 20
        )
    before = home.log.read_bytes()
    await LogCopy(home, 3 << 20).follow(shelf)  # type: ignore[arg-type]  # a Shelf has what is used of a host
    assert home.log.read_bytes() == before, "nothing is taken twice"
    with home.log.open("ab") as log:
        log.write(b"a piece whose mark was lost in a crash")
    with (shelf.directory / "worker.log").open("ab") as log:
        log.write(b"the next line\n")
    await LogCopy(home, 3 << 20).follow(shelf)  # type: ignore[arg-type]  # a Shelf has what is used of a host
    assert home.log.read_bytes() == before + b"the next line\n"


async def test_a_full_disk_takes_nothing_more_and_says_so(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(shelf.directory, checkpoint(1))
    monkeypatch.setattr(arrivals, "RESERVE_BYTES", 1 << 60)
    with pytest.raises(OSError) as error:
        await Mirror(tmp_path / "home", 1).follow(shelf)  # type: ignore[arg-type]  # a Shelf has what is used of a host
    assert error.value.errno == errno.ENOSPC and not (tmp_path / "home/events.jsonl").exists()


@pytest.mark.parametrize("place", ["events.jsonl", "worker.log"])
@pytest.mark.parametrize("obstacle", ["link", "pipe"])
async def test_a_link_or_pipe_at_home_is_not_written_through(
    shelf: Shelf, tmp_path: Path, place: str, obstacle: str
) -> None:
    (tmp_path / "precious").write_text("mine")
    if obstacle == "link":
        (tmp_path / "home" / place).symlink_to(tmp_path / "precious")
    else:
        os.mkfifo(tmp_path / "home" / place)
    for name in ("events.jsonl", "worker.log"):
        (shelf.directory / name).write_text("a whole line\n")
    with pytest.raises(BrightrunError) as error:
        await Mirror(tmp_path / "home", 1).follow(shelf)  # type: ignore[arg-type]  # a Shelf has what is used of a host
    assert error.value.kind == "in_the_way" and (tmp_path / "precious").read_text() == "mine"


async def test_a_linked_directory_at_home_is_not_written_into(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "home/checkpoints").symlink_to(tmp_path / "elsewhere")
    save(shelf.directory, 10)
    tell(shelf.directory, checkpoint(10))
    mirror = Mirror(tmp_path / "home", 1)
    await mirror.follow(shelf)  # type: ignore[arg-type]  # a Shelf has what is used of a host
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await mirror.pull_the_rest(shelf, 10)  # type: ignore[arg-type]  # a Shelf has what is used of a host
    assert list((tmp_path / "elsewhere").iterdir()) == []
