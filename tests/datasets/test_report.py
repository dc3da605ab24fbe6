"""The report: numbers that are right and sentences that a person without training can act on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brightrun_tui import datasets
from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.errors import DatasetError
from brightrun_tui.domain.setting_groups import DataSettings
from tests.datasets.conftest import Write, chat, lines, pairs

SAMPLE = Path(__file__).parents[3] / "shared" / "data" / "eq-sample"


def test_the_report_measures_the_usable_records(write: Write) -> None:
    """Characters, turns, categories and the first records of what will be trained on."""
    rows = [
        {**chat("q" * n, "a" * 10 * n, system="s"), "category": "even" if n % 2 == 0 else "odd"} for n in range(1, 101)
    ]
    report = datasets.check(write("a.jsonl", lines(*rows, chat("no answer"))), preview=2)
    assert (report.records, report.usable, report.turns, report.duplicates) == (101, 100, 200, 0)
    assert (report.answer_characters.p50, report.answer_characters.p99, report.answer_characters.longest) == (
        500,
        990,
        1000,
    )
    assert report.characters.mean == pytest.approx(1 + 11 * 50.5)
    assert report.categories == {"category": {"odd": 50, "even": 50}}
    assert [r.id for r in report.preview] == ["record-1", "record-2"]
    assert (report.name, report.bytes) == ("a", Path(report.path).stat().st_size)
    assert report.ok and report.statement == "100 of 101 records usable; left out: 1 without an answer."
    assert DatasetReport.model_validate_json(report.model_dump_json()) == report


def kinds(report: DatasetReport) -> dict[str, int]:
    return {p.kind: p.count for p in report.problems}


def test_remarks_count_what_a_careful_reader_would_see(write: Write) -> None:
    """Copies, repeated ids, garbled letters, endless records, stubs of answers and a sameness of answers."""
    rows = [
        *pairs(30),
        *pairs(3),
        {"prompt": "x", "completion": "Itâ€™s"},
        {"prompt": "y", "completion": "z" * 40_000},
        {"prompt": "n", "completion": "no"},
        {"id": "i", **next(iter(pairs(1, 90)))},
        {"id": "i", **next(iter(pairs(1, 91)))},
    ]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert kinds(report) == {"duplicate": 3, "garbled": 1, "very_long": 1, "short_answer": 1, "duplicate_id": 1}
    assert report.duplicates == 3 and report.usable == report.records == len(rows)
    assert "Also noticed: 3 copies of an earlier record (spaces and capitals aside);" in report.statement
    assert len({r.id for r in datasets.read(report.path)}) == len(rows)
    same = datasets.check(
        write("same.jsonl", lines(*({"prompt": str(i), "completion": "yes"} for i in range(40)), *pairs(2)))
    )
    assert kinds(same) == {"same_answer": 40}


def test_copies_are_told_whatever_their_spaces_and_capitals(write: Write) -> None:
    """A trailing space or another capital does not hide a copy; answers marked otherwise make another record."""
    rows = [*pairs(20), *({name: f" {text.upper()}\n" for name, text in row.items()} for row in pairs(20))]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert (report.duplicates, kinds(report)) == (20, {"duplicate": 20})
    asked = [
        [{**turn, "weight": int(i == trained)} for i, turn in enumerate(chat("a", "bcd", "e", "fgh")["messages"])]
        for trained in (1, 3)
    ]
    assert datasets.check(write("b.jsonl", lines(*({"messages": turns} for turns in asked)))).duplicates == 0


def test_an_instruction_with_too_many_answers_to_hold_it_out_is_remarked_on(write: Write) -> None:
    """Forty poems on one demand are split all the same, and the report says so; five answers to a question stay together."""
    poems = [{"prompt": "Write a poem", "completion": f"Poem number {i}"} for i in range(40)]
    same = [{"prompt": f"What is {i // 5}?", "completion": f"It is {i}."} for i in range(100)]
    report = datasets.check(write("a.jsonl", lines(*poems, *same)))
    assert kinds(report) == {"shared_prompt": 40, "other_answer": 80}
    assert "40 (29%) that ask word for word what others ask" in report.statement
    assert kinds(datasets.check(write("b.jsonl", lines(*same)))) == {"other_answer": 80}
    grouped = [{**row, "group": f"g{i % 10}"} for i, row in enumerate(same)]
    assert kinds(datasets.check(write("c.jsonl", lines(*grouped)))) == {"other_answer": 80}


def test_short_labels_are_no_problem_where_all_answers_are_labels(write: Write) -> None:
    """A classification dataset is not blamed for its one-letter answers."""
    report = datasets.check(
        write("a.jsonl", lines(*({"prompt": f"text {i}", "completion": "AB"[i % 2]} for i in range(40))))
    )
    assert report.problems == ()


def test_too_many_labels_are_no_categories(write: Write) -> None:
    """A field that is different in every record is not a category to evaluate by."""
    rows = [{**row, "topic": f"topic {i}", "language": "en"} for i, row in enumerate(pairs(300))]
    assert datasets.check(write("a.jsonl", lines(*rows))).categories == {"language": {"en": 300}}


def test_the_header_is_held_to_its_word(write: Write) -> None:
    """A file that announces more records than follow says so in the statement."""
    pair = {"current_user_input": "Hi", "target_response": "Hello there"}
    rows = [{**pair, "current_user_input": f"Hi {i}"} for i in range(30)]
    report = datasets.check(write("a.jsonl", lines({"_meta": {"total_pairs": 89}}, *rows)))
    assert "89 records announced in the file's header, but 30 found" in report.statement


JSONISH = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "messages",
                    "conversations",
                    "role",
                    "content",
                    "from",
                    "value",
                    "prompt",
                    "completion",
                    "instruction",
                    "output",
                    "target_response",
                    "training_pairs",
                    "conversation_history",
                    "conversation_metadata",
                    "id",
                    "weight",
                    "categories",
                    "history",
                    "_meta",
                    "x",
                ]
            )
            | st.text(st.characters(), max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)
ROLE = st.sampled_from(["user", "assistant", "system", "human", "gpt", "tool", "narrator", ""])
TURN = st.fixed_dictionaries({"role": ROLE, "content": st.sampled_from(["a", "b", "", " ", None, 3, ["c"]])})
ROW = (
    JSONISH
    | st.fixed_dictionaries({"messages": st.lists(TURN, max_size=5)})
    | st.fixed_dictionaries(
        {
            "prompt": st.text(max_size=3),
            "completion": st.text(max_size=3),
            "id": JSONISH,
            "group": JSONISH,
            "topic": JSONISH,
        }
    )
)
RELAXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)


@RELAXED
@given(st.lists(ROW, max_size=12), st.sampled_from(["rows.jsonl", "rows.json"]))
def test_check_read_and_prepare_agree(tmp_path: Path, rows: list[Any], name: str) -> None:
    """For any JSON at all: refused with a DatasetError, or check counts exactly what read gives and prepare writes."""
    path = tmp_path / name
    path.write_text(json.dumps(rows) if name.endswith(".json") else "".join(json.dumps(row) + "\n" for row in rows))
    try:
        report = datasets.check(path, preview=100)
    except DatasetError as error:
        assert str(error).isprintable()
        return
    records = list(datasets.read(path))
    assert report.usable == len(records) and list(report.preview) == records[:100]
    assert report.records == report.usable + sum(p.count for p in report.problems if not p.remark)
    for record in records:
        roles = [m.role for m in record.messages]
        assert roles[-1] == "assistant" and roles[roles[0] == "system"] == "user"
        assert any(m.role == "assistant" and m.train and m.content.strip() for m in record.messages)
    assert len({r.id for r in records}) == len(records)
    prepared = datasets.prepare(path, tmp_path / "data", DataSettings())
    assert prepared.train_records + prepared.eval_records == report.usable


NAMES = st.sampled_from(["x.jsonl", "x.json", "x.csv", "x.tsv", "x.parquet", "x.txt", "x"])
BYTES = (
    st.binary(max_size=300)
    | st.text(max_size=200).map(str.encode)
    | st.text(st.sampled_from("{}[]\":,\n\\ \t;pmN0e-'\ufeff"), max_size=60).map(str.encode)
)


@RELAXED
@given(
    NAMES,
    BYTES,
    st.sampled_from([b"", b'{"prompt": "a", "completion": "b"}\n', b"prompt,completion\n", b"PAR1", b'[{"a":']),
)
def test_no_bytes_whatsoever_end_in_a_traceback(tmp_path: Path, name: str, content: bytes, start: bytes) -> None:
    """Whatever the file holds, the only error is a DatasetError with words and a fix."""
    path = tmp_path / name
    path.write_bytes(start + content)
    try:
        datasets.check(path)
    except DatasetError as error:
        assert error.what and error.where and error.fix and error.kind.startswith("dataset_")


@RELAXED
@given(st.data())
def test_a_damaged_good_file_is_refused_or_read_never_crashed_on(tmp_path: Path, data: st.DataObject) -> None:
    """Cutting a good file anywhere, or overwriting a piece of it, still gives a report or one clear error."""
    content = bytearray(data.draw(st.sampled_from(GOOD_FILES), label="file")[1])
    cut = data.draw(st.integers(0, len(content)), label="cut")
    spoiled = (
        bytes(content[:cut])
        + data.draw(st.binary(max_size=4), label="bytes")
        + bytes(content[cut + data.draw(st.integers(0, len(content)), label="lost") :])
    )
    path = tmp_path / data.draw(st.sampled_from(["x.jsonl", "x.json", "x.csv"]), label="name")
    path.write_bytes(spoiled)
    try:
        assert datasets.check(path).usable > 1
    except DatasetError as error:
        assert error.what and error.fix


GOOD_FILES = [
    ("lines", lines(*pairs(5)).encode()),
    ("array", json.dumps([chat("é", "ü"), chat("x", "yz")], indent=1).encode()),
    ("table", b'prompt;completion\nWhat?;"That; or\nthis"\nWho?;Me\n'),
]


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample dataset is not beside this checkout")
def test_the_company_sample_gives_the_same_44_records_in_both_shapes() -> None:
    """The real files: 44 of 89 usable in the JSON, 44 of 44 in the JSONL whose header announces 89; equal records."""
    document = datasets.check(SAMPLE / "EQ-12-conversations-demo.json", preview=100)
    assert (document.format, document.records, document.usable, document.duplicates) == ("brightrun-lora-v4", 89, 44, 0)
    assert kinds(document) == {"no_target": 45, "gaps": 2}
    assert document.statement == (
        "44 of 89 records usable; left out: 45 without an answer. Also noticed: 2 whose answer has a gap left to fill in, "
        "such as [Company]."
    )
    by_line = datasets.check(SAMPLE / "EQ-12-conversations-demo.jsonl", preview=100)
    assert (by_line.format, by_line.records, by_line.usable) == ("brightrun-lora-v4", 44, 44)
    assert kinds(by_line) == {"announced": 89, "gaps": 2}
    assert (
        by_line.categories
        == document.categories
        == {
            "persona": {"overwhelmed_avoider": 15, "anxious_planner": 15, "pragmatic_optimist": 14},
            "emotional_arc": {"confusion_to_clarity": 34, "crisis_to_referral": 10},
            "topic": {"mortgage_payoff_strategy": 21, "negotiating_compensation": 12, "estate_planning_basics": 11},
        }
    )
    assert {(r.id, r.group, r.messages) for r in document.preview} == {
        (r.id, r.group, r.messages) for r in by_line.preview
    }
    for record in document.preview:
        texts = [m.content for m in record.messages]
        assert len(texts) == len(set(texts)), "nothing is said twice"
        assert [m.train for m in record.messages if m.role == "assistant"].count(True) == 1


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample dataset is not beside this checkout")
def test_the_company_sample_keeps_conversations_together(tmp_path: Path) -> None:
    """Held-out records of the sample are whole conversations."""
    prepared = datasets.prepare(SAMPLE / "EQ-12-conversations-demo.json", tmp_path, DataSettings())
    train, held = ({r.group for r in datasets.read_prepared(tmp_path / f"{side}.jsonl")} for side in ("train", "eval"))
    assert (prepared.train_records + prepared.eval_records, len(train) + len(held), train & held) == (44, 12, set())
    assert 3 <= prepared.eval_records <= 4
