"""Sample answers: as long as the data's answers need, and never more at once than memory should hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from brightrun_tui.domain.dataset import Message, Record
from brightrun_tui.domain.setting_groups import LoraSettings
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.domain.sizing import ANSWERS_AT_ONCE, answer_room
from brightrun_tui.planning.probes import Probe
from brightrun_tui.trainer.compute.forward import Forward
from brightrun_tui.trainer.data.template import chat_template
from brightrun_tui.trainer.evaluation.answer_time import AnswerTime
from brightrun_tui.trainer.evaluation.generate import (
    BATCH_TOKENS,
    HeldOutPrompt,
    _batches,
    _Limits,
    _read,
    answer,
    choose_prompts,
)
from brightrun_tui.trainer.model.adapter import attach_adapter
from brightrun_tui.trainer.model.base_model import load_tokenizer
from brightrun_tui.trainer.model.loading import choose_machine, load_base
from brightrun_tui.trainer.probe import measure
from brightrun_tui.trainer.runtime.control import Control


def prompt(length: int, expected: int) -> HeldOutPrompt:
    return HeldOutPrompt(id="p", messages=(), reference="", ids=tuple(range(length)), expected=expected)


def test_a_long_answer_has_room_to_end_and_a_set_limit_is_kept() -> None:
    """Else a model that writes long letters, as it was taught, would be said never to end its turns."""
    assert answer_room(180, 0) >= 1.5 * 180
    assert answer_room(2, 0) >= 40, "the base model's sentence instead of a label should be legible"
    assert answer_room(50_000, 0) <= 2048, "one record must not keep everybody waiting"
    assert answer_room(180, 12) == 12


def test_each_answer_ends_at_its_own_length_and_all_of_them_when_time_is_up(base: Path, tmp_path: Path) -> None:
    """What time allowed is kept and known to be cut; what it did not allow to begin is not an answer at all."""
    quantisation = RunSettings().with_overrides({"quantisation.method": "none"}).quantisation
    machine = choose_machine(quantisation)
    model = attach_adapter(load_base(str(base), "", quantisation, machine), LoraSettings(r=4), machine, seed=1)
    forward, tokenizer, control = Forward(model, machine), load_tokenizer(str(base), ""), Control(tmp_path)
    model.get_base_model().set_attn_implementation("sdpa")
    asked = [prompt(20, 100), prompt(30, 10), prompt(300, 100)]
    free = answer(forward, tokenizer, asked, 0, (), control=control)
    assert [said and (said.tokens, said.limit, said.cut) for said in free] == [
        (answer_room(p.expected, 0),) * 2 + (False,) for p in asked
    ]
    assert answer(forward, tokenizer, asked, 0, (), control=control, until=-1.0) == [None] * 3
    (tmp_path / "pause").touch()  # leaves off at the next token, as the end of the time does
    assert answer(forward, tokenizer, asked, 0, (), control=control) == [None] * 3
    over = _Limits(lambda: False, 20, [64, 200], -1.0, lambda tokens, limit: None)
    assert over(torch.zeros((2, 23), dtype=torch.long), torch.empty(0)).tolist() == [True, True]
    assert _read(tokenizer, asked[0], [5, 6, 7], 200, {2}).cut and not _read(tokenizer, asked[0], [5, 2], 200, {2}).cut


def test_answers_take_a_share_of_the_training_time_and_each_its_part_of_it() -> None:
    time = AnswerTime(per_token=0.5)
    assert time.for_the_base(100) + time.on_the_way(100, 1.0) < 60 and time.for_the_report(100) == 60
    assert time.on_the_way(40, 1.0) == 4 and time.on_the_way(0, 1.0) == 3, "a short run is hardly held up on its way"
    assert time.on_the_way(1000, 0.5) == 20
    time.spent = 50
    assert time.for_the_report(100) == time.for_the_base(100), "the tuned model gets as much as the base had"
    assert time.for_the_report(10_000) > 1500
    assert time.affordable([prompt(9, 10), prompt(9, 40), prompt(9, 10)], 10) == [prompt(9, 10)]
    assert len(time.affordable([prompt(9, 10)] * 30, 10)) == ANSWERS_AT_ONCE


@pytest.mark.parametrize(("records", "count"), [(1, 8), (8, 8), (15, 8), (47, 24), (48, 24), (400, 24), (5, 0), (0, 8)])
def test_prompts_are_spread_over_all_that_is_held_out(base: Path, records: int, count: int) -> None:
    """A file sorted by its labels shows its last ones, too, and a record that does not fit makes room for another."""
    tokenizer = load_tokenizer(str(base), "")
    template = chat_template(tokenizer)
    held_out = [
        Record(id=str(i), messages=(Message(role="user", content=f"{i}"), Message(role="assistant", content="blue")))
        for i in range(records)
    ]
    chosen = [int(p.id) for p in choose_prompts(tokenizer, template, held_out, count, 100)]
    assert len(chosen) == len(set(chosen)) == min(records, count)
    if chosen:
        gaps = np.diff([*chosen, records])
        assert chosen[0] == 0 and gaps.max() - gaps.min() <= 1
    if records > count:
        silent = held_out[0].model_copy(update={"messages": held_out[0].messages[:1]})
        assert len(choose_prompts(tokenizer, template, [silent, *held_out[1:]], count, 100)) == count
    twice = choose_prompts(tokenizer, template, [*held_out, *held_out], 2 * len(held_out), 100)
    assert len(twice) == len(held_out), "what stands twice is asked and counted once"


@settings(deadline=None, max_examples=60)
@given(prompts=st.lists(st.tuples(st.integers(1, 9_000), st.integers(1, 1_024)), max_size=60))
def test_every_prompt_is_answered_once_and_few_long_ones_at_a_time(prompts: list[tuple[int, int]]) -> None:
    lengths, limits = [length for length, _ in prompts], [limit for _, limit in prompts]
    batches = list(_batches(lengths, limits))
    assert sorted(index for members in batches for index in members) == list(range(len(prompts)))
    for members in batches:
        held = len(members) * max(lengths[index] + limits[index] for index in members)
        assert len(members) <= ANSWERS_AT_ONCE and (len(members) == 1 or held <= BATCH_TOKENS)


def test_a_probe_does_a_little_of_everything_with_the_base_itself(base: Path) -> None:
    took = measure(str(base), "none")
    found = Probe.model_validate(took)
    assert set(took) == {"training", "measuring", "answering", "others"} and found.training[0] > found.training[1]
