"""Records that say nearly the same: MinHash signatures, made by rensa, of what is asked and of what is answered.

Two records are near-copies where questions and answers are each alike: where of all pairs of neighbouring words that either
has, a share of `SIMILAR` is in both (Jaccard similarity, estimated; https://en.wikipedia.org/wiki/MinHash). Records with
different system messages, dates and times in them aside, or of different numbers of turns, never are. One
word changed in a short question makes it another question, one in forty does not.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from operator import add, eq
from typing import NamedTuple

from brightrun_tui.datasets.alike import same
from brightrun_tui.domain.dataset import Record

SIMILAR = 0.8
VERY_SIMILAR = 0.95
"""Where too many records are alike they have a form in common; copies within it are more alike."""

_FIXED = 8
_SLOTS = 64
_BAND = 8
SKETCH_BYTES = _FIXED + 2 * _SLOTS
_SEED = 7
_PACKED = struct.Struct(f"<{_SLOTS}I")
_MOST_COMPARED = 4
_LARGE_BUCKET = 256
_PUNCTUATION = '.,;:!?…"“”„()[]'
_NO_PUNCTUATION = str.maketrans(dict.fromkeys(_PUNCTUATION, " "))
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d\S*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}|\b\d{1,2}:\d\d(?::\d\d)?\b"
    r"|\b(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day,? )?(?:January|February|March|April|May|June|July|August|September|October"
    r"|November|December) \d{1,2}(?:, \d{4})?\b"
)
"""What a program writes into every system message: when it was."""
UNSEEN_LETTERS = "\u00ad\u200b\u2060\ufeff"
"""Nobody sees them, and few people type them."""
_LONGEST_WORDS = 16
"""Texts whose words are longer on average are in a script without spaces."""


class NearCopies(NamedTuple):
    """Sets of records that are near-copies of one another, and the others that share a form with too many to tell."""

    sets: list[list[int]]
    of_one_form: list[int]


def sketch(record: Record) -> bytes:
    """Return `SKETCH_BYTES` that say how alike two records are.

    A hash of what must be the same, then by turns a slot of the question and one of the answer.
    """
    fixed, asked, learnt = [str(len(record.messages))], [], []
    for message in record.messages:
        if message.role == "system":
            fixed.append(_MOMENT.sub("0", message.content))
        elif message.role == "assistant" and message.train:
            learnt.append(message.said)
        else:
            asked.append(message.said)
    made = bytearray(SKETCH_BYTES)
    made[:_FIXED] = blake2b("\n".join(fixed).encode(), digest_size=_FIXED).digest()
    made[_FIXED::2], made[_FIXED + 1 :: 2] = _slots("\n".join(asked)), _slots("\n".join(learnt))
    return bytes(made)


def find_near_copies(indices: Sequence[int], keys: Sequence[bytes], offset: int, most: int) -> NearCopies:
    """Find sets of at most ``most`` of these records that are near-copies, also through one another.

    ``keys`` hold each record's `sketch`, from ``offset`` on.

    A larger set is a form that many records share: within it copies are what is `VERY_SIMILAR`, however many they are, unless
    more than half of all.
    """
    found: list[list[int]] = []
    of_one_form: list[int] = []
    for together in _clusters(indices, keys, offset, SIMILAR):
        if len(together) <= most:
            found.append(together)
            continue
        copies = [
            copied for copied in _clusters(together, keys, offset, VERY_SIMILAR) if len(copied) <= len(indices) // 2
        ]
        found += copies
        alike = {index for members in copies for index in members}
        of_one_form += [index for index in together if index not in alike]
    return NearCopies(sorted(found), of_one_form)


def _slots(text: str) -> bytes:
    """Return the lowest byte of every slot of the text's MinHash signature; equal slots are as frequent as common pairs of
    words.
    """
    from rensa import RMinHash

    signature = RMinHash(_SLOTS, _SEED)
    signature.update(_pairs(text))
    return _PACKED.pack(*signature.digest())[:: _PACKED.size // _SLOTS]


def _pairs(text: str) -> list[str]:
    text = text.casefold()
    if text.isascii():
        words = text.translate(_NO_PUNCTUATION).split()
    else:  # where translating is slow
        for letter in UNSEEN_LETTERS:
            text = text.replace(letter, "")
        words = [word.strip(_PUNCTUATION) for word in text.split()]
        if len(text) > _LONGEST_WORDS * (len(words) + 1):
            words = list("".join(words))
    return list(map(add, [" ", *words], [*words, " "]))


def _clusters(members: Sequence[int], keys: Sequence[bytes], offset: int, similar: float) -> list[list[int]]:
    """Find sets of records that are alike. Compared are only those that agree in a band of slots, each with the first of
    these.
    """
    root: dict[int, int] = {}

    def find(index: int) -> int:
        while (above := root.get(index, index)) != index:
            root[index] = root.get(above, above)
            index = above
        return index

    def sketch_of(index: int) -> bytes:
        return keys[index][offset : offset + SKETCH_BYTES]

    for band in range(_FIXED, SKETCH_BYTES, _BAND):
        for bucket in _buckets(members, keys, offset, band):
            compared: list[int] = []
            for index in sorted(bucket, key=sketch_of):
                other = next(
                    (
                        one
                        for one in compared
                        if find(one) == find(index) or _are_alike(sketch_of(one), sketch_of(index), similar)
                    ),
                    None,
                )
                if other is not None:
                    low, high = sorted((find(other), find(index)))
                    root[low], root[high] = low, low
                elif len(compared) < _MOST_COMPARED:
                    compared.append(index)
    sets: dict[int, list[int]] = {}
    for index in sorted(root):
        sets.setdefault(find(index), []).append(index)
    return [together for together in sets.values() if len(together) > 1]


def _buckets(members: Sequence[int], keys: Sequence[bytes], offset: int, band: int) -> Iterator[list[int]]:
    """Find sets of records that agree in this band; where they are many, for want of something better to tell, in the next
    one too.
    """
    start, following = offset + band, offset + (band + _BAND if band + _BAND < SKETCH_BYTES else _FIXED)
    for bucket in same(members, lambda i: keys[i][start : start + _BAND]):
        if len(bucket) <= _LARGE_BUCKET:
            yield bucket
        else:
            yield from same(bucket, lambda i: keys[i][following : following + _BAND])


def _are_alike(one: bytes, other: bytes, similar: float) -> bool:
    return one == other or (
        one[:_FIXED] == other[:_FIXED]
        and all(sum(map(eq, one[start::2], other[start::2])) >= similar * _SLOTS for start in (_FIXED, _FIXED + 1))
    )
