"""Repeatable choices, and the one small grammar all generated text is written in."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SPACES = re.compile(r" {2,}")
_SENTENCE_START = re.compile(r'((?:^|[.!?] |[.]" |\n(?:\d\. )?)"?|, ")([a-z])')


class Dice:
    """Seeded choices that are the same on every Python version.

    Only `random.Random.random` is used: it is the one method whose sequence Python promises to keep.
    """

    def __init__(self, seed: int) -> None:
        self._next = random.Random(seed).random

    def below(self, limit: int) -> int:
        """Return a whole number from 0 up to, but not including, ``limit``."""
        return int(self._next() * limit)

    def chance(self, probability: float) -> bool:
        return self._next() < probability

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self._next() * len(items))]

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """Return ``count`` different items, in random order."""
        pool = list(items)
        for place in range(count):
            other = place + self.below(len(pool) - place)
            pool[place], pool[other] = pool[other], pool[place]
        return pool[:count]

    def shuffle(self, items: list[T]) -> None:
        items[:] = self.some(items, len(items))

    def write(self, pattern: str, slots: Mapping[str, str] | None = None) -> str:
        """Write a text from a pattern: ``[one|another]`` is a choice (may be nested), ``{name}`` a slot.

        Sentences of the result start with a capital letter; runs of blanks, left by empty choices, become one.
        """
        while (found := _CHOICE.search(pattern)) is not None:
            pattern = pattern[: found.start()] + self.pick(found[1].split("|")) + pattern[found.end() :]
        text = _SPACES.sub(" ", pattern.format_map(slots) if slots else pattern).strip()
        return _SENTENCE_START.sub(lambda match: match[1] + match[2].upper(), text)


def with_article(noun: str) -> str:
    """Put the article before a noun: ``a spoon``, ``an apple``."""
    sound = noun.lower()
    vowel = sound.startswith(("a", "e", "i", "o", "u", "hour")) and not sound.startswith(("uni", "use", "one", "eu"))
    return ("an " if vowel else "a ") + noun


def join_words(words: Sequence[str], last: str = "and") -> str:
    """Join words as in a sentence: ``tea, milk and bread``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
