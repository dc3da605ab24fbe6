"""The formats that are understood: their names, what they look like, and telling one from another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from brightrun_tui import plugins
from brightrun_tui.datasets.brightrun_v4 import from_training_pair, is_brightrun_v4
from brightrun_tui.datasets.client_turns import from_tree
from brightrun_tui.datasets.conversations import from_conversation, from_templated_text, is_turn, speaks_by
from brightrun_tui.datasets.logged import from_log
from brightrun_tui.datasets.pairs import from_pair
from brightrun_tui.datasets.parsed import CATEGORIES, COMPLETIONS, GROUPS, IDS, PROMPTS, SYSTEMS, ParsedRecord, lowered
from brightrun_tui.datasets.source import SourceFile, SourceRow
from brightrun_tui.datasets.templated import is_templated
from brightrun_tui.datasets.turns import Unusable
from brightrun_tui.domain.spec_names import flaw_of_name
from brightrun_tui.plugins import Blame, Door, Loaded

_WRAPPING = {
    "row": {"row_idx", "truncated_cells"},
    "node": {"cursor"},
    "fields": {"id", "createdTime"},
    "attributes": {"id", "type", "documentId", "links", "meta"},
    "item": {"id", "created_at", "object", "datasource_item_id"},
    "_source": {"_index", "_id", "_score", "_type", "_version", "sort"},
}
"""The field in which servers hand out a record, and what they write beside it."""
_QUESTIONS, _ANSWERS = frozenset(PROMPTS), frozenset(COMPLETIONS)
_HALVES = (("inputs", "outputs"), ("input", "expectedOutput"), ("input", "expected_output"))
JSON_SUFFIXES = (".jsonl", ".ndjson", ".jsonlines", ".jl", ".json")
OUR_SUFFIXES = (*JSON_SUFFIXES, ".csv", ".tsv", ".tab", ".parquet", ".pq", ".xlsx")
"""Files that are read already: their records may be of any format."""


@dataclass(frozen=True, kw_only=True)
class DatasetFormat:
    """An entry point of ``brightrun.dataset_formats``: how to tell a record of it, and how to draft ours from one.

    Attributes:
        name: what people type; ``title`` what they read; ``looks`` one example record.
        matches: whether a record, as the file has it, is of this format. Raises nothing, whatever the record is.
        draft: the turns of a record that matches. Raises `turns.Unusable` for one that cannot be learnt from.
        order: of formats that fit equally many records the one with the lowest is taken; ours have 10 to 60.
        suffixes: of text files that only this format can read, such as ``.chat``; ``rows`` takes them apart into records.
    """

    name: str
    title: str
    looks: str
    matches: Callable[[Any], bool]
    draft: Callable[[Mapping[str, Any]], ParsedRecord]
    order: int = 100
    suffixes: tuple[str, ...] = ()
    rows: Callable[[SourceFile], Iterator[SourceRow]] | None = None

    def flaw(self) -> str:
        """Do as `plugins.Spec.flaw`."""
        if flaw := flaw_of_name(self.name, most=40):
            return flaw
        if not self.title.strip() or not self.looks.strip():
            return "title and looks should say what it is"
        if bool(self.suffixes) != (self.rows is not None):
            return "suffixes and rows should be given together"
        ours = [
            suffix for suffix in self.suffixes if suffix in OUR_SUFFIXES or not re.fullmatch(r"\.[a-z0-9]+", suffix)
        ]
        if ours:
            return f"it cannot claim files called “{ours[0]}”"
        return ""


def _is_alpaca(row: Any) -> bool:
    if not isinstance(row, Mapping):
        return False
    fields = lowered(row)
    return "instruction" in fields and not _ANSWERS.isdisjoint(fields)


def _is_pair(row: Any) -> bool:
    if not isinstance(row, Mapping):
        return False
    fields = lowered(row)
    return not _QUESTIONS.isdisjoint(fields) and not _ANSWERS.isdisjoint(fields)


BRIGHTRUN_V4 = DatasetFormat(
    name="brightrun-lora-v4",
    title="Bright Run training pairs",
    order=10,
    matches=is_brightrun_v4,
    draft=from_training_pair,
    looks='{"system_prompt": …, "conversation_history": […], "current_user_input": …, "target_response": …}',
)
MESSAGES = DatasetFormat(
    name="messages",
    title="Chat messages",
    order=20,
    matches=lambda row: speaks_by(row) == "role",
    draft=from_conversation,
    looks='{"messages": [{"role": "user", "content": …}, {"role": "assistant", "content": …}]}',
)
SHAREGPT = DatasetFormat(
    name="sharegpt",
    title="ShareGPT conversations",
    order=30,
    matches=lambda row: speaks_by(row) not in ("", "role"),
    draft=from_conversation,
    looks='{"conversations": [{"from": "human", "value": …}, {"from": "gpt", "value": …}]}',
)
ALPACA = DatasetFormat(
    name="alpaca",
    title="Alpaca instructions",
    order=40,
    matches=_is_alpaca,
    draft=from_pair,
    looks='{"instruction": …, "input": …, "output": …}',
)
TEMPLATED_TEXT = DatasetFormat(
    name="templated-text",
    title="Conversations as one text in a model's chat format",
    order=50,
    matches=is_templated,
    draft=from_templated_text,
    looks='{"text": "<|im_start|>user\\n…<|im_end|>\\n<|im_start|>assistant\\n…<|im_end|>"}',
)
PROMPT_COMPLETION = DatasetFormat(
    name="prompt-completion",
    title="Questions and answers",
    order=60,
    matches=_is_pair,
    draft=from_pair,
    looks='{"prompt": …, "completion": …}, or a table with such columns (also question and answer)',
)


@lru_cache(maxsize=2)
def _ordered(loaded: Loaded[DatasetFormat]) -> dict[str, DatasetFormat]:
    return {
        one.name: _answering_for_itself(one)
        for one in sorted(loaded.found.values(), key=lambda one: (one.order, one.name))
    }


def formats() -> Mapping[str, DatasetFormat]:
    """Return every format that can be used, by name, in the order in which they are tried."""
    return _ordered(plugins.load_all(Door.DATASET_FORMATS, DatasetFormat))


def format_of_suffix(suffix: str) -> DatasetFormat | None:
    """Return the format that reads files of this suffix itself; None for all others."""
    return next((one for one in formats().values() if suffix in one.suffixes), None)


def is_known(row: Any) -> bool:
    """Say whether an entry is of any known format."""
    return any(one.matches(row) for one in formats().values())


def unwrapped(value: Any) -> Any:
    """Return a bare list of turns as a record, and a record out of what a server wraps it in."""
    if isinstance(value, dict):
        for name, beside in _WRAPPING.items():
            if isinstance(value.get(name), dict) and value.keys() <= {name, *beside}:
                return value[name]
        return from_tree(_joined_halves(_spoken_pair(from_log(value))))
    return {"messages": value} if isinstance(value, list) else value


def _spoken_pair(value: dict[str, Any]) -> dict[str, Any]:
    """Read a record of two fields named after the speakers, the answer's after the machine: ``{"human": …, "gpt": …}``."""
    names = {str(name).strip().lower(): name for name in value}
    asking, answering = names.keys() & {"human", "user"}, names.keys() & {"gpt", "bot"}
    others = names.keys() - asking - answering - {*SYSTEMS, *IDS, *GROUPS, *CATEGORIES}
    if len(asking) != 1 or len(answering) != 1 or others:
        return value
    answer = names[answering.pop()]
    return {name: part for name, part in value.items() if name != answer} | {"completion": value[answer]}


def _joined_halves(value: dict[str, Any]) -> dict[str, Any]:
    """Join a record's input and expected output, each an object, as tools that keep test examples write them."""
    for given, wanted in _HALVES:
        asked, answered = value.get(given), value.get(wanted)
        if not isinstance(asked, dict) or not answered:
            continue
        if not isinstance(answered, dict) or is_turn(answered):
            answered = {"completion": answered}
        elif len(answered) == 1:
            answered = {"completion": next(iter(answered.values()))}
        if len(asked) == 1 and isinstance(only := next(iter(asked.values())), str):
            asked = {"prompt": only}
        if not asked.keys() & answered.keys():
            beside = {name: part for name, part in value.items() if name not in (given, wanted)}
            joined = {**beside, **asked, **answered}
            return joined if is_known(joined) else value
    return value


def is_record(value: Any) -> bool:
    """Say whether a value is a record of a known form, as it stands or unwrapped."""
    return is_known(unwrapped(value))


def recognise(rows: Sequence[Any]) -> DatasetFormat | None:
    """Return the format that most of these entries have; None if they have none."""
    known = formats()
    counts = {name: sum(one.matches(row) for row in rows) for name, one in known.items()}
    best = max(counts, key=lambda name: counts[name])
    return known[best] if counts[best] else None


def _answering_for_itself(one: DatasetFormat) -> DatasetFormat:
    """Return a format of a plugin, whose own faults are told as those of its package."""
    blame = Blame(Door.DATASET_FORMATS, one.name, known=(Unusable,))
    if blame.ours:
        return one
    rows = one.rows

    def read(file: SourceFile) -> Iterator[SourceRow]:
        assert rows is not None, "only called for a format that reads files"
        with blame:
            yield from rows(file)

    return replace(one, matches=blame(one.matches), draft=blame(one.draft), rows=read if rows else None)
