"""Tables with one message a row, and turns as the libraries of clients write them, become conversations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from brightrun_tui import datasets
from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.errors import DatasetError
from tests.datasets.conftest import Write, lines

COUNT = 24


def said(report: DatasetReport) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in report.preview[0].messages]


TALK = [("user", "Where is shop 0?"), ("assistant", "Shop 0 is in street 0.")]


@pytest.mark.parametrize("name", ["conversation_id", "Ticket ID", "thread", "chatId"])
def test_the_rows_of_a_conversation_become_one_record(write: Write, name: str) -> None:
    rows = [f'{i},user,"Where is shop {i}?"\n{i},assistant,"Shop {i} is in street {i}."' for i in range(COUNT)]
    report = datasets.check(write("a.csv", f"{name},role,content\n" + "\n".join(rows)))
    assert (report.usable, report.records) == (COUNT, COUNT)
    assert said(report) == TALK
    assert not [problem for problem in report.problems if problem.kind != "duplicate"]


def test_the_rows_of_a_help_desk_become_records_without_its_internal_notes(write: Write) -> None:
    rows = [
        f'{i};customer;"Where is shop {i}?";true\n{i};agent;"ask Bob";false\n{i};agent;"Shop {i} is in street {i}.";true'
        for i in range(COUNT)
    ]
    report = datasets.check(write("a.csv", "Ticket ID;Sender;Message;Public\n" + "\n".join(rows)))
    assert said(report) == TALK
    assert next(p.count for p in report.problems if p.kind == "internal_notes") == COUNT


@pytest.mark.parametrize(
    "mark", [{"type": "note"}, {"part_type": "internal_note"}, {"private": True}, {"public": False}]
)
def test_an_internal_note_among_turns_is_left_out_and_said(write: Write, mark: dict[str, Any]) -> None:
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"Where is shop {i}?"},
                {"role": "assistant", "content": "Ask Bob.", **mark},
                {"role": "assistant", "content": f"Shop {i} is in street {i}."},
            ]
        }
        for i in range(COUNT)
    ]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert said(report) == TALK
    assert "internal_notes" in {problem.kind for problem in report.problems}


def test_messages_that_do_not_stand_together_are_refused_with_the_place(write: Write) -> None:
    rows = [f"{i},user,Where is shop {i}?\n{i},assistant,In street {i}." for i in range(COUNT)]
    table = "conversation_id,role,content\n" + "\n".join(rows) + "\n3,user,Again?\n3,assistant,Street 3."
    with pytest.raises(DatasetError, match="“3” are not next to one another") as error:
        datasets.check(write("a.csv", table))
    assert "line 50" in error.value.where and "sort the table by “conversation_id”" in error.value.fix


def test_messages_without_a_conversation_are_refused_with_a_way_out(write: Write) -> None:
    rows = [f"user,Where is shop {i}?\nassistant,In street {i}." for i in range(COUNT)]
    with pytest.raises(DatasetError, match="one turn of a conversation") as error:
        datasets.check(write("a.csv", "role,content\n" + "\n".join(rows)))
    assert "conversation_id" in error.value.fix


LANGCHAIN: list[Callable[[str, str], dict[str, Any]]] = [
    lambda role, text: {"type": role, "content": text},
    lambda role, text: {"type": role, "data": {"content": text, "additional_kwargs": {}}},
    lambda role, text: {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain_core", "messages", {"human": "HumanMessage", "ai": "AIMessage"}[role]],
        "kwargs": {"content": text},
    },
]


@pytest.mark.parametrize("form", range(len(LANGCHAIN)))
def test_messages_of_langchain_are_read(write: Write, form: int) -> None:
    make = LANGCHAIN[form]
    rows = [
        {"messages": [make("human", f"Where is shop {i}?"), make("ai", f"Shop {i} is in street {i}.")]}
        for i in range(COUNT)
    ]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert report.usable == COUNT and said(report) == TALK


def test_a_response_of_openai_is_read_with_its_thoughts_calls_and_results(write: Write) -> None:
    rows = [
        {
            "instructions": "Be brief.",
            "input": [{"role": "user", "content": [{"type": "input_text", "text": f"Where is shop {i}?"}]}],
            "output": [
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Look it up."}]},
                {"type": "function_call", "name": "find", "arguments": f'{{"shop": {i}}}', "call_id": "c"},
                {"type": "function_call_output", "call_id": "c", "output": f"street {i}"},
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": f"Shop {i} is in street {i}."}],
                },
            ],
        }
        for i in range(COUNT)
    ]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    first = report.preview[0].messages
    assert [message.role for message in first] == ["system", "user", "assistant", "tool", "assistant"]
    assert first[2].tool_calls[0].arguments == {"shop": 0} and first[2].reasoning == "Look it up."
    assert (first[0].content, first[3].content, first[4].content) == ("Be brief.", "street 0", TALK[1][1])


def test_calls_of_gemini_are_read_with_tools_and_results(write: Write) -> None:
    tools = [{"functionDeclarations": [{"name": "find", "parameters": {"type": "object", "properties": {}}}]}]
    rows = [
        {
            "tools": tools,
            "contents": [
                {"role": "user", "parts": [{"text": f"Where is shop {i}?"}]},
                {"role": "model", "parts": [{"functionCall": {"name": "find", "args": {"shop": i}}}]},
                {"role": "user", "parts": [{"functionResponse": {"name": "find", "response": {"street": i}}}]},
                {"role": "model", "parts": [{"text": f"Shop {i} is in street {i}."}]},
            ],
        }
        for i in range(COUNT)
    ]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    first = report.preview[0]
    assert [message.role for message in first.messages] == ["user", "assistant", "tool", "assistant"]
    assert first.messages[1].tool_calls[0].arguments == {"shop": 0}
    assert first.messages[2].content == '{"street": 0}' and first.tools[0]["function"]["name"] == "find"


def test_quotes_behind_a_space_hold_one_value(write: Write) -> None:
    rows = [f'"Where is shop {i}?", "Shop {i}, near the river, is in street {i}."' for i in range(COUNT)]
    report = datasets.check(write("a.csv", '"question", "answer"\n' + "\n".join(rows)))
    assert said(report)[1] == ("assistant", "Shop 0, near the river, is in street 0.")


@pytest.mark.parametrize("item", [{"type": []}, {"type": {}}, {"type": "reasoning", "summary": [{"text": 7}]}])
def test_what_only_looks_like_a_response_is_no_fault_of_ours(write: Write, item: dict[str, Any]) -> None:
    rows = [
        {"input": f"Where is {i}?", "output": [item, {"role": "assistant", "content": f"There {i}."}]}
        for i in range(COUNT)
    ]
    try:
        datasets.check(write("a.jsonl", lines(*rows)))
    except DatasetError as error:
        assert error.fix
