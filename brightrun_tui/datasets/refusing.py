"""Why a file is refused whose records have no known form, and what may be done about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from brightrun_tui.datasets.conversations import SPEAKERS, role_of_turn, speaks_by
from brightrun_tui.datasets.formats import formats, is_record
from brightrun_tui.datasets.guessing import guess_columns, is_named_answer, numbered_answers
from brightrun_tui.datasets.mark_words import name_words
from brightrun_tui.datasets.parsed import CONVERSATIONS
from brightrun_tui.datasets.source import SourceFile, SourceRow
from brightrun_tui.datasets.turns import ROLES, as_typed, printable
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError, UsageError

TABLE_SUFFIXES = (".csv", ".tsv", ".tab")
_SPEAKING = frozenset("author sender speaker role from user who participant sprecher absender".split())
_SURELY_SPEAKING = frozenset({"speaker", "sprecher"})
_SAID = frozenset("body text message comment content msg".split())
_SAYING = _SPEAKING | frozenset("incoming outgoing direction public private internal agent customer visitor".split())
_PARENTS = frozenset({"parent_id", "parent", "parent_message_id", "parentId", "message_tree_id"})
_OF_TURNS = frozenset("events threads thread history transcript segments messagerecords posts replies log".split())
_WRITE_TURNS = (
    'write each conversation as its turns, without internal notes: {"messages": [{"role": "user", "content": …}, '
    '{"role": "assistant", "content": …}]}'
)
_BATCH = "custom_id"
_SHOWN_FIELDS = 12
_LONG_NAME = 40


def check_columns(file: SourceFile, rows: Sequence[SourceRow], columns: Mapping[str, str]) -> None:
    found = _field_names(rows)
    for role, column in columns.items():
        if column not in found:
            close = get_close_matches(column, found, n=1)
            raise DatasetError(
                f"there is no column “{column}” (for {role}); there are {_listed(found)}",
                where=str(file.path),
                fix=f"did you mean {role}={printable(close[0])}?" if close else f"map {role} to one of these",
                kind=ErrorKind.DATASET_COLUMNS,
            )
    if "messages" not in columns and not {"prompt", "completion"} <= set(columns):
        raise UsageError(
            "the mapping needs prompt and completion, or messages",
            where="columns",
            fix=_suggestion(found, rows),
            kind=ErrorKind.COLUMNS_INCOMPLETE,
        )
    if "context" in columns and "prompt" not in columns:
        raise UsageError(
            "context belongs to a question, which is mapped as prompt",
            where="columns",
            fix=f"beside messages, map it as their system text: system={printable(columns['context'])}",
            kind=ErrorKind.COLUMNS_INCOMPLETE,
        )


def unknown_form(file: SourceFile, rows: Sequence[SourceRow]) -> DatasetError:
    """Return the error for a file whose records have no known form, with what may be done about what they seem to be."""
    found = _field_names(rows)
    return (
        _one_turn_each(file, rows, found)
        or _not_objects(file, rows, found)
        or _columns_of_no_use(file, rows, found)
        or _texts_of_no_use(file, rows, found)
        or _records_within(file, rows, found)
        or _turns_of_nobody(file, rows)
        or _answers_of_a_batch(file, rows)
        or DatasetError(
            f"the records have no known form; their fields are {_listed(found)}",
            where=f"{file.path}, {rows[0].place}",
            fix=f"known formats: {_format_list()}" + (f"; or {_suggestion(found, rows)}" if len(found) > 1 else ""),
            kind=ErrorKind.DATASET_UNKNOWN_FORMAT,
        )
    )


def _one_turn_each(file: SourceFile, rows: Sequence[SourceRow], found: Sequence[str]) -> DatasetError | None:
    """Return the error where each entry is one turn of a conversation."""
    if (turn := _column_of_speakers(rows)) and (parent := next((name for name in found if name in _PARENTS), "")):
        return DatasetError(
            f"each entry is one message of a tree (“{parent}” names the one before it), not a whole conversation",
            where=str(file.path),
            kind=ErrorKind.DATASET_TURNS,
            fix="make a record of each path from a first question to an answer that should be learnt: "
            '{"messages": [{"role": …, "content": …}, …]}',
        )
    if turn:
        return DatasetError(
            f"each entry is one turn of a conversation (it has a “{printable(turn)}”), not a whole conversation",
            where=str(file.path),
            kind=ErrorKind.DATASET_TURNS,
            fix='put all turns of a conversation into one record: {"messages": [{"role": …, "content": …}, …]}; or name the '
            "conversation in every row (conversation_id), and sort by it",
        )
    return None


def _not_objects(file: SourceFile, rows: Sequence[SourceRow], found: Sequence[str]) -> DatasetError | None:
    """Return the error where the entries have no fields."""
    if not found:
        return DatasetError(
            f"the entries are not records but {_kind_of(rows[0].value)}",
            where=str(file.path),
            fix='write each as an object, such as {"prompt": …, "completion": …} (with pandas: orient="records"); '
            f"known formats: {_format_list()}",
            kind=ErrorKind.DATASET_UNKNOWN_FORMAT,
        )
    return None


def _columns_of_no_use(file: SourceFile, rows: Sequence[SourceRow], found: Sequence[str]) -> DatasetError | None:
    """Return the error for a table without a header, or without columns of known names."""
    if file.suffix in TABLE_SUFFIXES and _reads_like_content(found):
        return DatasetError(
            "the first line looks like a record, not like the names of the columns",
            where=file.at(1),
            fix="put a line with their names first, such as: prompt,completion",
            kind=ErrorKind.DATASET_NO_HEADER,
        )
    if file.is_parquet or file.is_workbook or file.suffix in TABLE_SUFFIXES:
        return DatasetError(
            f"no columns named prompt and completion (or question and answer); there are {_listed(found)}",
            where=str(file.path) if file.is_parquet else file.at(1),
            fix=_suggestion(found, rows),
            kind=ErrorKind.DATASET_COLUMNS,
        )
    return None


def _texts_of_no_use(file: SourceFile, rows: Sequence[SourceRow], found: Sequence[str]) -> DatasetError | None:
    """Return the error for texts in no known chat format, and for numbers in their place."""
    if [name.strip().lower() for name in found] == ["text"]:
        return DatasetError(
            "the texts are in no chat format that is known, or hold more than one conversation",
            where=f"{file.path}, {rows[0].place}",
            fix='write what is asked and what is answered apart: {"prompt": …, "completion": …}',
            kind=ErrorKind.DATASET_UNKNOWN_FORMAT,
        )
    if "input_ids" in found:
        return DatasetError(
            "the records are numbers that some tokenizer made of texts",
            where=f"{file.path}, {rows[0].place}",
            fix='give the texts themselves: {"prompt": …, "completion": …}',
            kind=ErrorKind.DATASET_UNKNOWN_FORMAT,
        )
    return None


def _records_within(file: SourceFile, rows: Sequence[SourceRow], found: Sequence[str]) -> DatasetError | None:
    """Return the error where records or conversations stand within the entries."""
    if nested := _where_records_are(rows[0].value):
        return DatasetError(
            f"the records are in “{nested}”, within each entry",
            where=f"{file.path}, {rows[0].place}",
            fix="put these records into one list, or each on a line of its own, together with what around them belongs to each",
            kind=ErrorKind.DATASET_UNKNOWN_FORMAT,
        )
    if len(rows) == 1 and _reads_like_content(found):
        return DatasetError(
            "the file is one object, whose names read like texts and not like names of fields",
            where=f"{file.path}, {rows[0].place}",
            fix='write a list with an object for each of them: {"prompt": …, "completion": …}',
            kind=ErrorKind.DATASET_UNKNOWN_FORMAT,
        )
    if nested := _nested_conversation(rows[0].value):
        return DatasetError(
            f"the conversation is in “{printable(nested)}”, beside other things",
            where=f"{file.path}, {rows[0].place}",
            fix='write each record as the conversation alone, its answer included: {"messages": [{"role": …, "content": …}, …]}',
            kind=ErrorKind.DATASET_UNKNOWN_FORMAT,
        )
    guess = guess_columns([row.value for row in rows if isinstance(row.value, Mapping)])
    if not is_named_answer(guess.get("completion", "")) and (said := _where_things_are_said(rows[0].value)):
        turns = rows[0].value.get(said)
        if isinstance(turns, list) and all(map(role_of_turn, turns)):
            return DatasetError(
                f"the conversation is in “{said}”, which may mean something else",
                where=f"{file.path}, {rows[0].place}",
                fix=f"if it is what to learn, map it (--column, in the app F4): messages={said}",
                kind=ErrorKind.DATASET_UNKNOWN_FORMAT,
            )
        return DatasetError(
            f"what was said is in “{said}”, and nothing there tells who asks and who answers",
            where=f"{file.path}, {rows[0].place}",
            fix=_WRITE_TURNS,
            kind=ErrorKind.DATASET_TURNS,
        )
    return None


def _turns_of_nobody(file: SourceFile, rows: Sequence[SourceRow]) -> DatasetError | None:
    """Return the error where a record holds turns by the name of their field, and none of theirs is known to say who speaks."""
    value = rows[0].value
    for name, part in value.items() if isinstance(value, Mapping) else ():
        called = str(name).strip().lower() in (*CONVERSATIONS, *_OF_TURNS)
        if called and isinstance(part, list) and part and all(isinstance(turn, Mapping) and turn for turn in part):
            return DatasetError(
                f"the turns in “{printable(str(name))}” do not say who speaks in a field that is known; they have "
                f"{_listed(list(dict.fromkeys(str(field) for turn in part for field in turn)))}",
                where=f"{file.path}, {rows[0].place}",
                fix=_WRITE_TURNS,
                kind=ErrorKind.DATASET_TURNS,
            )
    return None


def _answers_of_a_batch(file: SourceFile, rows: Sequence[SourceRow]) -> DatasetError | None:
    """Return the error where a service returned answers to a batch of requests, which are in another file."""
    value = rows[0].value
    answer = next((name for name in ("response", "result") if isinstance(value, Mapping) and value.get(name)), "")
    if not answer or not value.get(_BATCH):
        return None
    return DatasetError(
        f"these are the answers to a batch of requests (“{answer}”), without what was asked",
        where=f"{file.path}, {rows[0].place}",
        fix=f"put each beside its request, which is in the file that was sent and has the same “{_BATCH}”: "
        '{"request": …, "response": …}',
        kind=ErrorKind.DATASET_UNKNOWN_FORMAT,
    )


def _where_records_are(value: Any, deepest: int = 4) -> str:
    """Return the way to a list of records, or to an object with records by name, as ``hits.hits``; empty if there is none."""
    for name, part in value.items() if isinstance(value, Mapping) and deepest else ():
        first = (
            next(iter(part.values() if isinstance(part, Mapping) else part), None)
            if isinstance(part, Mapping | list)
            else None
        )
        several = isinstance(part, list) or (isinstance(part, Mapping) and len(part) > 1)
        if first is not None and several and is_record(first):
            return printable(str(name))
        inner = part if isinstance(part, Mapping) else first
        if further := _where_records_are(inner, deepest - 1):
            return f"{printable(str(name))}.{further}"
    return ""


def _where_things_are_said(value: Any, deepest: int = 3) -> str:
    """Return the path to a list of what several people said, as ``ticket.comments``; empty if there is none."""
    for name, part in value.items() if isinstance(value, Mapping) and deepest else ():
        if isinstance(part, list) and part and all(map(_is_saying, part)):
            return printable(str(name))
        if further := _where_things_are_said(part, deepest - 1):
            return f"{printable(str(name))}.{further}"
    return ""


def _is_saying(value: Any) -> bool:
    """Say whether it holds a text and something about who said it, also as the only field of an object."""
    if isinstance(value, Mapping) and len(value) == 1:
        value = next(iter(value.values()))
    if not isinstance(value, Mapping):
        return False
    words = {str(name): name_words(str(name)) for name in value}
    texts = {name for name, each in words.items() if each & _SAID and isinstance(value[name], str)}
    return bool(texts) and any(each & _SAYING for name, each in words.items() if name not in texts)


def _nested_conversation(value: Any) -> str:
    """Return the field of a record whose object holds a conversation; else empty."""
    inner = value.items() if isinstance(value, dict) else ()
    return next((str(name) for name, part in inner if speaks_by(part)), "")


def _column_of_speakers(rows: Sequence[SourceRow]) -> str:
    """Return the field that says who speaks, where every entry is a turn of its own; else empty."""
    names = _field_names(rows)
    guessed = guess_columns([row.value for row in rows if isinstance(row.value, Mapping)]) if len(names) > 1 else None
    for name in names if len(names) > 1 else ():
        said = {str(row.value.get(name)).strip().lower() for row in rows if isinstance(row.value, dict)}
        if name.strip().lower() in SPEAKERS[:3] or (len(said) > 1 and said <= ROLES.keys()):
            return name
        surely = name_words(name) & _SURELY_SPEAKING or not guessed
        if surely and name_words(name) & _SPEAKING and 1 < len(said) <= len(rows) // 2:
            return name
    return ""


def _field_names(rows: Sequence[SourceRow]) -> list[str]:
    return list(dict.fromkeys(str(name) for row in rows if isinstance(row.value, dict) for name in row.value))


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"“{printable(name)}”" for name in names[:_SHOWN_FIELDS])
    more = len(names) - _SHOWN_FIELDS
    return f"{shown} and {more} more" if more > 0 else shown


def _suggestion(found: Sequence[str], rows: Sequence[SourceRow]) -> str:
    """Return a mapping by what the columns are called, and by what is in them: questions are asked, answers differ and are
    longer.
    """
    values = [row.value for row in rows if isinstance(row.value, Mapping)]
    guess = guess_columns(values)
    if (numbers := numbered_answers(values)) and not is_named_answer(guess.get("completion", "")):
        return (
            f"“{printable(numbers)}” holds numbers that stand for something (a class, or which of other columns is right): write "
            "that in words into a column named completion, and what is asked into one named prompt"
        )
    if not guess:
        return "two columns are needed, named prompt (what is asked) and completion (the answer)"
    pairs = ", ".join(f"{role}={as_typed(name)}" for role, name in guess.items())
    return f"rename the columns, or map them (--column for each, in the app F4): {pairs}"


def _reads_like_content(names: Sequence[str]) -> bool:
    """Say whether these are texts of a record rather than names of columns."""
    texts = [name for name in names if name.strip()]
    return len(texts) > 1 and all(len(name) > _LONG_NAME or name.rstrip().endswith(("?", ".", "!")) for name in texts)


def _format_list() -> str:
    return ", ".join(formats())


def _kind_of(value: Any) -> str:
    kinds: dict[type, str] = {str: "texts", bool: "true/false values", int: "numbers", list: "lists", dict: "empty"}
    return kinds.get(type(value), "bare values")
