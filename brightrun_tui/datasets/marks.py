"""What a file says of single turns: which answers to learn, and which ones people disliked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from functools import lru_cache
from typing import Any, NamedTuple

from brightrun_tui.datasets.mark_words import Meaning, judgement, meaning_of, name_words, rejects, says_so, truth
from brightrun_tui.datasets.turns import Unusable, printable

_PARTS = frozenset("split splits partition subset aufteilung".split())
_FOR = frozenset("is for in as use used set data record row only keep kept the".split())
ENDINGS = frozenset("finishReason finish_reason stopReason stop_reason done_reason".split())
"""Where services say why an answer ended."""
_ENDINGS = frozenset(name.lower() for name in ENDINGS)
_INCOMPLETE = "incomplete_details"
"""Where a response of OpenAI says why it is not an answer."""
_CUT = frozenset("length max_tokens max_output_tokens max_length content_filter safety".split())
_TESTING = frozenset(
    {
        "test",
        "testing",
        "val",
        "valid",
        "validation",
        "dev",
        "eval",
        "evaluation",
        "holdout",
        "testdaten",
        "validierung",
        "prüfung",
        "test_set",
        "te",
    }
)
_TRAINING = frozenset("train training fit trainset trainingsdaten train_set training_set tr".split())
"""Words for the part that is learnt, and those for the others, where a field holds nothing else."""
_HELD_OUT = frozenset("holdout heldout hold held out".split())
_WEIGHTS = frozenset({"weight", "weights", "scale"})
_LONGEST_PART = 16
_NOTE_KINDS = frozenset("note notes internal_note internal private private_note whisper notiz".split())
_NOTE_FIELDS = ("type", "part_type", "message_type", "kind", "visibility", "channel_type")
_NOTE_FLAGS = {
    "internal": True,
    "is_internal": True,
    "private": True,
    "is_private": True,
    "is_note": True,
    "public": False,
}

_DELETED = frozenset({"deleted", "is_deleted", "isdeleted", "removed", "is_removed"})

Flag = tuple[str, bool | float]
"""A field that nobody reads, though it may say which answers are wanted: true or false, or a number that says how good one is."""


class Learnt(NamedTuple):
    """Whether to learn an answer, as far as its marks say; ``weighted``: one of them is neither 0 nor 1."""

    train: bool = True
    weighted: bool = False
    flags: tuple[Flag, ...] = ()


def learnt(turn: Mapping[str, Any]) -> Learnt:
    """Return what the marks of a turn, and of the objects in it, say.

    Raises:
        Unusable: a mark cannot be understood.
    """
    train, weighted = True, False
    flags: list[Flag] = []
    for name, value in fields_of(turn):
        meaning = meaning_of(name)
        if meaning in (Meaning.LEARN, Meaning.SKIP, Meaning.UNCLEAR):
            said = _marked(name, value, meaning)
            if said is not None:
                train = train and (said > 0) is (meaning is Meaning.LEARN)
                weighted = weighted or said not in (0, 1)
        elif meaning is Meaning.REVIEWED:
            train = train and not rejects(value)
            if isinstance(value, bool):
                flags.append((name, value))
        elif meaning is not None:
            judged = judgement(value)
            if judged is None:
                continue
            plain = meaning is not Meaning.RATED or isinstance(value, bool | str)  # a bare 0 may be a count of votes
            if judged < 0 or (plain and judged in (0, 1) and (judged == 1) is (meaning is Meaning.DISLIKED)):
                train = False
            elif not plain or judged not in (0, 1):
                flags.append((name, judged))
        elif isinstance(value, bool):
            flags.append((name, value))
    return Learnt(train, weighted, tuple(flags))


def learnt_in_parts(content: Any) -> bool:
    """Say whether to learn an answer, as far as the marks of its parts say.

    Raises:
        Unusable: some of its parts are and some are not, or a mark cannot be understood.
    """
    said: set[bool] = set()
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict):
            meanings = ((name, value, meaning_of(str(name))) for name, value in part.items())
            marks = [
                (marked > 0) is (meaning is Meaning.LEARN)
                for name, value, meaning in meanings
                if meaning in (Meaning.LEARN, Meaning.SKIP)
                and (marked := _marked(str(name), value, meaning)) is not None
            ]
            said.add(all(marks))
    if len(said) > 1:
        raise Unusable("unclear_mark", "of one part of an answer, and not of the others")
    return said != {False}


def fields_of(record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield every field with its name, and those of the objects in it with a dot between, as ``metadata.weight``.

    A list of objects with name and value, or key and score, is such an object, too.
    """
    for name, value in record.items():
        if isinstance(value, dict | list):
            inner = value if isinstance(value, dict) else _named(value)
            yield from ((f"{name}.{key}", part) for key, part in inner.items() if not _is_several(part))
        yield str(name), value


def _is_several(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and len(value) != 1)


def _named(values: list[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in values:
        if isinstance(one, dict) and ("value" in one or "score" in one):
            name = next((one[key] for key in ("name", "key", "metric") if isinstance(one.get(key), str)), None)
            said = next((one[key] for key in ("value", "score") if one.get(key) is not None), None)
            if name is not None and said is not None:
                found[name] = said
    return found


def _marked(name: str, value: Any, meaning: Meaning) -> float | None:
    """Return what a mark says of learning; None if it says nothing."""
    try:
        said = truth(value)
    except ValueError:
        raise Unusable("unclear_mark", f"{name}: {printable(str(value))}") from None
    if said is not None and meaning is Meaning.UNCLEAR:
        raise Unusable("unclear_mark", f"{name}: {printable(str(value))}")
    return said


def is_cut(fields: Mapping[str, Any]) -> bool:
    """Say whether a record or a turn says that its answer ended at a limit of length, or at a filter."""
    return any(
        is_cut(value)
        if isinstance(value, dict) and name != _INCOMPLETE
        else (str(name).lower() in _ENDINGS and str(value).lower() in _CUT)
        or (name == _INCOMPLETE and isinstance(value, dict) and str(value.get("reason")).lower() in _CUT)
        for name, value in fields.items()
    )


def refuse_marked(record: Mapping[str, Any], parts: Set[str] = frozenset()) -> list[str]:
    """Return remarks on the marks of a whole record. ``parts`` are fields that say to which part it belongs, as `fields_of_parts`
    finds them.

    Raises:
        Unusable: it must not be learnt, or is for testing.
    """
    remarks: list[str] = []
    for name, value in fields_of(record):
        _refuse_testing(name, value, name in parts)
        if isinstance(value, list) and _parts_turns(name, value):
            raise Unusable("unclear_mark", f"{name}: a list beside the turns")
        if meaning_of(name) not in (Meaning.LEARN, Meaning.SKIP) or _is_measured(name):
            continue
        said = judgement(value)
        if said is not None and (said > 0) is not (meaning_of(name) is Meaning.LEARN):
            raise Unusable("nothing_to_train")
        if said not in (None, 0, 1) and "." not in name:
            remarks.append("weight")
    if is_cut(record):
        remarks.append("cut_by_limit")
    return remarks


def _is_measured(name: str) -> bool:
    """Say whether a field of this name holds a loss, not how much an answer weighs in it."""
    words = name_words(name)
    return "loss" in words and words.isdisjoint(_WEIGHTS)


def fields_of_parts(records: Iterable[Any]) -> frozenset[str]:
    """Return the fields that say in nothing but the usual words, whatever they are called, which records are for training and
    which for testing; training must be among these words.
    """
    said: dict[str, set[str]] = {}
    for record in records:
        for name, value in fields_of(record) if isinstance(record, Mapping) else ():
            if name not in said or said[name]:
                word = value.strip().lower() if isinstance(value, str) and len(value) <= _LONGEST_PART else ""
                known = word in _TRAINING or word in _TESTING
                said[name] = {*said.get(name, ()), word} if known else set()
    return frozenset(name for name, words in said.items() if words & _TRAINING)


def is_part(name: str, parts: Set[str]) -> bool:
    """Say whether a field says to which part its record belongs: one of ``parts``, or by its name."""
    return name in parts or _tells_of_testing(name) is True


def _refuse_testing(name: str, value: Any, tells: bool) -> None:
    """Raise `Unusable` where a field says that its record is for testing: by the name of a part, or by yes."""
    told = True if tells else _tells_of_testing(name)
    if told is None:
        return
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if told and isinstance(value, str) and value.strip().lower() in _TESTING:
        raise Unusable("kept_for_testing", f"{name}: {printable(value)}")
    if not told and (says_so(value) or value in ("x", "X") or (value in (1, "1") and not isinstance(value, bool))):
        raise Unusable("kept_for_testing", name)


@lru_cache(maxsize=1024)
def _tells_of_testing(name: str) -> bool | None:
    """Say whether a field of this name holds the part that a record belongs to (True), or whether it is for testing (False)."""
    words = name_words(name.rpartition(".")[2])
    if words & _PARTS:
        return True
    if words & _HELD_OUT and words <= _HELD_OUT | _FOR:
        return False
    return False if words & _TESTING and words & _FOR and words <= _TESTING | _FOR else None


def _parts_turns(name: str, values: list[Any]) -> bool:
    """Say whether this is a list that marks some turns, or tokens, as learnt and others as not."""
    if meaning_of(name) not in (Meaning.LEARN, Meaning.SKIP, Meaning.UNCLEAR):
        return False
    said = {judgement(value) for value in values if not isinstance(value, list | dict)}
    return len(said) > 1 and said <= {None, 0.0, 1.0}


def says_what_to_learn(name: str, value: Any) -> bool:
    """Say whether a field of a record is a mark that `refuse_marked` understands."""
    return meaning_of(name) in (Meaning.LEARN, Meaning.SKIP) and judgement(value) is not None


def is_internal_note(turn: Any) -> bool:
    """Say whether a turn says that only colleagues saw it, as the tools of a help desk mark it."""
    if not isinstance(turn, dict) or len(turn) <= 2:
        return False
    for given, value in turn.items():
        name = str(given).strip().lower().replace(" ", "_")
        if name in _NOTE_FLAGS and says_so(value) is _NOTE_FLAGS[name]:
            return True
        if name in _NOTE_FIELDS and isinstance(value, str) and value.strip().lower().replace(" ", "_") in _NOTE_KINDS:
            return True
    return False


def is_taken_back(turn: Any) -> bool:
    """Say whether a turn says that it was deleted, so that nobody answered it or saw it any more."""
    if not isinstance(turn, dict) or len(turn) <= 2:
        return False
    return any(str(name).lower() in _DELETED and says_so(value) is True for name, value in turn.items())


def is_mark(name: str, value: Any) -> bool:
    """Say whether a field of a record may say not to learn it."""
    return meaning_of(name) is not None or name_words(name) <= _PARTS or isinstance(value, dict)
