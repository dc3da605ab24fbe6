"""An SFTP server of one's own making, and commands that never end: every answer is bounded, and none is believed."""

from __future__ import annotations

import asyncio
import hashlib
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from brightrun_tui.domain.errors import (
    BadHostKeyError,
    BrightrunError,
    HostError,
    HostUnreachableError,
    MachineLiesError,
)
from brightrun_tui.domain.manifest import FileFacts
from brightrun_tui.hosts import jobs
from brightrun_tui.hosts.connection import SshAddress, SshTimings, new_key_pair
from brightrun_tui.hosts.ready import first_contact, gpus, guard_report, require_gpus
from brightrun_tui.hosts.ssh import SshHost

PATIENT = SshTimings(connect_seconds=30, keepalive_seconds=30, retry_seconds=0.05, patience_seconds=30)
HASTY = SshTimings(connect_seconds=0.5, keepalive_seconds=30, retry_seconds=0.05, patience_seconds=0.3)
FILE = b"what the worker wrote\n" * 1000
FACTS = FileFacts(sha256=hashlib.sha256(FILE).hexdigest(), bytes=len(FILE))


class Liar(asyncssh.SFTPServer):  # type: ignore[misc]  # mypy does not read asyncssh
    """Serves one file under every name; what it says of it is what the test chose."""

    size: int | None = len(FILE)
    kind = stat.S_IFREG
    home = b"/home/tenant"
    data: Callable[[int, int], bytes] = staticmethod(lambda offset, size: FILE[offset : offset + size])
    silent = False

    async def lstat(self, path: bytes) -> asyncssh.SFTPAttrs:
        if self.silent:
            await asyncio.sleep(3600)
        return asyncssh.SFTPAttrs(size=self.size, permissions=self.kind | 0o644, atime=0, mtime=0)

    def realpath(self, path: bytes) -> bytes:
        return self.home

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        return object()

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        return self.data(offset, size)

    def close(self, file_obj: object) -> None:
        return None


async def _shell(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """``flood`` prints for ever; anything else prints itself."""
    if process.command == "flood":
        while not process.stdout.is_closing():
            process.stdout.write(b"y\n" * 8000)
            await process.stdout.drain()
    process.stdout.write((process.command or "").encode())
    process.exit(0)


class Trusting(asyncssh.SSHServer):  # type: ignore[misc]  # mypy does not read asyncssh
    def begin_auth(self, username: str) -> bool:
        return False


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., Any]]:
    """A host on a machine that lies as it is told: ``await connect(size=…)``."""
    opened: list[Any] = []

    async def make(host_key: str = "", timings: SshTimings = PATIENT, **lies: Any) -> SshHost:
        liar = type("Lying", (Liar,), {name: staticmethod(lie) if callable(lie) else lie for name, lie in lies.items()})
        server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=Trusting,
            sftp_factory=liar,
            process_factory=_shell,
            encoding=None,
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        )
        host = SshHost(
            [SshAddress("127.0.0.1", server.get_port())],
            ".brightrun/run",
            private_key=new_key_pair("x").private,
            host_key=host_key,
            timings=timings,
        )
        opened.extend((server, host))
        return host

    yield make
    for thing in opened:
        if isinstance(thing, SshHost):
            await thing.close()
        else:
            thing.close()


async def test_an_honest_machine_hands_over_its_file(connect: Callable[..., Any], tmp_path: Path) -> None:
    host = await connect()
    await host.get("report.json", tmp_path / "report.json", FACTS)
    assert (tmp_path / "report.json").read_bytes() == FILE and await host.read("worker.log", 22, 22) == FILE[22:44]


@pytest.mark.parametrize(
    ("what", "lies"),
    [
        ("a pebibyte", {"size": 1 << 50}),
        ("no size", {"size": None}),
        ("a byte more", {"size": len(FILE) + 1}),
        ("a link", {"kind": stat.S_IFLNK}),
        ("a directory", {"kind": stat.S_IFDIR}),
        ("a pipe", {"kind": stat.S_IFIFO}),
        ("a device", {"kind": stat.S_IFBLK}),
        ("other bytes", {"data": lambda offset, size: b"x" * size}),
        ("more bytes than asked for", {"data": lambda offset, size: b"x" * (1 << 20)}),
    ],
)
async def test_a_file_that_is_another_does_not_come_home(
    connect: Callable[..., Any], tmp_path: Path, what: str, lies: dict[str, Any]
) -> None:
    """Neither under its name nor in part."""
    host = await connect(**lies)
    with pytest.raises(MachineLiesError):
        await host.get("report.json", tmp_path / "report.json", FACTS)
    assert list(tmp_path.iterdir()) == [], "nothing is left of it"


async def test_a_file_that_ends_early_has_no_final_name(connect: Callable[..., Any], tmp_path: Path) -> None:
    host = await connect(data=lambda offset, size: FILE[:100][offset : offset + size])
    with pytest.raises(HostError, match="shorter"):
        await host.get("report.json", tmp_path / "report.json", FACTS)
    assert not (tmp_path / "report.json").exists()


async def test_reading_a_log_of_a_pebibyte_takes_one_piece(connect: Callable[..., Any]) -> None:
    host = await connect(size=1 << 50, data=lambda offset, size: b"x" * size)
    assert await host.read("worker.log", 1 << 49, 1 << 20) == b"x" * (1 << 20)


async def test_a_machine_that_answers_to_nothing_is_given_up(connect: Callable[..., Any]) -> None:
    host = await connect(silent=True, timings=HASTY)
    with pytest.raises(HostUnreachableError):
        await host.read("worker.log", 0)


AN_HOUR = 3600.0


@pytest.mark.parametrize("home", [b"relative", b"", b"/home/\x1b]0;pwned\x07", b"/" + b"a" * 5000, b"/home/x\ny"])
async def test_a_home_that_is_no_path_ends_the_first_contact(connect: Callable[..., Any], home: bytes) -> None:
    host = await connect(home=home)
    with pytest.raises(MachineLiesError):
        await first_contact(host, 2 * AN_HOUR, pause=AN_HOUR)  # it is not tried again, or this would not end


async def test_a_command_that_never_stops_printing_is_broken_off(connect: Callable[..., Any]) -> None:
    host = await connect()
    with pytest.raises(MachineLiesError, match="stop printing"):
        await host.run("flood", repeat=True)
    assert (await host.run("x" * 1000, repeat=True)).output == "x" * 1000, "others are answered as before"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b"[" * 60_000,
        b'{"state": 5}',
        b'{"ends_at": "soon"}',
        b"\xff",
        b'{"self_test": "' + b"x" * 300 + b'"}',
        b"{" * (1 << 17),
    ],
)
async def test_a_guard_file_of_noise_is_no_guard(connect: Callable[..., Any], text: bytes) -> None:
    host = await connect(size=len(text), data=lambda offset, size: text[offset : offset + size])
    assert await guard_report(host) is None


async def test_gpus_of_noise_are_no_gpus(connect: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    host = await connect()
    lines = "\n".join(
        ["A100, ²", "A100, 1.2.3", f"A100, {'9' * 400}", "\x1b[2J, 8", ", 80000", "A100", "A100, -5", "nan, nan"]
    )
    honest = host.run

    async def run(_command: str, **options: Any) -> Any:
        return await honest(lines, **options)

    monkeypatch.setattr(host, "run", run)
    assert await gpus(host) == []
    with pytest.raises(HostError) as error:
        await require_gpus(host, 1)
    assert error.value.kind == "no_gpus"


@pytest.mark.parametrize("text", [b"x", b"1 2", b"-1", b"1000", b"\xff", b"0x1", b"1e3", b"\xc2\xb2", b"9" * 200])
def test_an_exit_code_of_noise_is_a_lie(text: bytes) -> None:
    with pytest.raises(MachineLiesError):
        jobs.exit_code(text)


@pytest.mark.parametrize("text", [b"x", b"-1", b"0", b"1 x", b"1 2 3", b"\xff 1", b"9" * 200, b"1;rm"])
def test_a_process_of_noise_is_a_lie(text: bytes) -> None:
    with pytest.raises(MachineLiesError):
        jobs.pid_and_birth(text)


@pytest.mark.parametrize(
    "key",
    [
        "x",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "ssh-rsa \x00",
        "“ssh-ed25519 AAAA”",
        "-----BEGIN",
        "\n",
        "ssh-ed25519 " + "A" * 10_000,
    ],
)
async def test_a_malformed_host_key_is_one_clear_error(connect: Callable[..., Any], key: str) -> None:
    host = await connect(host_key=key)
    with pytest.raises(BadHostKeyError) as error:
        await first_contact(host, 600, pause=300)
    assert (
        error.value.kind == "bad_host_key"
        and "ssh-keyscan" in error.value.fix
        and isinstance(error.value, BrightrunError)
    )
