"""A machine over SSH: files arrive whole, jobs outlive us, and a broken line costs time but never a byte."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from brightrun_tui.domain.errors import HostError, HostKeyChangedError, HostRefusedError, HostUnreachableError
from brightrun_tui.domain.manifest import FileFacts
from brightrun_tui.hosts.connection import SshAddress, SshTimings, new_key_pair
from brightrun_tui.hosts.ready import first_contact, require_gpus
from brightrun_tui.hosts.ssh import SshHost
from brightrun_tui.hosts.transfer import CHUNK
from tests.clouds.fixtures import FAST_SSH, until
from tests.clouds.link import Link
from tests.clouds.machine import Machine
from tests.clouds.server import CloudServer
from tests.processes import words_of

MB = 1 << 20


@dataclass
class Plain:
    """A machine of ours and a host on it."""

    server: CloudServer
    box: Machine
    private: str
    host: SshHost

    @property
    def link(self) -> Link:
        return self.box.links[0]

    @property
    def run(self) -> Path:
        return self.box.home / ".brightrun/run"

    def another_host(self, **options: Any) -> SshHost:
        return SshHost(
            [SshAddress("127.0.0.1", self.link.port, self.box.user)],
            ".brightrun/run",
            **{"private_key": self.private, "timings": FAST_SSH, **options},
        )

    async def cut(self) -> None:
        await self.server.ask(self.link.cut())


@pytest.fixture
async def plain(server: CloudServer) -> AsyncIterator[Plain]:
    box, keys = await server.new_box(), new_key_pair("test")
    box.authorise(keys.public)
    made = Plain(server, box, keys.private, None)  # type: ignore[arg-type]  # the host is made from it, in the next line
    made.host = made.another_host()
    yield made
    await made.host.close()


def some_bytes(path: Path, size: int) -> bytes:
    data = os.urandom(size)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return data


def facts_of(data: bytes) -> FileFacts:
    return FileFacts(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


async def test_files_and_directories_go_there_and_files_come_back(plain: Plain, tmp_path: Path) -> None:
    host = plain.host
    big = some_bytes(tmp_path / "data/deep/er/big.bin", 9 * MB + 17)
    (tmp_path / "data/empty").touch()
    (tmp_path / "data/träge datei's.txt").write_text("ü")
    await host.put(tmp_path / "data", "data")
    assert (plain.run / "data/deep/er/big.bin").read_bytes() == big
    (tmp_path / "data/empty").unlink()
    await host.put(tmp_path / "data", "data")
    assert not (plain.run / "data/empty").exists(), "the new directory replaces the old one"
    await host.get("data/deep/er/big.bin", tmp_path / "big.bin", facts_of(big))
    assert (tmp_path / "big.bin").read_bytes() == big
    await host.get("data/träge datei's.txt", tmp_path / "träge", facts_of("ü".encode()))
    assert (tmp_path / "träge").read_text() == "ü"
    await host.write("control/secret", b"hf_x")
    assert (plain.run / "control/secret").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileNotFoundError):
        await host.get("nothing", tmp_path / "nothing", facts_of(b""))
    assert not [p for p in (*plain.run.rglob("*"), *tmp_path.rglob("*")) if p.name.endswith(".part")]


@pytest.mark.parametrize("direction", ["put", "get"])
async def test_a_transfer_cut_in_the_middle_goes_on_where_it_was(plain: Plain, tmp_path: Path, direction: str) -> None:
    """Cut three times; the content is right and hardly more than the file travels."""
    size = 24 * MB
    source = tmp_path / "source" if direction == "put" else plain.run / "source"
    data = some_bytes(source, size)
    plain.link.bytes_per_second = 30 * MB
    cuts: list[int] = []

    def progress(done: int, _size: int) -> None:
        if len(cuts) < 3 and done >= (len(cuts) + 1) * size / 4:
            cuts.append(done)
            asyncio.get_running_loop().create_task(plain.cut())

    if direction == "put":
        await plain.host.put(source, "target", progress)
        assert (plain.run / "target").read_bytes() == data
    else:
        await plain.host.get("source", tmp_path / "target", facts_of(data), progress)
        assert (tmp_path / "target").read_bytes() == data
    travelled = plain.link.bytes_in + plain.link.bytes_out
    assert len(cuts) == 3 and travelled < size + 3 * 2 * CHUNK + 2 * MB


async def test_a_new_process_resumes_an_unfinished_transfer(plain: Plain, tmp_path: Path) -> None:
    data = some_bytes(tmp_path / "wheel", 20 * MB)
    plain.link.bytes_per_second = 20 * MB
    task = asyncio.create_task(plain.host.put(tmp_path / "wheel", "wheel"))
    await until(lambda: plain.link.bytes_in > 12 * MB)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await plain.host.close()
    assert not (plain.run / "wheel").exists(), "nothing half-written has the final name"
    before = plain.link.bytes_in
    second = plain.another_host()
    await second.put(tmp_path / "wheel", "wheel")
    assert (plain.run / "wheel").read_bytes() == data
    assert plain.link.bytes_in - before < 14 * MB
    before = plain.link.bytes_in
    await second.put(tmp_path / "wheel", "wheel")
    assert plain.link.bytes_in - before < MB, "what is there already is not sent again"
    await second.close()


async def test_a_changed_file_is_never_mixed_with_an_older_half(plain: Plain, tmp_path: Path) -> None:
    source = tmp_path / "file"
    some_bytes(source, 16 * MB)
    plain.link.bytes_per_second = 20 * MB
    task = asyncio.create_task(plain.host.put(source, "file"))
    await until(lambda: plain.link.bytes_in > 9 * MB)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    plain.link.bytes_per_second = None
    data = some_bytes(source, 16 * MB)
    await plain.host.put(source, "file")
    assert (plain.run / "file").read_bytes() == data


async def test_a_network_that_stalls_is_noticed_and_survived(plain: Plain, tmp_path: Path) -> None:
    data = some_bytes(tmp_path / "file", 8 * MB)
    await plain.host.put(tmp_path / "file", "first")
    loop = plain.server.loop
    loop.call_soon_threadsafe(plain.link.stall, True)
    transfer = asyncio.create_task(plain.host.put(tmp_path / "file", "second"))
    await asyncio.sleep(2.0)
    assert not transfer.done()
    loop.call_soon_threadsafe(plain.link.stall, False)
    await asyncio.wait_for(transfer, 60)
    assert (plain.run / "second").read_bytes() == data


async def test_a_machine_that_stays_away_is_given_up_with_a_reason(plain: Plain) -> None:
    host = plain.another_host(timings=FAST_SSH.model_copy(update={"patience_seconds": 1.0}))
    await host.read("events.jsonl", 0)
    await plain.server.ask(plain.box.lose_power())
    with pytest.raises(HostUnreachableError) as error:
        await host.read("events.jsonl", 0)
    assert error.value.fix and "Errno" not in error.value.what and "127.0.0.1" not in error.value.what
    await host.close()


async def test_a_growing_file_is_followed_over_broken_connections_without_loss(plain: Plain) -> None:
    """Read by offset while a job appends and the line is cut again and again: exactly the job's bytes arrive."""
    script = (
        "line=$(head -c 70000 /dev/zero | tr '\\0' x); "
        'for i in $(seq 1 200); do echo "$i $line" >> events.jsonl; sleep 0.003; done'
    )
    await plain.host.start("writer", ["bash", "-c", script], environment={})
    got, reads = b"", 0
    while (await plain.host.status("writer")).running or len(got) < (plain.run / "events.jsonl").stat().st_size:
        got += await plain.host.read("events.jsonl", len(got))
        reads += 1
        if reads % 8 == 0:
            await plain.cut()
    assert got == (plain.run / "events.jsonl").read_bytes()
    assert got.count(b"\n") == 200 and b"\0" not in got
    assert await plain.host.read("none", 0) == b"" and await plain.host.read("events.jsonl", 10**9) == b""


async def test_a_job_outlives_the_connection_and_is_found_again(plain: Plain) -> None:
    pid = await plain.host.start("worker", ["sh", "-c", "sleep 0.8; exit 7"], environment={})
    await plain.host.close()
    later = plain.another_host()
    status = await later.status("worker")
    assert status.running and status.pid == pid

    async def ended() -> bool:
        return not (await later.status("worker")).running

    await until(ended)
    assert (await later.status("worker")).exit_code == 7
    await later.close()


async def test_how_a_job_ended_is_known(plain: Plain) -> None:
    host = plain.host

    async def end_of(argv: list[str], number: int = 0) -> tuple[bool, int | None]:
        await host.start("job", argv, environment={})
        if number:
            await until(lambda: [p for p in plain.box.processes() if p.name() == "sleep"])
            await host.signal("job", number)

        async def over() -> bool:
            return not (await host.status("job")).running

        await until(over)
        status = await host.status("job")
        return status.running, status.exit_code

    assert await end_of(["true"]) == (False, 0)
    assert await end_of(["sh", "-c", "exit 3"]) == (False, 3)
    assert await end_of(["sh", "-c", "kill -9 $$"]) == (False, -9)
    assert await end_of(["sleep", "600"], signal.SIGTERM) == (False, -15)
    assert await end_of(["sleep", "600"], signal.SIGKILL) == (False, None)  # vanished without a word
    assert not [p for p in plain.box.processes() if p.name() == "sleep"], "the whole group is signalled"
    assert (await host.status("never")).running is False


async def test_a_start_whose_answer_was_lost_does_not_start_twice(
    plain: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = plain.host.connection.insist

    async def losing_the_first_answer(work: Callable[[], Awaitable[Any]], *seconds: float) -> Any:
        await honest(work, *seconds)
        return await honest(work, *seconds)

    monkeypatch.setattr(plain.host.connection, "insist", losing_the_first_answer)
    await plain.host.start("worker", ["sh", "-c", "echo started; sleep 600"], environment={})
    assert await until(lambda: (plain.run / "worker.log").read_text()) == "started\n"
    await plain.host.signal("worker", signal.SIGKILL)


async def test_secrets_reach_the_job_and_no_command_line(plain: Plain) -> None:
    say = ["sh", "-c", 'echo "$HF_TOKEN" | wc -c; sleep 600']
    await plain.host.start("worker", say, environment={"HF_TOKEN": "hf_it's-secret"})
    assert await until(lambda: (plain.run / "worker.log").read_text().strip()) == "15"
    lines = [" ".join(words_of(process)) for process in plain.box.processes()]
    assert lines and not [line for line in lines if "secret" in line]
    assert not [p for p in plain.run.rglob("*") if p.is_file() and b"secret" in p.read_bytes()]
    await plain.host.signal("worker", signal.SIGKILL)


async def test_many_things_at_once_share_the_one_connection(plain: Plain, tmp_path: Path) -> None:
    """More commands than an sshd allows sessions, with a transfer beside them."""
    some_bytes(tmp_path / "file", 8 * MB)
    commands = (plain.host.run(f"sleep 0.1; echo {n}", repeat=True) for n in range(20))
    _, done = await asyncio.gather(plain.host.put(tmp_path / "file", "file"), asyncio.gather(*commands))
    assert [finished.output.strip() for finished in done] == [str(n) for n in range(20)]


async def test_only_the_machine_that_was_pinned_is_talked_to(plain: Plain) -> None:
    await plain.host.connection.connect()
    assert plain.host.host_key == " ".join(plain.box.host_key.split()[:2])
    other = await plain.server.new_box("pretender")
    (other.home / ".ssh/authorized_keys").write_text((plain.box.home / ".ssh/authorized_keys").read_text())
    host = SshHost(
        [SshAddress("127.0.0.1", other.links[0].port, other.user)],
        "x",
        private_key=plain.private,
        host_key=plain.host.host_key,
        timings=FAST_SSH,
    )
    with pytest.raises(HostKeyChangedError):
        await first_contact(host, 5)


async def test_a_key_that_is_not_accepted_is_told_from_a_closed_port(plain: Plain) -> None:
    with pytest.raises(HostRefusedError):
        await plain.another_host(private_key=new_key_pair("other").private).connection.connect()
    nobody = SshHost([SshAddress("127.0.0.1", 1)], "x", private_key=plain.private, timings=FAST_SSH)
    with pytest.raises(HostUnreachableError):
        await nobody.connection.connect()


async def test_the_first_contact_waits_for_a_late_ssh_and_a_late_key(server: CloudServer) -> None:
    keys = new_key_pair("test")
    box = await server.new_box()
    host = SshHost(
        [SshAddress("127.0.0.1", 1), SshAddress("127.0.0.1", box.links[0].port, box.user)],
        "run",
        private_key=keys.private,
        timings=SshTimings(connect_seconds=2),
    )
    contact = asyncio.create_task(first_contact(host, 60, pause=0.05))
    await asyncio.sleep(0.5)
    assert not contact.done()
    box.authorise(keys.public)
    await contact
    assert host.connection.addresses[0].port == box.links[0].port, "the way that worked comes first from now on"
    assert len(await require_gpus(host, 1)) == 1
    with pytest.raises(HostError, match="other GPUs"):
        await require_gpus(host, 2)
    await host.close()
