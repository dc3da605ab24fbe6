"""How a process of ours finds a machine that another one has in hand: an address book entry, without any secret."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from brightrun_tui.hosts.connection import SshAddress, SshTimings, read_key_pair
from brightrun_tui.hosts.ssh import SshHost


class Whereabouts(BaseModel):
    """``addresses`` as (host, port, user), the one that worked last first; ``directory`` and ``host_key`` as of `SshHost`.

    ``key_pair`` is the file with the key that was made for the machine (`read_key_pair`); where it is empty, ``key_file`` is a
    key of the person's, and where that is empty, too, their own keys and agent are used.
    """

    model_config = ConfigDict(frozen=True)

    addresses: tuple[tuple[str, int, str], ...]
    directory: str
    host_key: str
    key_pair: str = ""
    key_file: str = ""

    def host(self, timings: SshTimings | None = None) -> SshHost:
        """Return an unconnected host. Raises `OSError` where the key cannot be read. Blocking."""
        key: str | Path | None = Path(self.key_file) if self.key_file else None
        if self.key_pair:
            key = read_key_pair(Path(self.key_pair)).private
        return SshHost(
            [SshAddress(*address) for address in self.addresses],
            self.directory,
            private_key=key,
            host_key=self.host_key,
            timings=timings,
        )
