"""Which records make which optimiser step. A pure function of seed, lengths and step, so resuming needs no state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from brightrun_tui.domain.setting_groups import EvaluationSettings, TrainingSettings
from brightrun_tui.domain.sizing import steps_between

POOL_BATCHES = 20
"""Length bucketing sorts within pools of so many batches: order stays random beyond them."""


@dataclass
class BatchPlan:
    """The order of the data and the rhythm of a run.

    The examples form an endless stream, epoch after epoch, each a new permutation; step k takes the
    ``batch_size`` places from ``k * batch_size`` on, and only the very last step may be smaller.
    """

    lengths: np.ndarray
    batch_size: int
    total_steps: int
    samples: int
    seed: int
    bucketed: bool
    eval_every: int
    save_every: int
    _orders: dict[int, np.ndarray] = field(default_factory=dict, repr=False)

    def window(self, step: int) -> list[int]:
        """Return indices of the examples of step ``step`` (from 0)."""
        first = step * self.batch_size
        return [self._at(place) for place in range(first, min(first + self.batch_size, self.samples))]

    def epoch(self, steps: int) -> float:
        """Return epochs seen after ``steps`` steps."""
        return min(steps * self.batch_size, self.samples) / len(self.lengths)

    def _at(self, place: int) -> int:
        epoch, index = divmod(place, len(self.lengths))
        if epoch not in self._orders:
            self._orders = {key: order for key, order in self._orders.items() if key == epoch - 1}
            self._orders[epoch] = self._order(epoch)
        return int(self._orders[epoch][index])

    def _order(self, epoch: int) -> np.ndarray:
        generator = np.random.Generator(np.random.PCG64([self.seed, epoch]))
        order = generator.permutation(len(self.lengths))
        if not self.bucketed:
            return order
        pool = POOL_BATCHES * self.batch_size
        batches: list[np.ndarray] = []
        for start in range(0, len(order), pool):
            members = order[start : start + pool]
            members = members[np.argsort(-self.lengths[members], kind="stable")]
            pieces = [members[i : i + self.batch_size] for i in range(0, len(members), self.batch_size)]
            whole = len(members) // self.batch_size
            batches += [pieces[i] for i in generator.permutation(whole)] + pieces[whole:]
        return np.concatenate(batches)


def make_plan(
    lengths: np.ndarray,
    training: TrainingSettings,
    evaluation: EvaluationSettings,
    *,
    bucketed: bool,
    held_out: int = 0,
) -> BatchPlan:
    """Return the plan of a run; ``max_steps``, when given, replaces what the epochs would take.

    Args:
        held_out: tokens of the records that are measured on the way.
    """
    batch = training.batch_size
    samples = max(1, round(training.epochs * len(lengths)))
    if training.max_steps:
        samples = training.max_steps * batch
    total = math.ceil(samples / batch)
    eval_every = evaluation.eval_steps or steps_between(total, samples * float(lengths.mean()), held_out)
    return BatchPlan(
        lengths, batch, total, samples, training.seed, bucketed, eval_every, training.save_steps or eval_every
    )


def with_epochs(plan: BatchPlan, epochs: float, step: int) -> BatchPlan:
    """Return the same order and rhythm for so many epochs; after ``step`` steps there is at least one more."""
    samples = max(1, round(epochs * len(plan.lengths)))
    total = math.ceil(samples / plan.batch_size)
    if total <= step:
        samples, total = (step + 1) * plan.batch_size, step + 1
    return replace(plan, samples=samples, total_steps=total)


def split_window(
    window: Sequence[int],
    lengths: np.ndarray,
    *,
    max_tokens: int,
    max_records: int,
    packed: bool,
    row_parallel: int = 1,
) -> list[list[int]]:
    """Cut one optimiser step into micro-batches of at most ``max_tokens`` tokens and ``max_records`` records.

    Packed rows cost the sum of their lengths and are filled best-fit, longest first. Padded batches cost
    records times the longest, so records of similar length go together. A longer record stands alone.
    For ``row_parallel`` above 1 packed rows are cut evenly instead, into a multiple of so many where there are records enough.
    """
    by_length = sorted(window, key=lambda i: -int(lengths[i]))
    if packed and row_parallel > 1:
        return _even_rows(by_length, lengths, max_tokens, max_records, row_parallel)
    rows: list[list[int]] = []
    room: list[int] = []
    for index in by_length:
        length = int(lengths[index])
        if packed:
            fitting = [(room[r], r) for r in range(len(rows)) if room[r] >= length and len(rows[r]) < max_records]
            if fitting:
                _, best = min(fitting)
                rows[best].append(index)
                room[best] -= length
                continue
        elif rows and len(rows[-1]) < max_records and (len(rows[-1]) + 1) * int(lengths[rows[-1][0]]) <= max_tokens:
            rows[-1].append(index)
            continue
        rows.append([index])
        room.append(max_tokens - length)
    return rows


def _even_rows(
    by_length: list[int], lengths: np.ndarray, max_tokens: int, max_records: int, row_parallel: int
) -> list[list[int]]:
    """Lay the longest first, each record to the emptiest row; more rows until every one keeps the limits."""
    total = sum(int(lengths[i]) for i in by_length)
    count = row_parallel * math.ceil(total / (max_tokens * row_parallel))
    while count < len(by_length):
        rows: list[list[int]] = [[] for _ in range(count)]
        filled = [0] * count
        for index in by_length:
            emptiest = filled.index(min(filled))
            rows[emptiest].append(index)
            filled[emptiest] += int(lengths[index])
        if all(
            len(row) <= max_records and (tokens <= max_tokens or len(row) == 1)
            for row, tokens in zip(rows, filled, strict=True)
        ):
            return rows
        count += row_parallel
    return [[index] for index in by_length]
