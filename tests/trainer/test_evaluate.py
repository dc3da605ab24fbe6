"""How sure it is that the tuned model is better than the base model."""

from __future__ import annotations

import numpy as np

from brightrun_tui.trainer.compute.scores import Scores
from brightrun_tui.trainer.evaluation.evaluate import loss_difference


def scores(losses: np.ndarray) -> Scores:
    return Scores(losses, np.full(len(losses), 10.0), np.zeros(len(losses)))


def test_the_interval_of_the_difference_holds_the_truth_and_pairs_records() -> None:
    """Records differ far more among themselves than base from tuned does; in pairs the difference still shows."""
    generator = np.random.Generator(np.random.PCG64(1))
    base = generator.normal(30, 10, 200)
    interval = loss_difference(scores(base), scores(base - 1 + generator.normal(0, 0.5, 200)), np.arange(200), seed=1)
    assert interval["low"] < -0.1 < interval["high"] < 0
    assert interval["high"] - interval["low"] < 0.03
    same = loss_difference(scores(base), scores(base + generator.normal(0, 1, 200)), np.arange(200), seed=1)
    assert same["low"] < 0 < same["high"]


def test_many_answers_of_few_conversations_do_not_pass_for_certainty() -> None:
    """Where nothing was won, an interval that ignores who belongs together excludes zero far too often."""
    generator = np.random.Generator(np.random.PCG64(2))
    conversation = np.repeat(np.arange(12), 10)
    wrong = {"together": 0, "apart": 0}
    for seed in range(100):
        base = generator.normal(30, 3, 120)
        tuned = scores(base + generator.normal(0, 2, 12)[conversation] + generator.normal(0, 0.5, 120))
        for way, owners in (("together", conversation), ("apart", np.arange(120))):
            interval = loss_difference(scores(base), tuned, owners, seed=seed)
            wrong[way] += not interval["low"] <= 0 <= interval["high"]
    assert wrong["together"] <= 15 and wrong["apart"] > 40
