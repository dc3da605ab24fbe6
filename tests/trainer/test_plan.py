"""Every record is seen as often as the epochs say, in an order that any step can find again by itself."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from brightrun_tui.domain.setting_groups import EvaluationSettings, TrainingSettings
from brightrun_tui.trainer.compute.optim import learning_rate
from brightrun_tui.trainer.data.plan import BatchPlan, make_plan, split_window

lengths_of = st.lists(st.integers(2, 300), min_size=1, max_size=60).map(np.array)


def plan_of(lengths: np.ndarray, bucketed: bool = False, **training: object) -> BatchPlan:
    return make_plan(lengths, TrainingSettings.model_validate(training), EvaluationSettings(), bucketed=bucketed)


@given(lengths=lengths_of, batch=st.integers(1, 20), epochs=st.integers(1, 3), bucketed=st.booleans())
def test_every_record_is_seen_once_an_epoch(lengths: np.ndarray, batch: int, epochs: int, bucketed: bool) -> None:
    plan = plan_of(lengths, bucketed, batch_size=batch, epochs=epochs)
    windows = [plan.window(step) for step in range(plan.total_steps)]
    assert Counter(i for window in windows for i in window) == dict.fromkeys(range(len(lengths)), epochs)
    assert all(len(window) == batch for window in windows[:-1])
    assert plan.epoch(plan.total_steps) == epochs


@given(lengths=lengths_of, batch=st.integers(1, 20), bucketed=st.booleans(), data=st.data())
def test_a_step_is_the_same_whether_one_came_to_it_or_began_there(
    lengths: np.ndarray, batch: int, bucketed: bool, data: st.DataObject
) -> None:
    """Resuming needs the step number only."""
    walked, jumped = (plan_of(lengths, bucketed, batch_size=batch, epochs=3) for _ in range(2))
    step = data.draw(st.integers(0, walked.total_steps - 1))
    for earlier in range(step):
        walked.window(earlier)
    assert walked.window(step) == jumped.window(step)


@given(lengths=lengths_of, max_tokens=st.integers(1, 2000), max_records=st.integers(1, 60), packed=st.booleans())
def test_micro_batches_hold_every_record_once_and_keep_their_limits(
    lengths: np.ndarray, max_tokens: int, max_records: int, packed: bool
) -> None:
    rows = split_window(range(len(lengths)), lengths, max_tokens=max_tokens, max_records=max_records, packed=packed)
    assert sorted(i for row in rows for i in row) == list(range(len(lengths)))
    for row in rows:
        cost = lengths[row].sum() if packed else lengths[row].max() * len(row)
        assert len(row) <= max_records and (cost <= max_tokens or len(row) == 1)


@given(lengths=lengths_of, max_tokens=st.integers(1, 2000), max_records=st.integers(1, 60), lanes=st.integers(2, 5))
def test_rows_for_several_lanes_keep_them_all_busy(
    lengths: np.ndarray, max_tokens: int, max_records: int, lanes: int
) -> None:
    """Every record once, the limits kept, a multiple of the lanes, and no row longer than another by more than a record."""
    rows = split_window(
        range(len(lengths)), lengths, max_tokens=max_tokens, max_records=max_records, packed=True, row_parallel=lanes
    )
    assert sorted(i for row in rows for i in row) == list(range(len(lengths)))
    filled = [int(lengths[row].sum()) for row in rows]
    assert all(
        len(row) <= max_records and (tokens <= max_tokens or len(row) == 1)
        for row, tokens in zip(rows, filled, strict=True)
    )
    assert len(rows) % lanes == 0 or len(rows) == len(lengths)
    assert max(filled) - min(filled) <= lengths.max()


def test_bucketing_leaves_little_padding() -> None:
    """Records of one step are of similar length when they cannot be packed."""
    lengths = np.random.Generator(np.random.PCG64(0)).integers(10, 1000, 500)

    def padding(plan: BatchPlan) -> float:
        windows = [lengths[plan.window(step)] for step in range(plan.total_steps)]
        return float(1 - sum(w.sum() for w in windows) / sum(w.max() * len(w) for w in windows))

    bucketed, shuffled = (plan_of(lengths, yes, batch_size=16, epochs=1) for yes in (True, False))
    assert padding(bucketed) < 0.1 < padding(shuffled)


@given(total=st.integers(1, 500), warmup=st.floats(0, 0.9), schedule=st.sampled_from(["cosine", "linear", "constant"]))
def test_the_learning_rate_rises_then_falls_and_is_never_wasted(total: int, warmup: float, schedule: str) -> None:
    """No step has a rate of zero, none exceeds the setting."""
    settings = TrainingSettings.model_validate({"warmup_ratio": warmup, "lr_scheduler_type": schedule})
    rates = [learning_rate(step, total, settings) for step in range(total)]
    top = rates.index(max(rates))
    assert all(0 < rate <= settings.learning_rate for rate in rates)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_max_steps_replaces_the_epochs() -> None:
    assert plan_of(np.full(10, 5), batch_size=4, max_steps=7).total_steps == 7
