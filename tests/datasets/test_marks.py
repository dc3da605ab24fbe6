"""Whatever a file calls it: what it says is not to be learnt, or was not liked, is not learnt, and nothing else is dropped."""

from __future__ import annotations

from typing import Any

import pytest

from brightrun_tui import datasets
from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.errors import DatasetError
from tests.datasets.conftest import Write, lines

COUNT = 24
DRAFT = "Nobody should learn this draft."


def kinds(report: DatasetReport) -> dict[str, int]:
    return {problem.kind: problem.count for problem in report.problems if problem.kind != "few_records"}


def talk(i: int, **marks: Any) -> dict[str, Any]:
    """A conversation whose first answer is a draft with these marks."""
    return {
        "messages": [
            {"role": "user", "content": f"When does ferry {i} leave?"},
            {"role": "assistant", "content": DRAFT, **marks},
            {"role": "user", "content": "Look again, please."},
            {"role": "assistant", "content": f"Ferry {i} leaves at {i} sharp."},
        ]
    }


def rated(i: int, **marks: Any) -> dict[str, Any]:
    """A question with a good answer, every second time with a bad one; marks are given as (good, bad)."""
    chosen = {name: value[0] if i % 2 else value[1] for name, value in marks.items()}
    return {
        "prompt": f"When does ferry {i} leave?",
        "completion": f"At {i} sharp." if i % 2 else f"{DRAFT} {i}",
        **chosen,
    }


@pytest.mark.parametrize(
    "mark",
    [
        {"no_loss": True},
        {"loss_weights": 0},
        {"learnable": "No"},
        {"Trainable": False},
        {"trainOnThis": False},
        {"calculate_loss": 0},
        {"skip": True},
        {"exclude_from_training": 1},
        {"metadata": {"weight": 0}},
        {"rating": -1},
        {"annotation": {"thumbs": "👎🏽"}},
        {"disliked": True},
        {"is_good": "no"},
    ],
    ids=str,
)
def test_a_turn_is_context_however_the_mark_is_spelt(write: Write, mark: dict[str, Any]) -> None:
    """Snake case, camel case, capitals, negations, and marks that stand in an object of their own."""
    for record in datasets.read(write("a.jsonl", lines(*(talk(i, **mark) for i in range(COUNT))))):
        assert [m.train for m in record.messages if m.role == "assistant"] == [False, True]


@pytest.mark.parametrize(
    "mark", [{"mask": True}, {"mask": 0}, {"train_detail": [{"begin_offset": 0, "train": False}]}], ids=str
)
def test_a_mark_that_can_be_read_in_two_ways_leaves_the_record_out(write: Write, mark: dict[str, Any]) -> None:
    """A mask may be of what is hidden or of what is kept."""
    rows = [*(talk(i, **mark) for i in range(3)), *(rated(i) for i in range(COUNT))]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert kinds(report)["unclear_mark"] == 3 and report.usable == COUNT and next(iter(mark)) in report.statement


def test_a_flag_of_unknown_meaning_is_named(write: Write) -> None:
    """Of turns and of records, where it says different things; one that always says the same tells nothing apart."""
    rows = [{**talk(i, canned=i % 2 == 0, stale=False), "urgent": i % 3 == 0, "public": True} for i in range(COUNT)]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert kinds(report)["flags"] == COUNT
    assert all(name in report.statement for name in ("“messages.canned”", "“urgent”"))
    assert not any(name in report.statement for name in ("stale", "public"))


@pytest.mark.parametrize(
    "mark",
    [
        {"thumbs_down": (False, True)},
        {"thumbsUp": (True, False)},
        {"is_bad": (0, 1)},
        {"Label": ("True", "False")},
        {"label": ("ok", "not ok")},
        {"label": ("desirable", "undesirable")},
        {"feedback": ("👍🏽", "👎🏿")},
        {"feedback": ({"thumbs": "up", "comment": "nice"}, {"thumbs": "down", "comment": "rude"})},
        {"scores": ([{"name": "user-feedback", "value": 1}], [{"name": "user-feedback", "value": 0}])},
        {"hilfreich": ("ja", "nein")},
        {"answer_accepted": (True, False)},
        {"bad": ("", "x")},
        {"gut?": ("✓", "✗")},
        {"Freigegeben": ("ja", "nein")},
        {"is_correct": ("yes", "no")},
        {"weight": (1.0, 0.0)},
        {"train": ("true", "false")},
        {"split": ("train", "test")},
    ],
    ids=str,
)
def test_a_record_that_says_so_is_not_learnt_however_it_is_spelt(write: Write, mark: dict[str, Any]) -> None:
    """By its thumbs, by its weight, or because it is for testing; also where the columns are mapped by hand."""
    path = write("a.jsonl", lines(*(rated(i, **mark) for i in range(COUNT))))
    for columns in (None, {"prompt": "prompt", "completion": "completion"}):
        texts = [message.content for record in datasets.read(path, columns=columns) for message in record.messages]
        assert len(texts) == COUNT and not any(DRAFT in text for text in texts)


def test_neutral_answers_are_kept_and_disliked_ones_that_come_late_are_not(write: Write) -> None:
    rows = [rated(i, label=("good", "neutral")) for i in range(COUNT)] + [{**rated(90), "label": "bad"}]
    assert kinds(datasets.check(write("a.jsonl", lines(*rows))))["thumbs_down"] == 1
    rows[3]["label"] = "well, it depends"
    assert kinds(datasets.check(write("c.jsonl", lines(*rows))))["thumbs_down"] == 1
    late = [rated(i) for i in range(1, 60, 2)] + [{**rated(i), "liked": False} for i in range(60, 70, 2)]
    assert kinds(datasets.check(write("b.jsonl", lines(*late))))["thumbs_down"] == 5


@pytest.mark.parametrize(
    "rows",
    [
        [{"completion": ("ham", "spam")[i % 2], "label": i % 2} for i in range(COUNT)],
        [
            {"completion": ("positive", "negative")[i % 2], "label": ("positive", "negative")[i % 2]}
            for i in range(COUNT)
        ],
        [{"completion": ("low", "mid", "high")[i // 20], "label": i // 20} for i in range(60)],
        [{"completion": ("Yes", "No")[i % 2], "correct": ("Yes", "No")[i % 2]} for i in range(COUNT)],
        [{"completion": f"Answer {i}", "upvotes": i % 2} for i in range(COUNT)],
    ],
    ids=["a number", "a word", "sorted by class", "the right answer", "votes"],
)
def test_the_class_of_a_record_is_no_thumb(write: Write, rows: list[dict[str, Any]]) -> None:
    """A field that says what the answer says, or how many people voted, judges nobody; all its records are learnt."""
    rows = [{"prompt": f"Sort message {i}.", **row} for i, row in enumerate(rows)]
    assert datasets.check(write("a.jsonl", lines(*rows))).usable == len(rows)


GOOD, BAD = "At nine.", DRAFT


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Q", "good": GOOD, "bad": BAD},
        {"question": "Q", "worse": BAD + BAD, "better": GOOD},
        {"prompt": "Q", "response_w": GOOD, "response_l": BAD},
        {"frage": "Q", "abgelehnt": BAD, "gewählt": GOOD},
        {"query": "Q", "response": GOOD, "rejected_response": BAD},
        {"prompt": "Q", "response": BAD, "corrected_response": GOOD},
        {"input": "Q", "output": BAD, "expected_output": GOOD},
        {"question": "Q", "answer": BAD, "edited_answer": GOOD},
    ],
    ids=lambda row: list(row)[-1],
)
def test_of_two_answers_the_fix_leads_to_the_better_one(write: Write, row: dict[str, str]) -> None:
    """Whatever the pair is called; a corrected answer is the better one."""
    rows = [{name: value.replace("Q", f"When, {i}?") for name, value in row.items()} for i in range(COUNT)]
    path = write("a.jsonl", lines(*rows))
    with pytest.raises(DatasetError) as refused:
        datasets.check(path)
    assert refused.value.kind == "dataset_preferences"
    advised = dict(part.split("=") for part in refused.value.fix.split("map ")[1].split(", "))
    assert {record.messages[-1].content for record in datasets.read(path, columns=advised)} == {GOOD}


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "Q", "completions": [{"response": BAD, "score": 2}, {"response": GOOD, "score": 9}]},
        {"prompt": "Q", "answers": [BAD, GOOD], "ranks": [2, 1]},
        {
            "input": {"messages": []},
            "preferred_output": [{"role": "assistant"}],
            "non_preferred_output": [{"role": "assistant"}],
        },
    ],
    ids=lambda row: list(row)[1],
)
def test_ranked_answers_are_refused_without_a_mapping(write: Write, row: dict[str, Any]) -> None:
    with pytest.raises(DatasetError) as refused:
        datasets.check(write("a.jsonl", lines(*[row] * 3)))
    assert refused.value.kind == "dataset_preferences" and "=" not in refused.value.fix
