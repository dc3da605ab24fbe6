"""What is measured of base and tuned model besides the loss, as report cards and evaluations keep it: names and shapes.

Shares go from 0 to 1, chrF to 100, losses are in nats a supervised token, lengths in tokens. What a card has no value for is not
among its keys. A card that comes from elsewhere may hold anything under these names: what is shown is looked at first.
"""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from pydantic import GetPydanticSchema

FEWEST_OF_CATEGORY = 5
"""Records with one value of a category, from which on their loss is worth a word."""


class Pair(TypedDict, total=False):
    """One measure of both models. ``reference``: of the wanted answers; ``floor``: of the best constant answer; ``phrases``: how
    many were looked for; ``limit``: tokens that an answer might have.
    """

    base: float
    tuned: float
    reference: float
    floor: float
    phrases: int
    limit: int


class Bounds(TypedDict, total=False):
    """A mean and between what it would fall on other records of this kind, with this confidence."""

    mean: float
    low: float
    high: float
    confidence: float


class Measures(TypedDict, total=False):
    """By name. An objective's own metrics are pairs, too, under names that only it knows."""

    train_loss: float
    train_eval_gap: float
    token_accuracy: Pair
    loss_difference: Bounds
    loss_interval: Bounds
    general_loss: Pair
    answers: int
    answers_left_out: int
    scored_answers: int
    ended: Pair
    cut_off: Pair
    answer_tokens: Pair
    verbatim: Pair
    content: Pair
    exact_match: Pair
    token_f1: Pair
    chrf: Pair


class CategoryLoss(TypedDict, total=False):
    """Losses of both models on the records of one value of a category, and how many ``records`` and supervised ``tokens`` these
    were.
    """

    base: float
    tuned: float
    records: float
    tokens: float


CategoryLosses = dict[str, dict[str, CategoryLoss]]
"""By category, then by value."""

StoredMeasures = Annotated[Measures, GetPydanticSchema(lambda _source, handler: handler(dict[str, Any]))]
StoredCategoryLosses = Annotated[
    CategoryLosses, GetPydanticSchema(lambda _source, handler: handler(dict[str, dict[str, dict[str, float]]]))
]
"""As fields of a model: read and written as they are, whatever names there are."""
