"""The tokens that an engine can hold, and the answers that it makes, at once: shared by the requests that are being answered."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

SLOTS = 8
"""Answers that llama.cpp makes at once; further requests wait for one of them to end."""
SHARED_TOKENS = 32_768
"""Tokens that all of them share, where one answer of full length does not need more."""
UNTRIED_CONTEXT = 4096
"""Tokens of a model that does not say how many it can hold."""


def room_for(context_length: int) -> int:
    """Return tokens that llama.cpp holds for all requests of a model that can hold ``context_length`` (0: unknown) in one."""
    one = context_length or UNTRIED_CONTEXT
    return max(one, min(SLOTS * one, SHARED_TOKENS))


class Share(NamedTuple):
    """What one request has of it: tokens, and answers that are made at once."""

    tokens: int = 0
    answers: int = 0


class Room:
    """Tokens and answers to be had, first come first served: nobody is answered for whom there might be no room to the end.

    No more answers are under way than the engine makes at once, so one that is made token by token finds a slot for each.
    """

    def __init__(self, tokens: int, answers: int = SLOTS) -> None:
        self._all = Share(tokens, answers)
        self._free = self._all
        self._waiting: deque[tuple[Share, asyncio.Future[None]]] = deque()

    async def take(self, tokens: int, answers: int = 1) -> Share:
        """Wait for room for so much, or for all of it where that is less; returns what was taken. `give` it back."""
        taken = Share(min(tokens, self._all.tokens), min(answers, self._all.answers))
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((taken, turn))
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give(taken)
            raise
        return taken

    def give(self, taken: Share) -> None:
        self._free = Share(self._free.tokens + taken.tokens, self._free.answers + taken.answers)
        self._admit()

    def _admit(self) -> None:
        while self._waiting and (self._waiting[0][1].done() or self._fits(self._waiting[0][0])):
            taken, turn = self._waiting.popleft()
            if not turn.done():
                self._free = Share(self._free.tokens - taken.tokens, self._free.answers - taken.answers)
                turn.set_result(None)

    def _fits(self, wanted: Share) -> bool:
        return wanted.tokens <= self._free.tokens and wanted.answers <= self._free.answers
