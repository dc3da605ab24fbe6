"""Between the endpoint's door and the engine: what callers do at the worst moment leaves no trace."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from brightrun_tui.serving import engine_client
from brightrun_tui.serving.engine_client import EngineClient, EngineGone, at_socket

ANSWER = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"


class Engine:
    """Answers every request with the beginning of an answer, and keeps the connections."""

    def __init__(self) -> None:
        self.connections: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.connections.append(writer)
        writer.write(ANSWER)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def test_giving_up_in_the_very_moment_in_which_data_comes_raises_nothing(place: None) -> None:
    """Both are seen in one turn of the event loop, as on a busy machine."""
    engine, faults = Engine(), list[dict[str, Any]]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: faults.append(context))
    async with await asyncio.start_unix_server(engine.serve, "engine.sock"):
        client = EngineClient(at_socket("engine.sock"))
        for _ in range(20):
            reply = await client.post("/v1/chat/completions", b"{}")
            chunks = reply.chunks()
            assert await anext(chunks) == b"hello"
            reading = asyncio.ensure_future(anext(chunks))
            await asyncio.sleep(0)
            caller, ours = socket.socketpair()
            ours.setblocking(False)
            loop.add_reader(ours, reading.cancel)
            caller.send(b"x")
            os.write(engine.connections[-1].get_extra_info("socket").fileno(), b"5\r\nworld\r\n")
            with pytest.raises(asyncio.CancelledError):
                await reading
            loop.remove_reader(ours)
            caller.close()
            ours.close()
            await reply.close()
        await client.close()
    assert not faults


async def test_an_engine_that_ends_in_the_middle_of_an_answer_is_said_to_be_gone(place: None) -> None:
    engine = Engine()
    async with await asyncio.start_unix_server(engine.serve, "engine.sock"):
        client = EngineClient(at_socket("engine.sock"))
        reply = await client.post("/", b"{}")
        engine.connections[-1].transport.abort()
        with pytest.raises(EngineGone):
            await reply.read()
        await reply.close()
        await client.close()
    with pytest.raises(EngineGone):
        await EngineClient(at_socket("nobody.sock")).status("/health", 1.0)


async def test_an_answer_without_an_end_is_broken_off(place: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine on another machine may say what it likes, and takes no memory here for it."""
    monkeypatch.setattr(engine_client, "MAX_ANSWER_BYTES", 64)
    engine = Engine()
    async with await asyncio.start_unix_server(engine.serve, "engine.sock"):
        client = EngineClient(at_socket("engine.sock"))
        reply = await client.post("/", b"{}")
        engine.connections[-1].write(b"10\r\n0123456789abcdef\r\n" * 8)
        with pytest.raises(EngineGone, match="longer than"):
            await reply.read()
        await reply.close()
        await client.close()
