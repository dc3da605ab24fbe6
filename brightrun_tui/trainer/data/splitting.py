"""Conversations longer than the limit, cut between turns so that every answer is still learnt from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from brightrun_tui.domain.dataset import Message, Record
from brightrun_tui.trainer.data.examples import Example, Prepared

Tokenise = Callable[[list[Record]], Prepared]


def split_long(prepared: Prepared, records: list[Record], limit: int, tokenise: Tokenise) -> None:
    """Replace every example of more than ``limit`` tokens by shorter ones; counts their records in ``prepared.split``.

    A conversation is cut where a user begins to speak; each piece opens with the conversation's system message. An
    exchange that is too long by itself is cut where the limit falls.
    """
    kept: list[Example] = []
    done: set[int] = set()
    for example in prepared.examples:
        if example.length <= limit:
            kept.append(example)
        elif example.record not in done:
            done.add(example.record)
            pieces = _between_turns(records[example.record], limit, tokenise)
            kept += [part for piece in pieces for part in _windows(piece, example.record, limit)]
    prepared.examples, prepared.split = kept, len(done)


def _between_turns(record: Record, limit: int, tokenise: Tokenise) -> Iterator[Example]:
    """Yield pieces of as many exchanges as fit."""

    def examples(messages: list[Message]) -> list[Example]:
        return tokenise([record.model_copy(update={"messages": (*head, *messages)})]).examples

    head, exchanges = _exchanges(record.messages)
    piece: list[Message] = []
    best: list[Example] = []
    for exchange in exchanges:
        longer = examples(piece + exchange)
        if piece and any(example.length > limit for example in longer):
            yield from best
            piece, longer = [], examples(exchange)
        piece, best = piece + exchange, longer
    yield from best


def _exchanges(messages: tuple[Message, ...]) -> tuple[list[Message], list[list[Message]]]:
    """Return the system messages at the start, and the rest in groups that begin with a user's turn."""
    start = next((i for i, message in enumerate(messages) if message.role != "system"), len(messages))
    groups: list[list[Message]] = []
    for message in messages[start:]:
        if not groups or (message.role == "user" and groups[-1][-1].role != "user"):
            groups.append([])
        groups[-1].append(message)
    return list(messages[:start]), groups


def _windows(example: Example, record: int, limit: int) -> Iterator[Example]:
    for start in range(0, example.length, limit):
        part = replace(example.part(start, start + limit), record=record)
        if part.targets:
            yield part
