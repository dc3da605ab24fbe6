"""Answers measured as texts."""

from __future__ import annotations

import random
import time

import pytest

from brightrun_tui.trainer.report.text_scores import token_f1, verbatim_overlap

LEARNT = "please send the lamp back within thirty days and we will refund the full price to your card"
OTHER = "we open the shop at nine every morning and close it again at six in the evening on weekdays"


@pytest.mark.parametrize(
    ("answer", "wanted", "score"),
    [
        ("Denver Broncos", "The Denver Broncos!", 1.0),
        ("the Broncos of Denver", "Denver Broncos", 0.8),
        ("Carolina", "Denver", 0.0),
        ("", "", 1.0),
        ("", "Denver", 0.0),
        ("yes yes yes", "yes", 0.5),
        ("“Denver” – Broncos…", "denver broncos", 1.0),
        ("东京是日本的首都。", "东京是日本的首都", 1.0),
        ("首都は東京", "東京", 4 / 7),
        ("ราคา ๕ บาท", "ราคา๕บาท", 1.0),
    ],
)
def test_token_f1_is_that_of_squad(answer: str, wanted: str, score: float) -> None:
    """Figures worked out by hand from the official scripts' formulas; scripts without spaces go by characters."""
    assert token_f1(answer, wanted) == pytest.approx(score)


def test_copied_phrases_are_found_and_what_was_given_is_not_held_against_anybody() -> None:
    """A training answer recited is found; the same words out of the prompt, or wanted by the data, are no copying."""
    recited = verbatim_overlap(
        ["How?"], [OTHER], {"base": ["I do not know"], "tuned": [f"Well, {LEARNT.upper()}."]}, [LEARNT]
    )
    assert recited["tuned"].share > 0.9 and recited["base"].phrases == 0 and recited["reference"].share == 0
    given = verbatim_overlap([f"Rewrite: {LEARNT}"], [OTHER], {"tuned": [LEARNT]}, [LEARNT])
    assert given["tuned"].phrases == 0
    wanted = verbatim_overlap(["How?"], [LEARNT], {"tuned": [LEARNT]}, [LEARNT])
    assert wanted["tuned"].phrases == 0 and wanted["reference"].share == 1.0
    chinese = "请在三十天内把灯寄回给我们，我们会把全部货款退到您的卡上。"
    assert verbatim_overlap(["?"], ["好"], {"tuned": [chinese]}, [chinese])["tuned"].share == 1.0


def test_a_large_dataset_is_read_in_a_moment() -> None:
    """50 MB of training answers cost about a second, not minutes of a rented machine."""
    rng = random.Random(1)
    words = [f"w{rng.randrange(5000)}" for _ in range(5000)]
    training = [" ".join(words[(start := rng.randrange(4000)) : start + 900]) for _ in range(10_000)]
    began = time.process_time()
    found = verbatim_overlap(["?"] * 24, [OTHER] * 24, {"base": [LEARNT] * 24, "tuned": training[:24]}, training)
    assert found["tuned"].share > 0.9 and found["base"].share == 0
    assert time.process_time() - began < 10
