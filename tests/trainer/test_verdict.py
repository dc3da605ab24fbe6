"""The report card's words follow from its numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from brightrun_tui.trainer.evaluate import Scores, loss_difference
from brightrun_tui.trainer.verdict import Findings, judge

CLEAR = Findings(base_loss=3.0, tuned_loss=2.0, difference_high=-0.8, held_out_records=50, train_loss=1.9, answers=3,
                 tuned_ended=1.0, tuned_empty=0.0, general_base=2.0, general_tuned=2.0, early_stopped=False, stopped=False,
                 stood_in=False)


@pytest.mark.parametrize(("change", "grade", "word"), [
    ({}, "good", "clearly better"),
    ({"tuned_loss": 3.1, "difference_high": 0.2}, "poor", "no better"),
    ({"difference_high": 0.1}, "mixed", "chance"),
    ({"tuned_loss": 2.97, "train_loss": 2.9}, "mixed", "too small to notice"),
    ({"held_out_records": 3}, "mixed", "too few"),
    ({"stood_in": True}, "mixed", "has not seen"),
    ({"tuned_ended": 0.3}, "mixed", "33%|30%"),
    ({"tuned_empty": 1.0}, "mixed", "empty"),
    ({"train_loss": 1.0}, "mixed", "memorised"),
    ({"general_tuned": 3.0}, "good", "forgot"),
    ({"early_stopped": True}, "good", "no longer fell"),
    ({"stopped": True}, "good", "stopped"),
])
def test_the_grade_and_its_reasons_follow_from_the_findings(change: dict[str, Any], grade: str, word: str) -> None:
    """Nobody is told "good" when it may be chance, too little, memorised, endless or empty; each doubt is named."""
    verdict = judge(replace(CLEAR, **change))
    told = " ".join((verdict.summary, *verdict.reasons))
    assert verdict.grade == grade
    assert any(each in told for each in word.split("|"))


def scores(losses: np.ndarray) -> Scores:
    return Scores(losses, np.full(len(losses), 10.0), np.zeros(len(losses)))


def test_the_interval_of_the_difference_holds_the_truth_and_pairs_records() -> None:
    """Records differ far more among themselves than base from tuned does; in pairs the difference still shows."""
    generator = np.random.Generator(np.random.PCG64(1))
    base = generator.normal(30, 10, 200)
    interval = loss_difference(scores(base), scores(base - 1 + generator.normal(0, 0.5, 200)), seed=1)
    assert interval["low"] < -0.1 < interval["high"] < 0
    assert interval["high"] - interval["low"] < 0.03
    same = loss_difference(scores(base), scores(base + generator.normal(0, 1, 200)), seed=1)
    assert same["low"] < 0 < same["high"]
