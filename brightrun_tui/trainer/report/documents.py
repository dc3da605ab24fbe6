"""Answers that are JSON: compared value by value, each at its place."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from brightrun_tui.domain.findings import Mark
from brightrun_tui.trainer.report.stems import folded, stems

LEAST_VALUE = 2
_BARE = frozenset({"true", "false", "none", "null", "yes", "no", ""})


def read_documents(text: str) -> list[Any]:
    """Return the JSON that a text consists of, marks of tool calls and code fences aside; none where it is something else."""
    return [json.loads(document) for document in _documents(text)]


def leaves(document: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the values of a JSON, each with its place, as ``.name`` or ``.items[]``; folded."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from leaves(value, f"{path}.{key}")
    elif isinstance(document, list):
        for value in document:
            yield from leaves(value, f"{path}[]")
    else:
        yield path, folded(str(document))


def mark_documents(wanted: Sequence[Any], said: str) -> Mark:
    """Mark by the values that agree, each at its place; in an answer that is not JSON, by those that occur in it at
    all.
    """
    ours = Counter(leaf for document in wanted for leaf in leaves(document))
    documents = read_documents(said)
    theirs = Counter(leaf for document in documents for leaf in leaves(document))
    if theirs:
        share = 2 * (ours & theirs).total() / (ours.total() + theirs.total())
    else:
        text = f" {' '.join(stems(said))} "
        values = [value for _, value in ours]
        share = sum(f" {' '.join(stems(value))} " in text for value in values) / max(1, len(values))
        if any(value in _BARE or len(value) < LEAST_VALUE for value in values):
            share = min(share, 0.9)  # such words may stand there for something else
    return "right" if share == 1 else "partly" if share >= 0.5 else "wrong"


@lru_cache(maxsize=4096)
def _documents(text: str) -> tuple[str, ...]:
    """Return JSON objects and lists in the text, as canonical JSON, where they are most of it."""
    found, place, covered = [], 0, 0
    decoder = json.JSONDecoder()
    while (start := min((n for n in (text.find("{", place), text.find("[", place)) if n >= 0), default=-1)) >= 0:
        try:
            document, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            place = start + 1
            continue
        if document:
            found.append(json.dumps(document, ensure_ascii=False, sort_keys=True))
            covered += end - start
        place = end
    return tuple(found) if 2 * covered >= len(text) else ()
