"""Held-out loss, record by record, so that base and tuned model can be compared in pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from brightrun_tui.domain.dataset import Record
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.measures import FEWEST_OF_CATEGORY, Bounds, CategoryLosses
from brightrun_tui.trainer.compute.forward import Forward
from brightrun_tui.trainer.compute.row_parallel import RowParallel
from brightrun_tui.trainer.compute.scores import Scores
from brightrun_tui.trainer.data.examples import Example
from brightrun_tui.trainer.data.plan import split_window
from brightrun_tui.trainer.objectives.base import Objective
from brightrun_tui.trainer.runtime.failures import TrainingError, is_out_of_memory

WORSE = 1.02
"""Times the base model's loss from which on, with so many records, a category is worth a word."""
RESAMPLES = 2000
"""Of the bootstrap; its interval then varies by about 1 % from seed to seed."""


def evaluate(
    forward: Forward,
    examples: Sequence[Example],
    max_tokens: int,
    between: Callable[[], None],
    row_parallel: RowParallel,
    make_room: Callable[[int], int] | None = None,
    objective: Objective | None = None,
    scored: Callable[[int], None] = lambda count: None,
) -> Scores:
    """Score every example with the model as it is, in evaluation mode; what templates write by themselves does not count.

    Args:
        between: called between micro-batches; may raise to leave.
        make_room: called when memory ran out, with the tokens of the longest example; returns how many tokens the
            micro-batches of what is left may have, or raises.
        objective: supervised fine-tuning if it is not said.
        scored: called between micro-batches with the number of examples that have their score.
    """
    examples = [example.measured for example in examples]
    lengths = np.array([e.length for e in examples])
    losses, tokens, right = (np.zeros(len(examples)) for _ in range(3))

    def score(row: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        batch = forward.batch([examples[i] for i in row])
        return batch.owners, *(objective.scores(forward, batch) if objective else forward.scores(batch))

    was_training = forward.model.training
    forward.set_training(False)
    try:
        while left := np.flatnonzero(tokens == 0).tolist():
            rows = split_window(
                left,
                lengths,
                max_tokens=max_tokens,
                max_records=1 if forward.one_record_a_batch else len(examples),
                packed=forward.packed,
            )
            try:
                for row, (owners, batch_losses, batch_right) in zip(rows, row_parallel.map(score, rows), strict=True):
                    where = np.array(row)
                    losses[where] = np.bincount(owners, weights=batch_losses, minlength=len(row))
                    right[where] = np.bincount(owners, weights=batch_right, minlength=len(row))
                    tokens[where] = np.bincount(owners, minlength=len(row))
                    between()
                    scored(int(np.count_nonzero(tokens)))
                break
            except (RuntimeError, MemoryError) as error:
                if make_room is None or not is_out_of_memory(error):
                    raise
            max_tokens = make_room(int(lengths.max()))
    finally:
        forward.set_training(was_training)
    return Scores(losses, tokens, right)


def require_finite(scores: Scores, what: str) -> Scores:
    """Return the scores. Raises `TrainingError` where a loss is not a number: float16 is too narrow for this model or
    its data.
    """
    if not math.isfinite(scores.loss):
        raise TrainingError(
            f"{what} is not a finite number",
            where="quantisation.compute_dtype",
            kind=ErrorKind.NOT_FINITE,
            fix="compute in float32, or leave out the records that are unlike all others",
            suggestion={"quantisation.compute_dtype": "float32"},
        )
    return scores


def by_category(examples: Sequence[Example], records: Sequence[Record], base: Scores, tuned: Scores) -> CategoryLosses:
    """Return both models on the examples of each value of each category."""
    table: dict[str, dict[str, list[int]]] = {}
    for index, example in enumerate(examples):
        for category, value in records[example.record].categories.items():
            table.setdefault(category, {}).setdefault(value, []).append(index)
    return {
        category: {
            value: {
                "base": float(base.losses[members].sum() / base.tokens[members].sum()),
                "tuned": float(tuned.losses[members].sum() / tuned.tokens[members].sum()),
                "records": len({examples[i].record for i in members}),
                "tokens": int(base.tokens[members].sum()),
            }
            for value, members in sorted(values.items())
        }
        for category, values in sorted(table.items())
    }


def worse_categories(categories: CategoryLosses) -> tuple[str, ...]:
    """Return values of `by_category` with enough records on which the tuned model's loss is noticeably the higher one."""
    return tuple(
        f"{category}: {value}"
        for category, values in categories.items()
        for value, score in values.items()
        if score["records"] >= FEWEST_OF_CATEGORY and score["tuned"] > WORSE * score["base"]
    )


def conversations(examples: Sequence[Example], records: Sequence[Record]) -> np.ndarray:
    """Return for every example the number (from 0) of the conversation it belongs to: what is alike beyond chance."""
    numbers: dict[tuple[bool, str], int] = {}
    owners = (records[example.record] for example in examples)
    return np.array([numbers.setdefault((bool(r.group), r.group or r.id), len(numbers)) for r in owners])


def loss_difference(base: Scores, tuned: Scores, conversation: np.ndarray, seed: int) -> Bounds:
    """Return tuned minus base loss (nats a token) with its 95 % interval, by a bootstrap over pairs of scores.

    Whole conversations are drawn (`conversations`), because examples of one and the same rise and fall together.
    """
    low, high = _interval(tuned.losses - base.losses, base.tokens, conversation, seed)
    return {"mean": tuned.loss - base.loss, "low": low, "high": high, "confidence": 0.95}


def loss_interval(scores: Scores, conversation: np.ndarray, seed: int) -> Bounds:
    """Return the bounds within which the loss (nats a token) would fall on other records of this kind, found as in
    `loss_difference`.
    """
    low, high = _interval(scores.losses, scores.tokens, conversation, seed)
    return {"low": low, "high": high, "confidence": 0.95}


def _interval(sums: np.ndarray, tokens: np.ndarray, conversation: np.ndarray, seed: int) -> tuple[float, float]:
    """Return the middle 95 % of the mean a token, over draws of whole conversations."""
    generator = np.random.Generator(np.random.PCG64(seed))
    sums, tokens = (np.bincount(conversation, weights=each) for each in (sums, tokens))
    draws = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        drawn = generator.integers(0, len(tokens), len(tokens))
        draws[i] = sums[drawn].sum() / tokens[drawn].sum()
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)
