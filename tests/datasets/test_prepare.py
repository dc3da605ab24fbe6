"""The data directory of a run: canonical, complete, whole or not there at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brightrun_tui import datasets
from brightrun_tui.datasets import preparing
from brightrun_tui.datasets.splitting import plan_split
from brightrun_tui.domain.dataset import Message, Record
from brightrun_tui.domain.errors import BrightrunError, DatasetError
from brightrun_tui.domain.setting_groups import DataSettings
from tests.datasets.conftest import Write, chat, lines, pairs

SETTINGS = DataSettings()


def test_prepare_writes_every_usable_record_once(write: Write, tmp_path: Path) -> None:
    """Train and eval together are the usable records of the file; counts and fingerprints are those of the files."""
    path = write("faq.jsonl", lines(*pairs(50), {"prompt": "?", "completion": ""}))
    prepared = datasets.prepare(path, tmp_path / "run" / "data", SETTINGS)
    train, held = (
        list(datasets.read_prepared(tmp_path / "run" / "data" / name)) for name in ("train.jsonl", "eval.jsonl")
    )
    assert (len(train), len(held)) == (prepared.train_records, prepared.eval_records) == (45, 5)
    assert sorted(train + held, key=lambda r: r.line) == list(datasets.read(path))
    assert prepared.source_fingerprint == datasets.check(path).fingerprint == datasets.fingerprint(path)
    assert prepared.eval_fingerprint == datasets.fingerprint(tmp_path / "run" / "data" / "eval.jsonl")
    assert sorted(p.name for p in (tmp_path / "run" / "data").iterdir()) == ["eval.jsonl", "train.jsonl"]


def test_preparing_again_gives_the_same_bytes(write: Write, tmp_path: Path) -> None:
    """Same file, same settings: same fingerprints, also when a directory is written over."""
    path = write("faq.jsonl", lines(*pairs(50)))
    first = datasets.prepare(path, tmp_path / "a", SETTINGS)
    assert datasets.prepare(path, tmp_path / "a", SETTINGS) == first
    other = datasets.prepare(path, tmp_path / "b", SETTINGS)
    assert (other.train_fingerprint, other.eval_fingerprint) == (first.train_fingerprint, first.eval_fingerprint)


TALK = [f"{kind} {i}" for i in range(20) for kind in ("question", "answer")]
ONE_CONVERSATION = {
    "by its id": [{**row, "conversation_id": "c"} for row in pairs(20)],
    "turn by turn": [chat(*TALK[:end]) for end in range(2, 41, 2)],
}


@pytest.mark.parametrize("rows", ONE_CONVERSATION.values(), ids=ONE_CONVERSATION)
def test_one_conversation_is_split_with_a_warning_before_the_start(
    write: Write, tmp_path: Path, rows: list[Any]
) -> None:
    """If all records are one conversation, there is still a held-out part, and the check says what that means."""
    path = write("one.jsonl", lines(*rows))
    prepared = datasets.prepare(path, tmp_path / "data", SETTINGS)
    assert (prepared.train_records, prepared.eval_records) == (18, 2)
    report = datasets.check(path)
    assert [(p.kind, p.count) for p in report.problems if p.remark] == [("one_conversation", 20)]
    assert "20 that all belong to one conversation" in report.statement
    assert not datasets.check(write("two.jsonl", lines(*rows, chat("Who?", "Me.")))).problems


INVISIBLE = "\u034f\u115f\u2800\u3164"


def says_something(text: str) -> bool:
    """Whether an answer of these words is one, and stays as it is."""
    return bool(text.strip()) and text.strip().lower() not in ("nan", "nat", "<na>") and "</think>" not in text


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cf"], exclude_characters=f"\r{INVISIBLE}"), min_size=1).filter(
    says_something
)


def conversation(
    system: str, exchanges: list[tuple[str, str, bool]], question: str, answer: str
) -> tuple[Message, ...]:
    messages = [Message(role="system", content=system)] if system else []
    for asked, answered, train in (*exchanges, (question, answer, True)):
        messages += [Message(role="user", content=asked), Message(role="assistant", content=answered, train=train)]
    return tuple(messages)


MESSAGES = st.builds(
    conversation, st.just("") | TEXT, st.lists(st.tuples(TEXT, TEXT, st.booleans()), max_size=3), TEXT, TEXT
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(MESSAGES, min_size=2, max_size=6, unique=True))
def test_the_canonical_form_is_read_back_as_it_was_written(
    tmp_path: Path, conversations: list[tuple[Message, ...]]
) -> None:
    """What prepare writes is itself a dataset: reading it gives the same records, categories and groups included."""
    records = [
        Record(id=f"r{i}", messages=messages, group=f"g{i}", categories={"topic": f"t{i % 2}"}, line=i + 1)
        for i, messages in enumerate(conversations)
    ]
    path = tmp_path / "canonical.jsonl"
    path.write_text("".join(r.model_dump_json(exclude_defaults=True) + "\n" for r in records), encoding="utf-8")
    assert list(datasets.read(path)) == records
    assert list(datasets.read_prepared(path)) == records
    report = datasets.check(path)
    assert report.usable == len(records) and all(problem.remark for problem in report.problems)


@pytest.mark.parametrize("changed", [pairs(40), pairs(50, start=1)], ids=["shorter", "other content"])
def test_a_file_that_changes_while_it_is_read_leaves_nothing(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: Iterable[dict[str, str]]
) -> None:
    """A dataset being written by someone else is refused instead of being half used."""
    path = write("faq.jsonl", lines(*pairs(50)))

    def change_meanwhile(*args: Any, **settings: Any) -> Any:
        plan = plan_split(*args, **settings)
        path.write_text(lines(*changed))
        return plan

    monkeypatch.setattr(preparing, "plan_split", change_meanwhile)
    with pytest.raises(DatasetError, match="changed while"):
        datasets.prepare(path, tmp_path / "data", SETTINGS)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_broken_file_leaves_the_earlier_data_alone(write: Write, tmp_path: Path) -> None:
    """An error while preparing neither removes nor mixes what was there before."""
    data = tmp_path / "data"
    datasets.prepare(write("good.jsonl", lines(*pairs(50))), data, SETTINGS)
    before = {p.name: p.read_bytes() for p in data.iterdir()}
    with pytest.raises(DatasetError):
        datasets.prepare(write("bad.jsonl", lines(*pairs(50)) + "{"), data, SETTINGS)
    with pytest.raises(DatasetError, match="fewer than two"):
        datasets.prepare(write("same.jsonl", lines(*[chat("a", "b")] * 5)), data, SETTINGS)
    assert {p.name: p.read_bytes() for p in data.iterdir()} == before


def test_a_full_disk_is_one_clear_error(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space left: the kind is disk_full, and no partial file stays."""
    path = write("faq.jsonl", lines(*pairs(50)))

    def full(_handle: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BrightrunError) as refused:
        datasets.prepare(path, tmp_path / "data", SETTINGS)
    assert refused.value.kind == "disk_full" and refused.value.fix
    assert list((tmp_path / "data").iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_clear_error(write: Write, tmp_path: Path) -> None:
    """The data directory's parent is a file: said plainly."""
    path = write("faq.jsonl", lines(*pairs(50)))
    with pytest.raises(BrightrunError) as refused:
        datasets.prepare(path, path / "data", SETTINGS)
    assert refused.value.kind == "not_writable"


def test_damaged_prepared_data_names_its_line(tmp_path: Path) -> None:
    """A worker that finds its data damaged can say where."""
    (tmp_path / "train.jsonl").write_text('{"id": "a", "messages": []}\n{"id": \n')
    with pytest.raises(DatasetError, match=r"train\.jsonl:2"):
        list(datasets.read_prepared(tmp_path / "train.jsonl"))
