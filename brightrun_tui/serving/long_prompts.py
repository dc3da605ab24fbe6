"""Long prompts are read in pieces.

llama.cpp reads the prompt of one request to its end before it begins with that of the next one, and says nothing to anybody
meanwhile: with thousands of tokens, on a CPU, for most of a minute. Given the beginning first, then more and more of it, it knows
what it has read, and between two pieces the others have it for themselves for as long as a piece took.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from brightrun_tui.serving.llama_dialect import PATH
from brightrun_tui.serving.supervision import Answers

PIECE = 512
"""Tokens: nobody waits longer than it takes to read so many for somebody else."""
LOOK_SECONDS = 0.02
REMEMBERED = 16
"""Prompts whose beginnings the engine may still know."""


class LongPrompts:
    """Of one engine."""

    def __init__(self) -> None:
        self._known: deque[Sequence[int]] = deque(maxlen=REMEMBERED)

    async def read(
        self, engine: Answers, ids: Sequence[int], left: Callable[[], Awaitable[bool]], others: Callable[[], bool]
    ) -> int:
        """Have all of a prompt but its last piece read; returns how many tokens were. Ends early where the caller has
        ``left``; ``others`` says whether somebody else is to be answered.

        Raises:
            EngineGone: nobody answers.
        """
        known, tokens = max((_alike(ids, other) for other in self._known), default=0), 0
        for end in range((known // PIECE + 1) * PIECE, len(ids), PIECE):
            if await left():
                return tokens
            began = time.monotonic()
            told = {"prompt": ids[:end], "max_tokens": 0, "cache_prompt": True}
            reply = await engine.post(PATH, json.dumps(told).encode())
            try:
                await reply.read()
            finally:
                await reply.close()
            tokens = end - known
            until = 2 * time.monotonic() - began
            while others() and time.monotonic() < until:
                await asyncio.sleep(LOOK_SECONDS)
        self._known.append(ids)
        return tokens


def _alike(ids: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens both begin with."""
    pairs = zip(ids, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(ids), len(other)))
