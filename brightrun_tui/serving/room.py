"""The tokens that an engine can hold at once, shared by the requests that are being answered."""

from __future__ import annotations

import asyncio
from collections import deque

SLOTS = 8
"""Answers that llama.cpp makes at once; further requests wait."""
SHARED_TOKENS = 32_768
"""Tokens that all of them share, where one answer of full length does not need more."""
UNTRIED_CONTEXT = 4096
"""Tokens of a model that does not say how many it can hold."""


def room_for(context_length: int) -> int:
    """Tokens that llama.cpp holds for all requests of a model that can hold ``context_length`` (0: unknown) in one."""
    one = context_length or UNTRIED_CONTEXT
    return max(one, min(SLOTS * one, SHARED_TOKENS))


class Room:
    """Tokens to be had, first come first served: nobody is answered for whom there might be no room to the end."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self._free = tokens
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, wanted: int) -> int:
        """Wait for room for ``wanted`` tokens, or for all of it where that is less; what was taken. `give` it back."""
        taken = min(wanted, self.tokens)
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

    def give(self, taken: int) -> None:
        self._free += taken
        self._admit()

    def _admit(self) -> None:
        while self._waiting and (self._waiting[0][1].done() or self._waiting[0][0] <= self._free):
            taken, turn = self._waiting.popleft()
            if not turn.done():
                self._free -= taken
                turn.set_result(None)
