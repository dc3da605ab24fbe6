"""A TCP port in front of a machine that can be shut, stalled, slowed down and cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

CHUNK = 65536

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class Link:
    """Relays a loopback port to what ``connect`` opens. Until `open` the port refuses connections."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.bytes_in = 0
        self.bytes_out = 0
        self.bytes_per_second: float | None = None
        self._flow = asyncio.Event()
        self._flow.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._socket)

    def stall(self, stalled: bool) -> None:
        """Let no byte through in either direction, without closing anything."""
        if stalled:
            self._flow.clear()
        else:
            self._flow.set()

    async def cut(self) -> None:
        """Break every connection; new ones may be made."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def shut(self) -> None:
        """Break every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
        else:
            self._socket.close()
        await self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        far: asyncio.StreamWriter | None = None
        try:
            remote_reader, far = await self._connect()
            pumps = [
                asyncio.create_task(self._pump(reader, far, inward=True)),
                asyncio.create_task(self._pump(remote_reader, writer, inward=False)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # cut, or the machine behind the port is gone: the caller sees a broken connection
        finally:
            for end in (writer, far):
                if end is not None:
                    end.transport.abort() if task.cancelling() else end.close()
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, inward: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._flow.wait()
                if self.bytes_per_second:
                    await asyncio.sleep(len(data) / self.bytes_per_second)
                if inward:
                    self.bytes_in += len(data)
                else:
                    self.bytes_out += len(data)
                writer.write(data)
                await writer.drain()
