"""What is done to a conversation before it may be trained on, and that none of it is silent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from brightrun_tui import datasets
from brightrun_tui.domain.errors import DatasetError
from tests.datasets.conftest import Write, chat, lines

GOOD = chat("Is this fine?", "Yes it is.")


def turns(*given: tuple[Any, ...]) -> dict[str, Any]:
    return {
        "messages": [
            {"role": role, "content": content, **(extra[0] if extra else {})} for role, content, *extra in given
        ]
    }


def check_one(write: Write, record: Any) -> tuple[list[tuple[str, str, bool]], list[str]]:
    """The turns of the record, and the kinds of what was found."""
    report = datasets.check(write("one.jsonl", lines(record, GOOD)))
    messages = report.preview[0].messages if report.usable == 2 else ()
    return [(m.role, m.content, m.train) for m in messages], [
        p.kind for p in report.problems if p.kind != "few_records"
    ]


U, A = ("user", "Hello?"), ("assistant", "Hi you.")

LEFT_OUT = [
    (turns(U), "no_answer"),
    (turns(U, ("assistant", " \n")), "no_answer"),
    (turns(U, ("assistant", None)), "no_answer"),
    ({"messages": []}, "no_answer"),
    ({"messages": None}, "no_answer"),
    (turns(A), "no_question"),
    (turns(("system", "x"), A), "no_question"),
    (turns(U, ("assistant", "x", {"weight": 0})), "nothing_to_train"),
    (turns(U, ("assistant", "x", {"train": False})), "nothing_to_train"),
    (turns(("narrator", "Once"), U, A), "unknown_role"),
    (turns((None, "Once"), U, A), "unknown_role"),
    (turns(("user", [{"type": "image_url", "image_url": {}}]), A), "not_text"),
    (turns(("user", {"a": 1}), A), "not_text"),
    (turns(U, ("assistant", None, {"tool_calls": [{"id": 1}]}), ("tool", "3"), A), "broken_call"),
    (turns(U, ("system", "x"), A), "late_system"),
    ({"messages": "hello"}, "other_shape"),
    ({"messages": ["hello"]}, "other_shape"),
    ([1, 2], "other_shape"),
    (5, "other_shape"),
    ({"messages": [{"role": "user", "content": "\ud800"}, {"role": "assistant", "content": "x"}]}, "broken_characters"),
]


@pytest.mark.parametrize(("record", "kind"), LEFT_OUT)
def test_a_record_that_cannot_be_trained_on_is_left_out_with_its_reason(tmp_path: Path, record: Any, kind: str) -> None:
    """Each is counted under one reason with its line and a fix; the rest of the file is used."""
    import json

    path = tmp_path / "one.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (GOOD, record, chat("Another?", "Another one."))))
    report = datasets.check(path)
    assert (report.records, report.usable) == (3, 2)
    (problem,) = [p for p in report.problems if not p.remark]
    assert (problem.kind, problem.count, problem.places) == (kind, 1, ("line 2",))
    assert problem.fix and f"1 {problem.what}" in report.statement


def test_roles_of_other_tools_mean_the_same(write: Write) -> None:
    """human, gpt, developer, function and friends are the four canonical roles."""
    messages, kinds = check_one(
        write,
        turns(("developer", "Be brief."), ("human", "Hi"), ("gpt", "Hello"), ("Function", "3"), ("model", "Three")),
    )
    assert [role for role, _, _ in messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert kinds == []


def test_only_marked_answers_are_context(write: Write) -> None:
    """Every answer of a chat trains unless it carries weight 0 or train false."""
    messages, _ = check_one(
        write,
        turns(
            U,
            ("assistant", "a", {"weight": 0}),
            U,
            ("assistant", "b", {"train": False}),
            U,
            ("assistant", "c", {"weight": 1}),
        ),
    )
    assert [train for role, _, train in messages if role == "assistant"] == [False, False, True]


def test_text_parts_are_text(write: Write) -> None:
    """Content may be a list of text parts."""
    messages, kinds = check_one(
        write, turns(("user", [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), A)
    )
    assert messages[0][1] == "a\nb" and kinds == []


@pytest.mark.parametrize(
    ("record", "roles", "remark"),
    [
        (turns(U, A, U), "ua", "no_last_answer"),
        (turns(U, A, U, ("assistant", "")), "ua", "no_last_answer"),
        (turns(A, U, A), "ua", "answer_first"),
        (turns(("system", "s"), A, U, A), "sua", "answer_first"),
        (turns(U, U, A), "ua", "joined_turns"),
        (turns(U, A, A), "ua", "joined_turns"),
        (turns(U, ("assistant", ""), U, A), "ua", "empty_turn"),
    ],
)
def test_a_mended_record_is_used_and_remarked_on(write: Write, record: Any, roles: str, remark: str) -> None:
    """Open ends are cut, doubled turns joined, empty ones dropped – and the report says so."""
    messages, kinds = check_one(write, record)
    assert "".join(role[0] for role, _, _ in messages) == roles
    assert remark in kinds


def test_joined_turns_keep_all_that_was_said(write: Write) -> None:
    """Two turns of one speaker become one, with a blank line between."""
    messages, _ = check_one(write, turns(("user", "one"), ("user", "two"), A))
    assert messages[0][1] == "one\n\ntwo"


def test_a_joined_answer_that_was_partly_excluded_does_not_train(write: Write) -> None:
    """Nothing marked with weight 0 is ever trained on, also when two answers in a row are joined."""
    messages, _ = check_one(write, turns(U, ("assistant", "bad", {"weight": 0}), ("assistant", "good"), U, A))
    assert [(text, train) for role, text, train in messages if role == "assistant"] == [
        ("bad\n\ngood", False),
        ("Hi you.", True),
    ]


def test_numbers_are_answers_too(write: Write) -> None:
    """Labels written as numbers or true/false in JSON become text."""
    path = write("labels.jsonl", lines({"prompt": "2+2", "completion": 4}, {"prompt": 7, "completion": True}))
    assert [[m.content for m in r.messages] for r in datasets.read(path)] == [["2+2", "4"], ["7", "true"]]


def test_a_file_without_a_single_answer_is_refused(write: Write) -> None:
    """All records lack an answer: one error that says how many and why."""
    with pytest.raises(DatasetError) as refused:
        datasets.check(write("none.jsonl", lines(turns(U), turns(U, ("assistant", "")), {"messages": None})))
    assert refused.value.kind == "dataset_unusable"
    assert "none of the 3 records" in refused.value.what and "3 without an answer" in refused.value.what
