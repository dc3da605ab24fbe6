"""Requests share what the engine can hold: as many at once as fit, in the order in which they came."""

from __future__ import annotations

import asyncio

from brightrun_tui.serving.room import Room, Share, room_for


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_does_not_fit_waits_and_nobody_overtakes() -> None:
    room = Room(100)
    first, second = await room.take(60), await room.take(30)
    assert [first.tokens, second.tokens] == [60, 30]
    large, small = asyncio.create_task(room.take(50)), asyncio.create_task(room.take(5))
    await settle()
    assert not large.done() and not small.done()
    room.give(first)
    assert [(await large).tokens, (await small).tokens] == [50, 5]


async def test_who_gives_up_waiting_takes_nothing_and_holds_nobody_up() -> None:
    room = Room(100)
    first = await room.take(90)
    impatient, next_one = asyncio.create_task(room.take(50)), asyncio.create_task(room.take(10))
    await settle()
    impatient.cancel()
    await settle()
    room.give(Share())
    then = await next_one
    assert then.tokens == 10
    room.give(first)
    room.give(then)
    assert (await room.take(1000)).tokens == 100


async def test_no_more_answers_are_made_than_there_are_slots_for() -> None:
    """However short they are: one that is made token by token would wait for a whole answer of somebody else's at each."""
    room = Room(100, answers=3)
    first = await room.take(1, 2)
    second, third = asyncio.create_task(room.take(1, 2)), asyncio.create_task(room.take(1))
    await settle()
    assert not second.done() and not third.done()
    room.give(first)
    assert ((await second).answers, (await third).answers) == (2, 1)
    room.give(await second)
    room.give(await third)
    assert (await room.take(1, 8)).answers == 3


def test_a_model_with_a_long_context_gets_room_for_one_full_answer_and_a_short_one_for_eight() -> None:
    assert [room_for(length) for length in (0, 256, 8192, 131_072)] == [32_768, 2048, 32_768, 131_072]
