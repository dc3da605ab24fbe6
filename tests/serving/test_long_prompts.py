"""A long prompt is read in pieces, so that others are answered meanwhile."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from brightrun_tui.serving import long_prompts
from brightrun_tui.serving.engine_client import Reply
from brightrun_tui.serving.long_prompts import PIECE, LongPrompts


class Engine:
    """Notes what it was given."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    async def post(self, path: str, document: bytes) -> Reply:
        self.told.append(json.loads(document))
        return Said()


class Said(Reply):
    def __init__(self) -> None:
        self.status = 200

    async def read(self) -> bytes:
        return b"{}"

    async def close(self) -> None:
        return


async def stays() -> bool:
    return False


async def leaves() -> bool:
    return True


def nobody() -> bool:
    return False


async def test_no_piece_is_longer_than_others_may_wait_and_none_is_written_meanwhile() -> None:
    engine, prompts, ids = Engine(), LongPrompts(), list(range(3 * PIECE + 5))
    assert await prompts.read(engine, ids, stays, nobody) == 3 * PIECE
    assert [told["prompt"] for told in engine.told] == [ids[: n * PIECE] for n in (1, 2, 3)]
    assert {told["max_tokens"] for told in engine.told} == {0}


async def test_what_was_read_before_and_what_is_short_costs_nothing() -> None:
    engine, prompts, ids = Engine(), LongPrompts(), list(range(2 * PIECE))
    assert await prompts.read(engine, ids, stays, nobody) == PIECE and len(engine.told) == 1
    longer = [*ids, *range(PIECE)]
    assert await prompts.read(engine, longer, stays, nobody) == 0
    assert await prompts.read(engine, [7] * PIECE, stays, nobody) == 0 and len(engine.told) == 1


async def test_nothing_more_is_read_for_a_caller_who_has_left() -> None:
    engine = Engine()
    assert await LongPrompts().read(engine, list(range(5 * PIECE)), leaves, nobody) == 0 and not engine.told


async def test_between_two_pieces_others_have_the_engine_for_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """For as long as a piece took, or until they have been answered: here after they were seen waiting five times."""
    monkeypatch.setattr(long_prompts, "LOOK_SECONDS", 0)
    engine, waiting = Slow(), iter([True] * 5)
    seen: list[int] = []

    def others() -> bool:
        seen.append(len(engine.told))
        return next(waiting, False)

    assert await LongPrompts().read(engine, list(range(3 * PIECE)), stays, others) == 2 * PIECE
    assert seen == [1] * 6 + [2], "the second piece came before the others were done"


class Slow(Engine):
    async def post(self, path: str, document: bytes) -> Reply:
        await asyncio.sleep(0.2)
        return await super().post(path, document)
