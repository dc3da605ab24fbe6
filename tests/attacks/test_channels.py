"""Where news goes means ill: an answer that never ends holds nothing up, and one that leads elsewhere takes no key along."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

import psutil
import pytest

from brightrun_tui.domain.notices import Level
from brightrun_tui.domain.notification import NewsKind, Notification
from brightrun_tui.notify import opening
from brightrun_tui.notify.apprise_channel import AppriseChannel

KEY = "TheKeyOfTheHook1234"
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def receiver(answer: Answer, heads: list[bytes]) -> AsyncIterator[int]:
    async def told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            await answer(writer)
        writer.close()

    server = await asyncio.start_server(told, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def news() -> Notification:
    return Notification("r", "demo", "n1", Level.INFO, "it is done", time.time(), NewsKind.DONE)


async def test_an_answer_that_drips_without_end_holds_up_nobody_else() -> None:
    """Each took a thread of the engine for good; after a handful of them it did nothing any more."""

    reached, enough = asyncio.Event(), asyncio.Event()

    async def drip(writer: asyncio.StreamWriter) -> None:
        reached.set()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not enough.is_set():
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.05)

    heads: list[bytes] = []
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    async with receiver(drip, heads) as port:
        channel = AppriseChannel("hook", f"json://localhost:{port}/news")
        sending = asyncio.create_task(opening.send("hook", channel, news()))
        await asyncio.wait_for(reached.wait(), 60)
        sending.cancel()  # as its time limit does
        await asyncio.wait([sending])
        try:
            assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 10) == "free"
        finally:
            enough.set()
    assert not [one.cmdline() for one in psutil.Process().children() if "apprise" in " ".join(one.cmdline())]


@pytest.mark.parametrize("status", [302, 307])
async def test_a_key_in_a_header_is_not_sent_on_to_another_address(status: int) -> None:
    async def thanks(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    asked, elsewhere = list[bytes](), list[bytes]()
    async with receiver(thanks, elsewhere) as other:

        async def moved(writer: asyncio.StreamWriter) -> None:
            place = f"http://127.0.0.1:{other}/there"
            writer.write(f"HTTP/1.1 {status} X\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()

        async with receiver(moved, asked) as port:
            url = f"json://me:{KEY}word@localhost:{port}/news?+X-Api-Key={KEY}"
            why = await opening.send("hook", AppriseChannel("hook", url), news())
    assert KEY.encode() in asked[0] and not elsewhere
    assert str(status) in why and KEY not in why
