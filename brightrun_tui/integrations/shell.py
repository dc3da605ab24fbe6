"""A shell where a run is: in its directory on this machine, or on the machine that is rented for it."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import HostError
from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.files import write_atomic
from brightrun_tui.hosts.connection import read_key_pair
from brightrun_tui.integrations.rental import open_provider
from brightrun_tui.paths import Paths
from brightrun_tui.providers.reach import host_for


@dataclass(frozen=True)
class ShellCommand:
    """What is started, and in which directory of this machine."""

    words: tuple[str, ...]
    where: Path | None = None


@contextmanager
def shell_here(run: Run) -> Iterator[ShellCommand]:
    """Return the person's own shell in the run's directory."""
    yield ShellCommand((os.environ.get("SHELL") or shutil.which("bash") or "sh",), Path(run.directory))


@dataclass(frozen=True)
class SshLogin:
    """How to get into a machine. ``key``: a private key as text, the path of one, or None for the person's own keys."""

    host: str
    port: int
    user: str
    directory: str
    key: str | Path | None
    host_key: str


async def door_of(run: Run, leases: Sequence[Lease], paths: Paths) -> SshLogin:
    """Return the login to the run's newest machine.

    Raises:
        BrightrunError: it has none at present, or whoever rents it out does not say where it is.
    """
    lease = next((one for one in leases if one.state == "live" and one.provider_id), None)
    if lease is None:
        raise HostError(
            f"“{run.name}” has no machine at present",
            where=run.name,
            kind=ErrorKind.MACHINE_LOST,
            fix="what came home of it is in its directory; its path can be copied",
        )
    provider = await asyncio.to_thread(open_provider, lease.provider, paths)
    try:
        machine = await provider.inspect(lease.provider_id)
    finally:
        await provider.close()
    if machine is None or not machine.ssh_host:
        raise HostError(
            f"{lease.provider} does not say where the machine is",
            where=lease.provider,
            kind=ErrorKind.MACHINE_LOST,
            fix="try again in a moment: it may be starting",
        )
    home = RunDirectory(Path(run.directory))
    pinned = home.host_key(lease.name)
    key = await asyncio.to_thread(read_key_pair, home.ssh_key) if home.ssh_key.exists() else None
    host = host_for(machine, key.private if key else "", host_key=pinned.read_text().strip() if pinned.exists() else "")
    address = host.connection.addresses[0]
    return SshLogin(
        address.host,
        address.port,
        address.user,
        str(host.directory),
        host.connection.key or None,
        host.connection.host_key,
    )


@contextmanager
def shell_there(door: SshLogin) -> Iterator[ShellCommand]:
    """Run ``ssh`` in the run's directory, with the run's own key and the pinned host key; both are removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="brightrun-") as made:
        known, options = (
            Path(made, "known_hosts"),
            ["-a", "-x", "-o", "LogLevel=ERROR"],
        )  # no agent and no display for it
        if door.host_key:
            name = door.host if door.port == 22 else f"[{door.host}]:{door.port}"
            known.write_text(f"{name} {door.host_key}\n")
            options += ["-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes"]
        if isinstance(door.key, str):
            write_atomic(Path(made, "key"), door.key, mode=0o600)
            options += ["-i", str(Path(made, "key")), "-o", "IdentitiesOnly=yes"]
        elif door.key is not None:
            options += ["-i", str(door.key)]
        there = f'cd {shlex.quote(door.directory)} 2>/dev/null; exec "${{SHELL:-sh}}" -l'
        yield ShellCommand(("ssh", *options, "-t", "-p", str(door.port), "--", f"{door.user}@{door.host}", there))
