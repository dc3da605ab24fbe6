"""Sample answers: as long as the data's answers need, and never more at once than memory should hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brightrun_tui.domain.dataset import Message, Record
from brightrun_tui.trainer.base import load_tokenizer
from brightrun_tui.trainer.generate import BATCH, BATCH_TOKENS, Prompt, _batches, answer_limit, choose_prompts
from brightrun_tui.trainer.template import chat_template


def prompt(length: int, expected: int) -> Prompt:
    return Prompt(id="p", messages=(), reference="", ids=tuple(range(length)), expected=expected)


def test_a_long_answer_has_room_to_end_and_a_set_limit_is_kept() -> None:
    """Else a model that writes long letters, as it was taught, would be said never to end its turns."""
    letters = [prompt(20, 40), prompt(20, 180)]
    assert answer_limit(letters, 0) >= 1.5 * 180
    assert answer_limit([prompt(20, 2)], 0) >= 40, "the base model's sentence instead of a label should be legible"
    assert answer_limit([prompt(20, 50_000)], 0) <= 2048, "one record must not keep everybody waiting"
    assert answer_limit(letters, 12) == 12 and answer_limit([], 0) > 0


@pytest.mark.parametrize(("records", "count"), [(1, 8), (8, 8), (15, 8), (47, 24), (48, 24), (400, 24), (5, 0), (0, 8)])
def test_prompts_are_spread_over_all_that_is_held_out(base: Path, records: int, count: int) -> None:
    """A file sorted by its labels shows its last ones, too, and a record that does not fit makes room for another."""
    tokenizer = load_tokenizer(str(base), "")
    template = chat_template(tokenizer)
    held_out = [Record(id=str(i), messages=(Message(role="user", content="red"), Message(role="assistant", content="blue")))
                for i in range(records)]
    chosen = [int(p.id) for p in choose_prompts(tokenizer, template, held_out, count, 100)]
    assert len(chosen) == len(set(chosen)) == min(records, count)
    if chosen:
        gaps = np.diff([*chosen, records])
        assert chosen[0] == 0 and gaps.max() - gaps.min() <= 1
    if records > count:
        silent = held_out[0].model_copy(update={"messages": held_out[0].messages[:1]})
        assert len(choose_prompts(tokenizer, template, [silent, *held_out[1:]], count, 100)) == count


@settings(deadline=None, max_examples=60)
@given(lengths=st.lists(st.integers(1, 9_000), max_size=30), limit=st.integers(1, 1_024))
def test_every_prompt_is_answered_once_and_few_long_ones_at_a_time(lengths: list[int], limit: int) -> None:
    batches = list(_batches([range(length) for length in lengths], limit))
    assert sorted(index for members in batches for index in members) == list(range(len(lengths)))
    for members in batches:
        held = len(members) * (max(lengths[index] for index in members) + limit)
        assert len(members) <= BATCH and (len(members) == 1 or held <= BATCH_TOKENS)
