"""The report card's words follow from its numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from brightrun_tui.trainer.evaluate import Scores, loss_difference
from brightrun_tui.trainer.verdict import AnswerFindings, Findings, judge

ANSWERS = AnswerFindings(count=24, fair=24, ended=1.0, limit=96, empty=0.0, length_base=90, length_tuned=31, length_wanted=30,
                         copied=0.3, usually_copied=0.25, phrases=400, exact={"base": 0.0, "tuned": 0.5},
                         f1={"base": 0.2, "tuned": 0.8})
CLEAR = Findings(base_loss=3.0, tuned_loss=2.0, difference_high=-0.8, held_out_records=50, conversations=50, train_loss=1.9,
                 general_base=2.0, general_tuned=2.0, early_stopped=False, stopped=False, stood_in=False, answers=ANSWERS)


@pytest.mark.parametrize(("change", "grade", "word"), [
    ({}, "good", "clearly better"),
    ({"tuned_loss": 3.1, "difference_high": 0.2}, "poor", "no better"),
    ({"difference_high": 0.1}, "mixed", "chance"),
    ({"tuned_loss": 2.97, "train_loss": 2.9}, "mixed", "too small to notice"),
    ({"held_out_records": 3, "conversations": 3}, "mixed", "3 held-out records are too few"),
    ({"conversations": 4}, "mixed", "4 held-out conversations are too few"),
    ({"stood_in": True}, "mixed", "has not seen"),
    ({"train_loss": 1.0}, "mixed", "memorised"),
    ({"general_tuned": 3.0}, "good", "forgot"),
    ({"early_stopped": True}, "good", "no longer fell"),
    ({"stopped": True}, "good", "stopped"),
    ({"worse": ("topic: returns", "tone: formal")}, "good", "worse than the base model on some records (topic: returns, tone"),
    ({"answers": None}, "good", "on 50 held-out records fell by 33%, from 3.000 to 2.000"),
])
def test_the_grade_and_its_reasons_follow_from_the_findings(change: dict[str, Any], grade: str, word: str) -> None:
    """Nobody is told "good" when it may be chance, too little or memorised; each doubt is named."""
    verdict = judge(replace(CLEAR, **change))
    assert verdict.grade == grade
    assert word in " ".join((verdict.summary, *verdict.reasons))


@pytest.mark.parametrize(("change", "grade", "word"), [
    ({}, "good", "exactly the wanted answer to 12 of 24 held-out questions, the base model to none"),
    ({}, "good", "all 24 sample answers end by themselves"),
    ({}, "good", "about as long as those in your data; the base model's are 3 times as long"),
    ({"exact": {"base": 0.0, "tuned": 0.0}}, "good", "80% of the words"),
    ({"exact": {"base": 0.0, "tuned": 0.04}, "f1": {"base": 0.1, "tuned": 0.4}}, "good", "read some before you rely on"),
    ({"ended": 0.25}, "mixed", "only 6 of 24 sample answers end by themselves; the others were cut off at 96 tokens"),
    ({"ended": 0.5}, "mixed", "only 12 of 24 sample answers end"),
    ({"ended": 0.875}, "good", "21 of 24 sample answers end"),
    ({"ended": 0.0, "fair": 0, "length_wanted": 200}, "good", "24 of the wanted answers are longer than the 96 tokens"),
    ({"empty": 1.0}, "mixed", "24 of 24 sample answers are empty"),
    ({"f1": {"base": 0.9, "tuned": 0.8}}, "mixed", "further from the wanted ones than before"),
    ({"copied": 0.8}, "mixed", "80% of what it writes stands word for word in the training answers (25%"),
    ({"length_tuned": 90}, "good", "its answers are 3 times as long as those in your data"),
    ({"length_tuned": 3}, "good", "its answers are 10 times shorter than those in your data"),
])
def test_the_answers_count_as_much_as_the_loss(change: dict[str, Any], grade: str, word: str) -> None:
    """Endless, empty, worse or copied answers spoil a good loss; right ones, and of the right length, are praised."""
    verdict = judge(replace(CLEAR, answers=replace(ANSWERS, **change)))
    assert verdict.grade == grade
    assert word in " ".join(verdict.reasons)


def test_a_few_phrases_accuse_nobody() -> None:
    """Eight words of boilerplate in three short answers are no memorising."""
    few = replace(ANSWERS, copied=1.0, phrases=20)
    assert judge(replace(CLEAR, answers=few)).grade == "good"


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
