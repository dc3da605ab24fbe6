"""A box of one's own that means ill: nothing of the person comes with the connection, and nothing is opened backwards over it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from brightrun_tui.hosts.connection import SshAddress, SshTimings, new_key_pair
from brightrun_tui.hosts.ssh import SshHost

TIMINGS = SshTimings(connect_seconds=30, keepalive_seconds=30, retry_seconds=0.05, patience_seconds=30)
IDENTITIES = b"\0\0\0\1\x0b"
"""What an agent is asked to tell of its keys."""


class Trusting(asyncssh.SSHServer):  # type: ignore[misc]  # mypy does not read asyncssh
    def begin_auth(self, username: str) -> bool:
        return False


@pytest.mark.parametrize("own_settings", [True, False], ids=["own box", "rented"])
async def test_a_box_gets_neither_the_agent_nor_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_settings: bool
) -> None:
    """With “ForwardAgent yes” in their settings for ssh, a box could log in to all their others while a run was on it."""
    asked: list[bytes] = []
    given: list[dict[str, str]] = []
    outcomes: list[str] = []

    async def agent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(100))
        writer.close()

    async def shell(process: asyncssh.SSHServerProcess[bytes]) -> None:
        given.append(dict(process.env))
        connection: Any = process.channel.get_connection()
        tries: dict[str, Callable[[], Any]] = {
            "agent": lambda: connection.open_agent_connection(),
            "agent unasked": lambda: connection.create_unix_channel()._open(b"auth-agent@openssh.com"),
            "x11": lambda: connection.create_x11_connection(asyncssh.SSHTCPSession, "localhost", 1),
            "port": lambda: connection.open_connection("127.0.0.1", 22),
        }
        for name, attempt in tries.items():
            try:
                opened = await attempt()
                if name == "agent":
                    opened[1].write(IDENTITIES)
                outcomes.append(f"{name} opened")
            except asyncssh.ChannelOpenError:
                outcomes.append(name)
        process.exit(0)

    home = tmp_path / "person"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "config").write_text("Host *\n  ForwardAgent yes\n  ForwardX11 yes\n  SendEnv *\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "agent"))
    monkeypatch.setenv("DISPLAY", "127.0.0.1:77")
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_TheKeyOfTheEngine")
    there = await asyncio.start_unix_server(agent, home / "agent")
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=Trusting,
        sftp_factory=asyncssh.SFTPServer,
        process_factory=shell,
        encoding=None,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
    )
    address = SshAddress("127.0.0.1", server.get_port())
    key = None if own_settings else new_key_pair("x").private
    host = SshHost([address], ".brightrun/run", private_key=key, host_key="", timings=TIMINGS)
    await host.run("true")
    await host.close()
    server.close()
    there.close()
    assert outcomes == ["agent", "agent unasked", "x11", "port"] and not asked
    assert given == [{}]
