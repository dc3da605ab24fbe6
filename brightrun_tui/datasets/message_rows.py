"""Rows that are not one record each: a message of a conversation, as help desks export them, or a list of several records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby, islice
from typing import Any

from brightrun_tui.datasets.conversations import TEXTS, is_turn, role_of_turn
from brightrun_tui.datasets.formats import is_record
from brightrun_tui.datasets.parsed import lowered, scalar
from brightrun_tui.datasets.source import PEEK, SourceFile, SourceRow
from brightrun_tui.datasets.turn_order import JOINTS
from brightrun_tui.datasets.turns import printable
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError

_OF_CONVERSATIONS = frozenset(
    "group conversation thread session conv chat dialog dialogue ticket case conversationid threadid sessionid convid chatid "
    "dialogid dialogueid ticketid caseid conversationuuid".split()
)
"""Names of the field that says to which conversation a message belongs, without spaces and dashes."""


def join_messages(
    file: SourceFile, first: Sequence[SourceRow], rows: Iterator[SourceRow]
) -> tuple[list[SourceRow], Iterator[SourceRow]]:
    """Return the first rows and those behind them; where each is one message that names its conversation, joined.

    Raises (while the rows are read):
        DatasetError: the rows of a conversation are not next to one another.
    """
    name = _field_of_conversations([row.value for row in first])
    if not name:
        return list(first), rows
    joined = _joined(file, chain(first, rows), name)
    return list(islice(joined, PEEK)), joined


def _field_of_conversations(values: Sequence[Any]) -> str:
    """Return the field, in lower case, that says to which conversation a message belongs; empty if the rows are not
    messages.
    """
    if not values or not all(isinstance(value, Mapping) and is_turn(value) for value in values):
        return ""
    rows = [lowered(value) for value in values]
    if not all(any(name in row for name in TEXTS) and role_of_turn(row) for row in rows):
        return ""
    for name in rows[0]:
        if JOINTS.sub("", name) not in _OF_CONVERSATIONS:
            continue
        named = [scalar(row.get(name)) for row in rows]
        if all(named) and len(set(named)) < len(named):
            return name
    return ""


def _joined(file: SourceFile, rows: Iterable[SourceRow], name: str) -> Iterator[SourceRow]:
    seen: set[int] = set()
    for conversation, found in groupby(rows, lambda row: _conversation(row.value, name)):
        messages = list(found)
        key = hash(conversation)
        if conversation and key in seen:
            raise DatasetError(
                f"the messages of the conversation “{printable(conversation)}” are not next to one another",
                where=f"{file.path}, {messages[0].place}",
                fix=f"sort the table by “{name}”, and within each conversation by time",
                kind=ErrorKind.DATASET_TURNS,
            )
        seen.add(key)
        turns = [
            {field: value for field, value in row.value.items() if str(field).strip().lower() != name}
            if isinstance(row.value, Mapping)
            else row.value
            for row in messages
        ]
        yield SourceRow(messages[0].number, {"messages": turns, "conversation_id": conversation}, messages[0].place)


def _conversation(value: Any, name: str) -> str:
    return scalar(lowered(value).get(name)) if isinstance(value, Mapping) else ""


def one_by_one(rows: Iterable[SourceRow]) -> Iterator[SourceRow]:
    """Yield the entries of lists that hold whole records, as where files with one list each were put together; other rows as
    they are.
    """
    added = 0
    for row in rows:
        if isinstance(row.value, list) and len(row.value) > 1 and all(map(_is_whole_record, row.value)):
            for number, value in enumerate(row.value):
                yield SourceRow(row.number + added + number, value, f"{row.place}, entry {number + 1}")
            added += len(row.value) - 1
        else:
            yield row._replace(number=row.number + added)


def _is_whole_record(value: Any) -> bool:
    return isinstance(value, dict) and not is_turn(value) and is_record(value)
