"""Small datasets of many kinds, written from nothing but a seed, in the shapes in which people bring theirs.

Nothing here is taken from the texts that the tests' small model learnt from. Every generator gets its own dice, so that a
change to one dataset leaves the others as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scripts.dice import Dice

from . import conversations, damaged, languages, short_answers, texts

Generator = Callable[[Dice], list[dict[str, Any]]]

DATASETS: dict[str, Generator] = {
    "classification": short_answers.classification,
    "extraction": short_answers.extraction,
    "tone": texts.tone,
    "qa": short_answers.handbook,
    "code": texts.code,
    "multi-turn": conversations.bookings,
    "long": texts.reports,
    "tiny": conversations.hotel,
    "imbalanced": short_answers.inspections,
    "german": languages.german,
    "duplicates": damaged.duplicates,
    "noisy": damaged.noisy,
    "long-answers": texts.letters,
    "japanese": languages.japanese,
}
"""Name to generator, in the order of the table."""


def make_records(name: str, seed: int = 0) -> list[dict[str, Any]]:
    """Make the records of one dataset; the same for the same seed on every machine."""
    number = list(DATASETS).index(name)
    return DATASETS[name](Dice(1_000 * seed + number))
