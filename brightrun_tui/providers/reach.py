"""From a machine that a provider describes to a host that can be worked with."""

from __future__ import annotations

from pathlib import Path

from brightrun_tui.hosts.connection import SshAddress, SshTimings
from brightrun_tui.hosts.ssh import SshHost
from brightrun_tui.providers.base import Machine


def host_for(machine: Machine, run_key: str, *, host_key: str = "", timings: SshTimings | None = None) -> SshHost:
    """Return an unconnected host in the run's directory on ``machine``.

    Args:
        run_key: the run's own private key, used unless the machine asks for another one.
        host_key: the host key pinned to the lease; empty before the first contact.
    """
    addresses = [SshAddress(machine.ssh_host, machine.ssh_port, machine.ssh_user)]
    addresses += [SshAddress(host, port, machine.ssh_user) for host, port in machine.other_ssh]
    key: str | Path | None = run_key
    if machine.ssh_key_file:
        key = None if machine.ssh_key_file == "default" else Path(machine.ssh_key_file).expanduser()
    return SshHost(
        addresses, f"{machine.home}/run", private_key=key, host_key=host_key or machine.ssh_host_key, timings=timings
    )
