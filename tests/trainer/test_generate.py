"""Sample answers: as long as the data's answers need, and never more at once than memory should hold."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from brightrun_tui.trainer.generate import BATCH, BATCH_TOKENS, Prompt, _batches, answer_limit


def prompt(length: int, expected: int) -> Prompt:
    return Prompt(id="p", messages=(), reference="", ids=tuple(range(length)), expected=expected)


def test_a_long_answer_has_room_to_end_and_a_set_limit_is_kept() -> None:
    """Else a model that writes long letters, as it was taught, would be said never to end its turns."""
    letters = [prompt(20, 40), prompt(20, 180)]
    assert answer_limit(letters, 0) >= 1.5 * 180
    assert answer_limit([prompt(20, 2)], 0) >= 40, "the base model's sentence instead of a label should be legible"
    assert answer_limit([prompt(20, 50_000)], 0) <= 2048, "one record must not keep everybody waiting"
    assert answer_limit(letters, 12) == 12 and answer_limit([], 0) > 0


@settings(deadline=None, max_examples=60)
@given(lengths=st.lists(st.integers(1, 9_000), max_size=30), limit=st.integers(1, 1_024))
def test_every_prompt_is_answered_once_and_few_long_ones_at_a_time(lengths: list[int], limit: int) -> None:
    prompts = [prompt(length, 1) for length in lengths]
    batches = list(_batches(prompts, limit))
    assert sorted(index for members in batches for index in members) == list(range(len(prompts)))
    for members in batches:
        held = len(members) * (max(lengths[index] for index in members) + limit)
        assert len(members) <= BATCH and (len(members) == 1 or held <= BATCH_TOKENS)
