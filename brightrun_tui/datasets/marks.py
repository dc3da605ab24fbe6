"""What a file says of which answers are to be learnt: marks on single turns, and thumbs on whole records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from brightrun_tui.datasets.turns import Unusable, printable

LEARN_MARKS = (
    "train",
    "training",
    "trainable",
    "train_on_turn",
    "learn",
    "supervised",
    "weight",
    "loss",
    "loss_weight",
    "loss_mask",
)
"""Fields of a turn whose false or zero says that it is context only; a number between is a weight.

OpenAI and Together write ``weight``, ms-swift ``loss``, verl ``loss_mask``, Axolotl ``train`` or ``training``.
"""
SKIP_MARKS = ("masked", "ignore", "ignore_loss", "exclude_from_loss")
"""The same the other way round; torchtune writes ``masked``."""
THUMBS = (
    "label",
    "kto_tag",
    "kto_label",
    "thumbs_up",
    "desirable",
    "is_desirable",
    "liked",
    "preferred",
    "is_good",
    "feedback",
    "user_feedback",
    "thumbs",
    "vote",
    "rating",
    "score",
    "reward",
)
"""Fields of a record that say whether its answer was liked (KTO): true or false, or 1 and -1."""
RATINGS = ("rating", "score", "reward", "stars", "quality", "csat")
"""Fields of a record with a number that says how good its answer is, where that is no yes or no."""
TURN_THUMBS = ("feedback", "thumbs", "vote", "liked")
"""Fields of a turn that say whether it was liked, where they hold such a word; they may hold a comment as well."""

_TRUE = frozenset(
    {
        "true",
        "t",
        "yes",
        "y",
        "on",
        "good",
        "up",
        "thumbs_up",
        "thumbs up",
        "like",
        "liked",
        "desirable",
        "chosen",
        "accepted",
        "positive",
        "upvote",
        "👍",
    }
)
_FALSE = frozenset(
    {
        "false",
        "f",
        "no",
        "n",
        "off",
        "bad",
        "down",
        "thumbs_down",
        "thumbs down",
        "dislike",
        "disliked",
        "undesirable",
        "rejected",
        "negative",
        "downvote",
        "👎",
    }
)


def truth(value: Any) -> float | None:
    """How true a mark is: 0 to 1 for true/false in any of the usual spellings and for numbers; None for no mark.

    Raises:
        ValueError: it is neither.
    """
    if value is None or value != value:
        return None
    if isinstance(value, bool | int | float | Decimal):
        return float(value)
    if isinstance(value, str):
        word = value.strip().lower()
        if word in ("", "none", "null", "nan"):
            return None
        if word in _TRUE or word in _FALSE:
            return float(word in _TRUE)
        return float(word)
    if isinstance(value, list) and value and all(isinstance(part, bool | int | float) for part in value):
        return float(any(value))  # a mask for each token, of somebody else's tokenizer
    raise ValueError("not a mark")


def learnt(turn: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether a turn is to be learnt as far as its marks say, and whether one of them is a weight between 0 and 1 or above.

    Raises:
        Unusable: a mark cannot be understood.
    """
    train, weighted = True, False
    for names, inverted in ((LEARN_MARKS, False), (SKIP_MARKS, True)):
        for name in names:
            if name not in turn:
                continue
            try:
                value = truth(turn[name])
            except ValueError:
                raise Unusable("unclear_mark", f"{name}: {printable(str(turn[name]))}") from None
            if value is not None:
                train = train and (value > 0) is not inverted
                weighted = weighted or value not in (0, 1)
    for name in TURN_THUMBS:
        said = turn.get(name)
        if said is False or said == -1 or (isinstance(said, str) and said.strip().lower() in _FALSE):
            train = False
    return train, weighted


def find_thumbs(rows: Sequence[Any]) -> str:
    """The field by which these records say whether their answer was liked; empty where none does.

    It holds true or false in every record that has it, so a class number is not one, and stands beside an answer.
    """
    for name in THUMBS:
        marks = [row[name] for row in rows if isinstance(row, Mapping) and name in row]
        if not marks:
            continue
        try:
            values = {truth(mark) for mark in marks}
        except ValueError:
            continue
        values.discard(None)
        if not values or (name in RATINGS and values == {0.0}):
            continue
        if (values <= {0.0, 1.0} or values == {-1.0, 1.0}) and len(marks) * 2 > len(rows):
            return name
    return ""


def find_rating(rows: Sequence[Any], thumbs: str) -> str:
    """The field in which these records say by a number how good their answer is, beside the one for thumbs; else empty."""
    for name in RATINGS:
        values = [row[name] for row in rows if isinstance(row, Mapping) and name in row]
        varied = len(set(map(str, values))) > 1
        if name != thumbs and varied and len(values) * 2 > len(rows) and all(map(_is_number, values)):
            return name
    return ""


def _is_number(value: Any) -> bool:
    try:
        return value is None or value == "" or bool(float(value) == float(value))
    except (TypeError, ValueError):
        return False


def refuse_disliked(row: Mapping[str, Any], thumbs: str) -> None:
    """Raises `Unusable` where the record's answer was disliked."""
    try:
        value = truth(row.get(thumbs))
    except ValueError:
        return
    if value is not None and value <= 0:
        raise Unusable("thumbs_down")
