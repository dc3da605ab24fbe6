"""Exports of well-known tools, and what their fields say of which answers are wanted, whole and in order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.styles import Font

from brightrun_tui import datasets
from brightrun_tui.datasets.personal import personal_data
from brightrun_tui.datasets.spelling import is_quoted, spelling_in
from brightrun_tui.domain.errors import DatasetError
from tests.datasets.conftest import Write, kinds, lines, pairs

COUNT = 24
TOOLS = [{"type": "function", "function": {"name": "stock", "parameters": {"type": "object", "properties": {}}}}]


def pair(i: int, **beside: Any) -> dict[str, Any]:
    return {"prompt": f"Where is shop number {i}?", "completion": f"Shop {i} is in street {i}.", **beside}


def talk(i: int, **beside: Any) -> dict[str, Any]:
    turns = [("user", f"Where is {i}?"), ("assistant", f"Wrong {i}."), ("user", "Sure?"), ("assistant", f"There {i}.")]
    return {"messages": [{"role": role, "content": text} for role, text in turns], **beside}


def calls(i: int, *behind: dict[str, Any]) -> dict[str, Any]:
    """A question, two calls, and what comes behind them."""
    called = [{"id": name, "function": {"name": "stock", "arguments": {"item": name}}} for name in ("first", "second")]
    return {
        "tools": TOOLS,
        "messages": [
            {"role": "user", "content": f"Are both in shop {i}?"},
            {"role": "assistant", "tool_calls": called},
            *behind,
        ],
    }


def result(call: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call, "content": f"{call} is there"}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("status", ("approved", "rejected", "pending")),
        ("status", ("completed", "discarded")),
        ("review_decision", ("accept", "reject")),
        ("verdict", ("pass", "fail")),
    ],
)
def test_what_a_review_rejected_is_not_learnt(write: Write, name: str, values: tuple[str, ...]) -> None:
    rows = [pair(i, **{name: values[i % len(values)]}) for i in range(COUNT)]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert report.usable == COUNT - COUNT // len(values) and "thumbs_down" in kinds(report)


@pytest.mark.parametrize("values", [("open", "closed"), ("rejected", "rejected"), ("on", "off")])
def test_a_status_that_judges_no_answer_leaves_nothing_out(write: Write, values: tuple[str, str]) -> None:
    rows = [pair(i, status=values[i % 2]) for i in range(COUNT)]
    assert datasets.check(write("a.jsonl", lines(*rows))).usable == COUNT


def test_a_decision_of_which_the_answer_tells_is_no_judgement_of_it(write: Write) -> None:
    rows = [
        {"prompt": f"Write about claim {i}.", "completion": f"Claim {i} was {said}, we regret.", "status": said}
        for i, said in ((i, ("approved", "rejected")[i % 2]) for i in range(COUNT))
    ]
    assert datasets.check(write("a.jsonl", lines(*rows))).usable == COUNT


@pytest.mark.parametrize(
    "beside",
    [{"deleted": True}, {"feedbacks": [{"key": "user_score", "score": 0}]}],
    ids=["deleted", "a list of scores"],
)
def test_deleted_and_disliked_records_are_left_out(write: Write, beside: dict[str, Any]) -> None:
    other = {"deleted": False} if "deleted" in beside else {"feedbacks": [{"key": "user_score", "score": 1}]}
    rows = [pair(i, **(other if i % 2 else beside)) for i in range(COUNT)]
    assert datasets.check(write("a.jsonl", lines(*rows))).usable == COUNT // 2


def test_marks_of_turns_that_stand_beside_them_are_not_overlooked(write: Write) -> None:
    rows = [talk(i, train_on_turn=[False, False, False, True]) for i in range(COUNT)]
    with pytest.raises(DatasetError, match="train_on_turn"):
        datasets.check(write("a.jsonl", lines(*rows)))
    report = datasets.check(write("b.jsonl", lines(*(talk(i, train_on_last_only=True) for i in range(COUNT)))))
    assert "unread_marks" in kinds(report) and "train_on_last_only" in report.statement


def test_results_of_tools_are_learnt_in_the_order_of_their_calls(write: Write) -> None:
    """Most templates tell them apart by nothing else."""
    end = {"role": "assistant", "content": "Yes."}
    rows = [calls(i, result("second"), result("first"), end) for i in range(COUNT)]
    messages = datasets.check(write("a.jsonl", lines(*rows))).preview[0].messages
    assert [message.content for message in messages if message.role == "tool"] == ["first is there", "second is there"]


@pytest.mark.parametrize(
    ("behind", "kind"),
    [
        ([{"role": "assistant", "content": "Yes."}], "call_without_result"),
        ([result("third"), {"role": "assistant", "content": "Yes."}], "result_without_call"),
    ],
    ids=["no result", "a result of another call"],
)
def test_calls_and_results_that_do_not_belong_together_are_left_out(
    write: Write, behind: list[dict[str, Any]], kind: str
) -> None:
    """The answer would be learnt before the call, or from what nobody asked for."""
    report = datasets.check(write("a.jsonl", lines(*pairs(COUNT), calls(0, *behind))))
    assert report.usable == COUNT and kind in kinds(report)


def test_tools_of_every_client_have_their_parameters_where_templates_look(write: Write) -> None:
    rows = [
        {**calls(i, result("first"), result("second"), {"role": "assistant", "content": f"Both in {i}."})}
        for i in range(COUNT)
    ]
    for row in rows:
        row["tools"] = [{"name": "stock", "input_schema": {"type": "object"}}]
    tools = datasets.check(write("a.jsonl", lines(*rows))).preview[0].tools
    assert tools == ({"type": "function", "function": {"name": "stock", "parameters": {"type": "object"}}},)


def test_marks_of_parts_of_an_answer_are_not_overlooked(write: Write) -> None:
    """An answer of which only a part is to be learnt is left out; one with all its parts marked is context."""

    def answered(i: int, *marks: bool) -> dict[str, Any]:
        parts = [{"type": "text", "text": f"Part {n} of {i}.", "train": mark} for n, mark in enumerate(marks)]
        row = talk(i)
        row["messages"][1]["content"] = parts
        return row

    rows = [
        answered(0, True, False),
        answered(1, False, False),
        answered(2, True, True),
        *(talk(i) for i in range(3, COUNT)),
    ]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert report.usable == COUNT - 1 and "unclear_mark" in kinds(report)
    assert [record.messages[1].train for record in report.preview[:2]] == [False, True]


def test_corrected_conversations_are_offered_in_place_of_the_first_ones(write: Write) -> None:
    rows = [{**talk(i), "corrected_messages": talk(i + 100)["messages"]} for i in range(COUNT)]
    with pytest.raises(DatasetError) as refused:
        datasets.check(write("a.jsonl", lines(*rows)))
    assert "messages=corrected_messages" in refused.value.fix


def test_a_mapped_table_hears_its_review_too(write: Write) -> None:
    table = "Q,R,Status\n" + "".join(
        f"Where is {i}?,It is in street {i}.,{('Approved', 'REJECTED')[i % 2]}\n" for i in range(COUNT)
    )
    report = datasets.check(write("a.csv", table), columns={"prompt": "Q", "completion": "R"})
    assert report.usable == COUNT // 2


def test_answers_that_a_limit_ended_are_named(write: Write) -> None:
    rows: list[dict[str, Any]] = [pair(i, finish_reason="length" if i == 3 else "stop") for i in range(COUNT)]
    rows[5] = talk(5)
    rows[5]["messages"][-1]["stop_reason"] = "max_tokens"
    found = next(p for p in datasets.check(write("a.jsonl", lines(*rows))).problems if p.kind == "cut_by_limit")
    assert found.count == 2


def test_turns_whose_times_say_another_order_are_named(write: Write) -> None:
    rows = [talk(i) for i in range(COUNT)]
    for number, order in ((1, (3, 4, 1, 2)), (2, (1, 2, 3, 4))):
        for turn, at in zip(rows[number]["messages"], order, strict=True):
            turn["timestamp"] = at
    found = next(p for p in datasets.check(write("a.jsonl", lines(*rows))).problems if p.kind == "unsorted")
    assert found.places == ("line 2",)


def test_null_in_words_is_named_as_question_and_as_answer(write: Write) -> None:
    rows: list[dict[str, Any]] = [pair(i) for i in range(COUNT)]
    rows[0]["completion"], rows[1]["completion"], rows[2]["prompt"], rows[3]["prompt"] = (
        "null",
        "[deleted]",
        "None",
        "nan",
    )
    report = datasets.check(write("a.jsonl", lines(*rows)))
    count = {problem.kind: problem.count for problem in report.problems}
    assert (count["placeholder"], count["placeholder_question"], count["no_question"]) == (2, 1, 1)


@pytest.mark.parametrize(
    ("text", "example"),
    [
        ("b'Press the button.'", "b'…'"),
        ("['Press the button.']", "['…']"),
        ('{"role": "assistant", "content": "Press it."}', '{"role": …, "content": …}'),
        ("Press it.\\n\\nThen wait.", "\\n\\n"),
        ("Press it.\\nThen wait.", "\\n"),
        ("F\\u00fcr Sie", "\\u00fc"),
        ('["red", "green"]', ""),
        ('["a red one"]', ""),
        ("The pattern \\d+\\.\\n0 matches.", ""),
        ('{"name": "Ann"}', ""),
        ("Run C:\\new\\tools and \\nabla f.", ""),
        ('Write print("a\\n") in a file.', ""),
        ("be brief", ""),
    ],
)
def test_texts_as_programs_spell_them_are_known(text: str, example: str) -> None:
    """Code, paths, formulas and data are no such thing."""
    assert spelling_in(text) == example


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ('"All of it."', True),
        ('="All of it."', True),
        ("'It doesn't matter.'", True),
        ('"One" and "two"', False),
        ("a", False),
    ],
)
def test_quotation_marks_around_all_of_an_answer_are_known(text: str, quoted: bool) -> None:
    assert is_quoted(text) is quoted


def test_errors_of_services_are_named(write: Write) -> None:
    rows = [pair(i) for i in range(COUNT)]
    rows[0]["completion"], rows[1]["completion"] = "Error: Rate limit exceeded (429)", '{"error": {"code": 500}}'
    rows[2]["completion"] = "An error: 7 on the display means that the tank is empty."
    found = next(p for p in datasets.check(write("a.jsonl", lines(*rows))).problems if p.kind == "error_answer")
    assert found.count == 2


def test_thoughts_of_gemini_are_no_part_of_the_answer(write: Write) -> None:
    rows = [
        {
            "contents": [
                {"role": "user", "parts": [{"text": f"Where is {i}?"}]},
                {"role": "model", "parts": [{"text": "Let me think.", "thought": True}, {"text": f"There {i}."}]},
            ]
        }
        for i in range(COUNT)
    ]
    last = datasets.check(write("a.jsonl", lines(*rows))).preview[0].messages[-1]
    assert (last.reasoning, last.content) == ("Let me think.", "There 0.")


def test_an_answer_is_taken_out_of_what_a_client_returned(write: Write) -> None:
    rows = [
        {"prompt": f"Where is {i}?", "response": {"content": f"There {i}.", "model": "m", "tokens": 7}}
        for i in range(COUNT)
    ]
    assert datasets.check(write("a.jsonl", lines(*rows))).preview[0].messages[-1].content == "There 0."
    rows = [
        {"prompt": f"Where is {i}?", "response": {"content": f"There {i}.", "street": "Main"}} for i in range(COUNT)
    ]
    assert datasets.check(write("b.jsonl", lines(*rows))).preview[0].messages[-1].content.startswith('{"content"')


def test_a_history_of_turns_stands_before_the_question(write: Write) -> None:
    before = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello, how can I help?"}]
    rows = [{"history": before, "question": f"Where is {i}?", "answer": f"There {i}."} for i in range(COUNT)]
    messages = datasets.check(write("a.jsonl", lines(*rows))).preview[0].messages
    assert [message.content for message in messages] == ["Hello", "Hello, how can I help?", "Where is 0?", "There 0."]


def test_conversations_that_a_table_holds_as_json_are_read(write: Write) -> None:
    asked = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Where?"}]
    rows = [
        {"prompt": json.dumps(asked), "completion": json.dumps({"role": "assistant", "content": f"There {i}."})}
        for i in range(COUNT)
    ]
    messages = datasets.check(write("a.jsonl", lines(*rows))).preview[0].messages
    assert [(m.role, m.content) for m in messages] == [
        ("system", "Be kind."),
        ("user", "Where?"),
        ("assistant", "There 0."),
    ]


def test_files_that_were_put_one_behind_the_other_are_read(write: Write) -> None:
    """The second one's names of columns and byte order mark are not learnt."""
    head, rows = "\ufeffprompt,completion\n", [f"What is {i}?,It is {i}.\n" for i in range(COUNT)]
    report = datasets.check(write("a.csv", head + "".join(rows[:12]) + head + "".join(rows[12:])))
    assert report.usable == COUNT and "header_again" in kinds(report)
    assert datasets.check(write("b.jsonl", "".join("\ufeff" + lines(row) for row in pairs(COUNT)))).usable == COUNT


@pytest.mark.parametrize(
    "given",
    [{"A": "red", "B": "green", "C": "blue"}, {"text": ["red", "green", "blue"], "label": ["A", "B", "C"]}],
    ids=["by letter", "beside letters"],
)
def test_choices_in_an_object_are_asked(write: Write, given: dict[str, Any]) -> None:
    rows = [{"question": f"Which is {i}?", "choices": given, "answer": "ABC"[i % 3]} for i in range(COUNT)]
    asked = datasets.check(write("a.jsonl", lines(*rows))).preview[0].messages[0].content
    assert asked == "Which is 0?\n\nA. red\nB. green\nC. blue"


def test_a_column_of_speakers_is_never_proposed_as_the_answer(write: Write) -> None:
    for name in ("author_type", "sender"):
        table = f"thread,{name},body\n" + "".join(
            f"{i},user,Where is {i}?\n{i},admin,It is there.\n" for i in range(12)
        )
        with pytest.raises(DatasetError, match="one turn of a conversation"):
            datasets.check(write(f"{name}.csv", table))


def test_text_that_is_struck_through_is_named(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["prompt", "completion"])
    for i in range(COUNT):
        sheet.append([f"Where is {i}?", f"It is in street {i}."])
    sheet["B3"].font = Font(strike=True)
    book.save(tmp_path / "a.xlsx")
    found = next(p for p in datasets.check(tmp_path / "a.xlsx").problems if p.kind == "struck_through")
    assert found.count == 1


def test_thoughts_in_the_tags_of_prompts_are_named(write: Write) -> None:
    rows = [pair(i) for i in range(COUNT)]
    rows[0]["completion"] = "<thinking>It is near.</thinking>\nThere."
    rows[1]["prompt"] = "Think in <thinking></thinking> first. Where?"
    found = next(p for p in datasets.check(write("a.jsonl", lines(*rows))).problems if p.kind == "marks")
    assert found.count == 1 and "<thinking>" in found.what


@pytest.mark.parametrize(
    "text",
    [
        "git clone git@github.com:org/repo.git",
        "npm i @scope/pkg@1.10.22",
        "Ihre Bestellung 0302-4500-11 ist heute verschickt worden, danke für die Geduld.",
        "Your invoice no. 0161 496 0123 was sent to you this morning, thank you for waiting.",
    ],
)
def test_addresses_of_programs_and_numbers_of_orders_are_not_personal(text: str) -> None:
    assert personal_data([text]) == []


def test_people_can_still_be_reached(write: Write) -> None:
    assert personal_data(["Write to anna.b@shop.co.uk, please."]) == ["e-mail addresses"]
    assert personal_data(["To order call 0161 496 0123 and ask for the person at the desk."]) == ["telephone numbers"]
