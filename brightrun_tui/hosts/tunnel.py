"""A connection to a socket on another machine, inside the SSH connection to it: nothing listens here, and nothing there but the
socket."""

from __future__ import annotations

import asyncssh


class Tunnel:
    """Bytes to and fro. Whatever breaks is a ``ConnectionError``."""

    def __init__(self, reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
        self._reader, self._writer = reader, writer

    async def read(self, most: int) -> bytes:
        """Return up to ``most`` bytes; none once the other side has closed."""
        try:
            return bytes(await self._reader.read(most))
        except (asyncssh.Error, OSError) as error:
            raise ConnectionResetError(str(error)) from None

    async def write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except (asyncssh.Error, OSError) as error:
            raise ConnectionResetError(str(error)) from None

    @property
    def ended(self) -> bool:
        """Whether the other side has closed, and everything was read."""
        return bool(self._reader.at_eof())

    def abort(self) -> None:
        self._writer.channel.abort()
