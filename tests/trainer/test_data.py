"""What becomes of the records: over-long ones are cut so that nothing is lost, and tokens are made once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brightrun_tui.domain.dataset import Message, Record
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.domain.setting_groups import DataSettings
from brightrun_tui.trainer.data import prepare
from brightrun_tui.trainer.data.examples import Data, Example, tokenise
from brightrun_tui.trainer.data.splitting import split_long
from brightrun_tui.trainer.data.template import ChatTemplate, chat_template
from brightrun_tui.trainer.data.tokens import VERSION
from brightrun_tui.trainer.model.base_model import load_tokenizer
from brightrun_tui.trainer.objectives import sft

from .conftest import THOUGHTFUL, WORDS, build_base, make_records, write_run

sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=30).map(" ".join)
exchanges = st.lists(st.tuples(sentences, sentences), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def words(base: Path) -> tuple[Any, ChatTemplate]:
    tokenizer = load_tokenizer(str(base), "")
    return tokenizer, chat_template(tokenizer)


def record_of(turns: list[tuple[str, str]], system: str) -> Record:
    messages = [Message(role="system", content=system)] if system else []
    for asked, answered in turns:
        messages += [Message(role="user", content=asked), Message(role="assistant", content=answered)]
    return Record(id="r", messages=tuple(messages), line=1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(turns=exchanges, system=st.one_of(st.just(""), sentences), limit=st.integers(24, 300))
def test_splitting_loses_no_answer_and_trains_none_twice(
    words: tuple[Any, ChatTemplate], turns: list[tuple[str, str]], system: str, limit: int
) -> None:
    """Every piece fits; the tokens that are trained are those of the whole, but for the first of a piece cut in an answer."""
    tokenizer, template = words
    record = record_of(turns, system)
    whole = tokenise(tokenizer, template, [record])
    wanted = Counter(whole.examples[0].ids[whole.examples[0].supervised].tolist())
    was_long = whole.examples[0].length > limit
    split_long(whole, [record], limit, lambda records: tokenise(tokenizer, template, records))
    assert whole.split == was_long and all(example.length <= limit for example in whole.examples)
    found: Counter[int] = Counter()
    for example in whole.examples:
        assert example.record == 0 and example.targets and not example.supervised[0]
        found.update(example.ids[example.supervised].tolist())
    assert not found - wanted
    assert (wanted - found).total() <= len(whole.examples)


def test_pieces_begin_with_the_system_message_and_a_question(words: tuple[Any, ChatTemplate]) -> None:
    """A piece reads like a conversation of its own."""
    tokenizer, template = words
    record = record_of([("red cat", "blue dog")] * 20, "a simple worker")
    prepared = tokenise(tokenizer, template, [record])
    split_long(prepared, [record], 64, lambda records: tokenise(tokenizer, template, records))
    texts = [tokenizer.decode(example.ids) for example in prepared.examples]
    assert len(texts) > 3 and sum(text.count("blue dog") for text in texts) == 20
    assert all(
        text.startswith("<|im_start|>system\na simple worker<|im_end|>\n<|im_start|>user\nred cat") for text in texts
    )


def data_of(run: Path, base: Path, repeats: int = 1) -> tuple[Data, list[tuple[str, str]]]:
    tokenizer = load_tokenizer(str(base), "")
    alerts: list[tuple[str, str]] = []
    return prepare.prepare_data(
        RunDirectory(run),
        DataSettings(correction_repeats=repeats),
        tokenizer,
        chat_template(tokenizer),
        512,
        10**9,
        lambda *alert: alerts.append(alert),
        sft.SupervisedFineTuning().examples,
    ), alerts


def same(one: list[Example], other: list[Example]) -> bool:
    return len(one) == len(other) and all(
        a.record == b.record
        and np.array_equal(a.ids, b.ids)
        and np.array_equal(a.supervised, b.supervised)
        and np.array_equal(a.measured.supervised, b.measured.supervised)
        for a, b in zip(one, other, strict=True)
    )


def test_held_out_records_choose_or_judge_where_there_are_enough_and_do_both_where_not(
    words: tuple[Any, ChatTemplate],
) -> None:
    """Halves, of which neither knows the other's conversations; with fewer than ten for each all of them do both."""
    records = [record.model_copy(update={"group": f"g{n // 2}"}) for n, record in enumerate(make_records(44, seed=3))]
    examples = tokenise(*words, records).examples
    chosen, judged, judging = prepare.part_held_out_examples(examples, records, seed=13)
    groups = [{records[example.record].group for example in side} for side in (chosen, judged)]
    assert not groups[0] & groups[1] and len(groups[0] | groups[1]) == 22
    assert min(map(len, groups)) >= 5 and {record.group for record in judging} == groups[1]
    few = examples[:18]
    assert prepare.part_held_out_examples(few, records, seed=13) == (few, few, records)


def test_a_corrected_answer_is_shown_as_often_as_was_asked_for_and_counts_as_one_record(
    base: Path, tmp_path: Path
) -> None:
    corrected = make_records(1)[0].model_copy(update={"id": "brightrun-correction-7"})
    run = write_run(tmp_path / "run", base, train=[*make_records(20), corrected])
    data, _ = data_of(run, base, repeats=4)
    shown = Counter(example.record for example in data.train)
    assert shown == {**dict.fromkeys(range(20), 1), 20: 4} and len(data.train_records) == 21


def test_tokens_are_made_once_and_again_when_anything_they_depend_on_is_different(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same data and complaints from the file as from the records; a stale or damaged file is not believed."""
    silent = Record(id="silent", messages=(Message(role="user", content="red"),), line=99)
    run = write_run(tmp_path / "run", base, train=[*make_records(20), silent])
    made: list[int] = []

    def counted(*given: Any) -> Any:
        made.append(1)
        return tokenise(*given)

    monkeypatch.setattr(sft, "tokenise", counted)
    first, alerts = data_of(run, base)
    again, alerts_again = data_of(run, base)
    assert len(made) == 2 and alerts == alerts_again and "silent" in alerts[0][1]
    assert same(first.train, again.train) and same(first.held_out, again.held_out) and first.stop_ids == again.stop_ids

    file = run / "data" / "tokens.safetensors"
    file.write_bytes(file.read_bytes()[:-20])
    data_of(run, base)
    assert len(made) == 4
    other = build_base(tmp_path / "other", chat_template=chat_template(load_tokenizer(str(base), "")).source + " ")
    data_of(run, other)
    assert len(made) == 6
    write_run(run, base, train=make_records(21))
    data_of(run, base)
    assert len(made) == 8
    data_of(run, base)
    assert len(made) == 8 and VERSION

    thoughtful = build_base(tmp_path / "thoughtful", chat_template=THOUGHTFUL)
    (first, _), (again, _) = data_of(run, thoughtful), data_of(run, thoughtful)
    assert len(made) == 10 and same(first.train, again.train)
    assert all(example.measured.targets < example.targets for example in again.train)
