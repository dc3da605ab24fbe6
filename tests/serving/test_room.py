"""Requests share what the engine can hold: as many at once as fit, in the order in which they came."""

from __future__ import annotations

import asyncio

from brightrun_tui.serving.room import Room, room_for


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_does_not_fit_waits_and_nobody_overtakes() -> None:
    room = Room(100)
    assert [await room.take(60), await room.take(30)] == [60, 30]
    large, small = asyncio.create_task(room.take(50)), asyncio.create_task(room.take(5))
    await settle()
    assert not large.done() and not small.done()
    room.give(60)
    assert [await large, await small] == [50, 5]


async def test_who_gives_up_waiting_takes_nothing_and_holds_nobody_up() -> None:
    room = Room(100)
    first = await room.take(90)
    impatient, next_one = asyncio.create_task(room.take(50)), asyncio.create_task(room.take(10))
    await settle()
    impatient.cancel()
    await settle()
    room.give(0)
    assert await next_one == 10
    room.give(first)
    room.give(10)
    assert await room.take(1000) == 100


def test_a_model_with_a_long_context_gets_room_for_one_full_answer_and_a_short_one_for_eight() -> None:
    assert [room_for(length) for length in (0, 256, 8192, 131_072)] == [32_768, 2048, 32_768, 131_072]
