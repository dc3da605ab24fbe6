"""Server-sent events, as far as OpenAI's dialects need them."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator


async def lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[str]:
    """Yield the lines of a stream of bytes, split at newlines only."""
    begun: list[bytes] = []  # joined once: a line of megabytes may come in crumbs
    async for chunk in chunks:
        first, *following = chunk.split(b"\n")
        begun.append(first)
        for line in following:
            yield b"".join(begun).decode("utf-8", "replace").rstrip("\r")
            begun = [line]
    if rest := b"".join(begun):
        yield rest.decode("utf-8", "replace")
