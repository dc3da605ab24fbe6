"""What services, annotators, chats and public collections export: read as it is meant, or said, or refused with a way out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from brightrun_tui import datasets
from brightrun_tui.datasets.guessing import guess_columns
from brightrun_tui.datasets.spelling import garbled_in, spelling_in
from brightrun_tui.domain.errors import DatasetError, UsageError
from tests.datasets.conftest import Write, first, kinds, lines

COUNT = 24
TOOL = {"type": "function", "function": {"name": "tide", "parameters": {"type": "object", "properties": {}}}}


def asked(i: int) -> str:
    return f"When is low tide on day {i}?"


def said(i: int) -> str:
    return f"On day {i} the water is lowest at {i % 24}:15 in the harbour."


def user(i: int) -> dict[str, Any]:
    return {"role": "user", "content": asked(i)}


def turn(i: int) -> dict[str, Any]:
    return {"role": "assistant", "content": said(i)}


ANSWERED = [("user", asked(0)), ("assistant", said(0))]


def test_an_annotators_decision_is_not_the_answer(write: Write) -> None:
    """Prodigy calls it ``answer``: what was rejected or passed over is not learnt, and the word itself never."""
    words = ("accept", "reject", "ignore")
    rows = [{"prompt": asked(i), "response": said(i), "answer": words[i % 3]} for i in range(COUNT)]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert first(report) == ANSWERED and report.usable == COUNT // 3 and "thumbs_down" in kinds(report)
    talks = [{"messages": [user(i), turn(i)], "answer": words[i % 3]} for i in range(COUNT)]
    assert datasets.check(write("b.jsonl", lines(*talks))).usable == COUNT // 3


def test_the_same_words_are_answers_where_they_are_all_there_is(write: Write) -> None:
    rows = [{"prompt": asked(i), "answer": ("accept", "reject")[i % 2]} for i in range(COUNT)]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert report.usable == COUNT and first(report)[-1] == ("assistant", "accept")


def test_few_discarded_records_are_not_learnt_though_their_answers_differ(write: Write) -> None:
    """They were taken for classes as long as there were no more than eight of them."""
    states = ("completed", "discarded", "pending")
    rows = [{"prompt": asked(i), "response": said(i), "status": states[i % 3]} for i in range(COUNT)]
    assert datasets.check(write("a.jsonl", lines(*rows))).usable == COUNT - COUNT // 3


def test_a_second_answer_is_named_with_a_way_to_it(write: Write) -> None:
    rows = [{"question": asked(i), "answer": f"{i % 24}:15", "response": said(i)} for i in range(COUNT)]
    (found,) = [one for one in datasets.check(write("a.jsonl", lines(*rows))).problems if one.kind == "two_answers"]
    assert "“response”" in found.what and "completion=NAME" in found.fix


@pytest.mark.parametrize(
    "returned",
    [
        {"id": "c", "usage": {}, "choices": [{"index": 0, "message": turn(0), "finish_reason": "stop"}]},
        {"object": "text_completion", "choices": [{"text": said(0), "index": 0, "finish_reason": "stop"}]},
        {"candidates": [{"content": {"parts": [{"text": said(0)}], "role": "model"}, "finishReason": "STOP"}]},
        {"model": "x", "message": turn(0), "done": True},
        {"output": {"message": {"role": "assistant", "content": [{"text": said(0)}]}}, "stopReason": "end_turn"},
        {"generated_text": said(0)},
    ],
    ids=["chat", "completion", "gemini", "ollama", "bedrock", "inference"],
)
def test_the_answer_is_taken_out_of_what_a_service_returned(write: Write, returned: dict[str, Any]) -> None:
    """Beside a question and behind a conversation; before, the whole object was learnt as JSON, or nothing."""

    def at(i: int) -> Any:
        return json.loads(json.dumps(returned).replace(said(0), said(i)))

    pairs = datasets.check(write("a.jsonl", lines(*({"prompt": asked(i), "response": at(i)} for i in range(COUNT)))))
    talks = datasets.check(write("b.jsonl", lines(*({"messages": [user(i)], "response": at(i)} for i in range(COUNT)))))
    assert first(pairs) == first(talks) == ANSWERED and not kinds(pairs) | kinds(talks) & {"unused_fields"}


@pytest.mark.parametrize(
    "answer",
    [
        {"question": "Which?", "choices": [{"text": "low"}, {"text": "high"}], "right": 0},
        {"text": "calm sea", "force": 2},
        {"message": "calm sea", "force": 2},
        {"system": "harbour"},
        {"output": {"message": "calm"}, "force": 2},
    ],
)
def test_an_answer_that_is_data_stays_whole(write: Write, answer: dict[str, Any]) -> None:
    rows = [
        {"prompt": asked(i), "completion": {**answer, **({"day": i} if len(answer) > 1 else {})}} for i in range(COUNT)
    ]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert json.loads(first(report)[-1][1]) == rows[0]["completion"] and "json_answer" in kinds(report)


def test_an_answer_that_a_limit_ended_is_named_within_a_response_too(write: Write) -> None:
    rows = [
        {"prompt": asked(i), "response": {"choices": [{"index": 0, "message": turn(i), "finish_reason": "length"}]}}
        for i in range(COUNT)
    ]
    assert kinds(datasets.check(write("a.jsonl", lines(*rows)))) == {"cut_by_limit"}


def test_a_request_with_its_answer_is_a_conversation(write: Write) -> None:
    """As tools that watch programs export it, with system text and tools within the request."""
    rows = [
        {"input": {"system": "Be brief.", "messages": [user(i)], "tools": [TOOL]}, "output": turn(i)}
        for i in range(COUNT)
    ]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert first(report) == [("system", "Be brief."), *ANSWERED] and report.preview[0].tools == (TOOL,)


def test_calls_and_tools_of_bedrock_are_read(write: Write) -> None:
    spec = {"name": "tide", "inputSchema": {"json": {"type": "object", "properties": {}}}}
    rows = [
        {
            "system": [{"text": "Be brief."}],
            "toolConfig": {"tools": [{"toolSpec": spec}]},
            "messages": [
                {"role": "user", "content": [{"text": asked(i)}]},
                {
                    "role": "assistant",
                    "content": [
                        {"reasoningContent": {"reasoningText": {"text": "I look it up.", "signature": "s"}}},
                        {"toolUse": {"toolUseId": "t", "name": "tide", "input": {"day": i}}},
                    ],
                },
                {"role": "user", "content": [{"toolResult": {"toolUseId": "t", "content": [{"json": {"hour": i}}]}}]},
                {"role": "assistant", "content": [{"text": said(i)}]},
            ],
        }
        for i in range(COUNT)
    ]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    record = report.preview[0]
    assert [message.role for message in record.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert record.messages[2].tool_calls[0].arguments == {"day": 0} and record.messages[2].reasoning == "I look it up."
    assert record.messages[3].content == '{"hour": 0}' and record.tools == (TOOL,)


def test_calls_that_a_table_holds_as_answers_are_calls_of_its_tools(write: Write) -> None:
    """Before, the tools were dropped without a word, and the calls learnt as text."""
    rows = [
        {
            "query": asked(i),
            "answers": json.dumps([{"name": "tide", "arguments": {"day": i}}]),
            "tools": json.dumps([TOOL]),
        }
        for i in range(COUNT)
    ]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    record = report.preview[0]
    assert record.messages[-1].tool_calls[0].arguments == {"day": 0} and not record.messages[-1].content
    assert record.tools == (TOOL,) and "calls" in kinds(report)


@pytest.mark.parametrize("tools", ["net, rod", {"rod": 2}, ["net", "rod"], [{"title": "rod"}]])
def test_a_column_of_other_tools_leaves_nothing_out(write: Write, tools: Any) -> None:
    rows = [{"prompt": asked(i), "completion": said(i), "tools": tools} for i in range(COUNT)]
    assert first(report := datasets.check(write("a.jsonl", lines(*rows)))) == ANSWERED and report.usable == COUNT


def test_exchanges_keep_their_system_text_and_their_marks(write: Write) -> None:
    """A question with its answer in one object of a conversation: both were dropped."""
    rows = [
        {
            "conversation": [
                {"system": "Be brief.", "input": asked(i), "output": "No idea.", "train": False},
                {"system": "Be brief.", "input": "Sure?", "output": said(i)},
            ]
        }
        for i in range(COUNT)
    ]
    report = datasets.check(write("a.json", json.dumps(rows)))
    messages = report.preview[0].messages
    assert [message.role for message in messages] == ["system", "user", "assistant", "user", "assistant"]
    assert [message.train for message in messages if message.role == "assistant"] == [False, True]


@pytest.mark.parametrize(
    "turns",
    [
        [{"role": "end-user", "body": asked(0)}, {"role": "agent", "body": said(0)}],
        [{"user": asked(0)}, {"assistant": said(0)}],
        [{"sender": "human", "text": asked(0), "uuid": "1"}, {"sender": "assistant", "text": said(0), "uuid": "2"}],
        [user(0), {"role": "assistant", "content": None, "refusal": said(0)}],
        [
            {"role": "user", "content": {"content_type": "text", "parts": [asked(0)]}},
            {"role": "assistant", "content": {"content_type": "text", "parts": [said(0)]}},
        ],
    ],
    ids=["help desk", "speaker and text", "another client", "refusal", "an object of parts"],
)
@pytest.mark.parametrize("field", ["messages", "chat_messages"])
def test_turns_of_further_tools_are_read(write: Write, field: str, turns: list[dict[str, Any]]) -> None:
    rows = [json.loads(json.dumps({field: turns}).replace("day 0", f"day {i}")) for i in range(COUNT)]
    assert first(datasets.check(write("a.jsonl", lines(*rows)))) == ANSWERED


def test_a_conversation_of_chatgpts_export_is_the_way_that_was_shown_last(write: Write) -> None:
    def node(name: str, parent: str | None, role: str, text: str) -> dict[str, Any]:
        content = {"content_type": "text", "parts": [text]}
        return {"id": name, "parent": parent, "message": {"author": {"role": role}, "content": content}}

    def talk(i: int) -> dict[str, Any]:
        nodes = [
            {"id": "top", "parent": None, "message": None},
            node("u", "top", "user", asked(i)),
            node("old", "u", "assistant", "No idea."),
            node("a", "u", "assistant", said(i)),
        ]
        return {"title": f"Tide {i}", "mapping": {one["id"]: one for one in nodes}, "current_node": "a"}

    assert first(datasets.check(write("a.json", json.dumps([talk(i) for i in range(COUNT)])))) == ANSWERED


@pytest.mark.parametrize("content", [{"content_type": ["text"], "parts": 5}, {"content_type": {}}, ["x"], None])
def test_a_message_of_no_known_form_in_such_an_export_is_no_fault_of_ours(write: Write, content: Any) -> None:
    message = {"author": {"role": "user"}, "content": content}
    talk = {"mapping": {"a": {"message": message, "parent": []}}, "current_node": "a"}
    with pytest.raises(DatasetError):
        datasets.check(write("a.json", json.dumps([talk, talk])))


def test_a_text_in_an_unknown_field_of_a_turn_is_the_reason(write: Write) -> None:
    rows = [
        {"messages": [{"role": "user", "plain": asked(i)}, {"role": "assistant", "plain": said(i)}]} for i in range(4)
    ]
    with pytest.raises(DatasetError, match="“plain”"):
        datasets.check(write("a.jsonl", lines(*rows)))


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("Created At", ("01.03.2024 11:00", "01.03.2024 10:00")),
        ("date", ("03/14/2024 1:05 PM", "03/14/2024 9:00 AM")),
        ("position", ("10", "9")),
        ("Turn number", ("2", "1")),
    ],
)
def test_newest_first_is_told_however_a_table_writes_it(write: Write, name: str, times: tuple[str, str]) -> None:
    """With an answer that seems to be to the next question, and where none is left."""

    def table(*order: int) -> str:
        texts = [(f"conversation_id,{name},role,content", "")]
        for i in range(COUNT):
            four = [
                ("user", "Sure?", 1),
                ("assistant", f"Yes, {i}.", 0),
                ("user", asked(i), 1),
                ("assistant", said(i), 0),
            ]
            texts += [(f'c{i},"{times[four[k][2]]}",{four[k][0]},"{four[k][1]}"', "") for k in order]
        return "\n".join(text for text, _ in texts)

    report = datasets.check(write("a.csv", table(3, 0, 1)))
    assert "unsorted" in kinds(report)
    with pytest.raises(DatasetError, match="before its question"):
        datasets.check(write("b.csv", table(3, 2)))


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("Date", ("02/11/2024 9:00 AM", "03/10/2024 1:05 PM")),
        ("Datum", ("01.03.2024 10:00", "02.03.2024 9:00")),
        ("index", ("9", "10")),
    ],
)
def test_an_order_that_may_be_right_is_not_doubted(write: Write, name: str, times: tuple[str, str]) -> None:
    rows = "".join(f'c{i},{times[0]},user,"{asked(i)}"\nc{i},{times[1]},assistant,"{said(i)}"\n' for i in range(COUNT))
    report = datasets.check(write("a.csv", f"conversation_id,{name},role,content\n{rows}"))
    assert first(report) == ANSWERED and "unsorted" not in kinds(report)


def test_messages_of_a_tree_are_not_called_conversations(write: Write) -> None:
    rows = [
        {
            "message_id": f"m{i}",
            "parent_id": f"m{i - i % 3}" if i % 3 else None,
            "role": "assistant" if i % 3 else "user",
            "text": said(i),
        }
        for i in range(COUNT)
    ]
    with pytest.raises(DatasetError, match="tree") as refused:
        datasets.check(write("a.jsonl", lines(*rows)))
    assert "conversation_id" not in refused.value.fix


def test_what_a_file_tells_for_all_records_is_said(write: Write) -> None:
    """A system text or a definition beside the list was dropped without a word."""
    rows = [{"input": asked(i), "output": said(i)} for i in range(COUNT)]
    for beside in ({"system_prompt": "You are the harbour."}, {"Definition": ["Say when low tide is."]}):
        report = datasets.check(write("a.json", json.dumps({**beside, "data": rows})))
        assert next(iter(beside)) in report.statement and "beside_list" in kinds(report)
    quiet = datasets.check(
        write("b.json", json.dumps({"prompt_version": "v1", "description": "Tides of the year", "data": rows}))
    )
    assert "beside_list" not in kinds(quiet)


def test_a_text_that_the_answers_may_rest_on_is_named_with_a_mapping_that_works(write: Write) -> None:
    story = (
        "The harbour lies at the end of the bay, and the water leaves it twice a day, as the old tables say it does. "
    )
    rows = [{"question": asked(i), "passage": f"{story}{i}", "answer": said(i)} for i in range(COUNT)]
    path = write("a.jsonl", lines(*rows))
    assert "long_unused" in kinds(datasets.check(path))
    mapped = datasets.check(path, columns={"prompt": "question", "completion": "answer", "context": "passage"})
    assert story in first(mapped)[0][1] and "long_unused" not in kinds(mapped)
    talks = write(
        "b.jsonl", lines(*({"context": "You are the harbour.", "messages": [user(i), turn(i)]} for i in range(COUNT)))
    )
    assert "long_unused" in kinds(datasets.check(talks))
    told = datasets.check(talks, columns={"messages": "messages", "system": "context"})
    assert first(told) == [("system", "You are the harbour."), *ANSWERED]
    with pytest.raises(UsageError, match="context") as refused:  # it had no effect
        datasets.check(talks, columns={"messages": "messages", "context": "context"})
    assert "system=context" in refused.value.fix


def test_explanations_and_prompts_put_together_are_not_called_missing(write: Write) -> None:
    rows = [
        {
            "instruction": asked(i),
            "output": said(i),
            "text": f"Below is an instruction that describes a task.\n\n### Instruction:\n{asked(i)}\n\n### Response:\n{said(i)}",
            "explanation": "Because it has been so for as long as anybody who lives at the harbour can remember it. "
            * 2,
        }
        for i in range(COUNT)
    ]
    assert not kinds(datasets.check(write("a.jsonl", lines(*rows)))) & {"long_unused", "two_answers"}


@pytest.mark.parametrize(
    ("choices", "question"),
    [
        ({"label": ["A", "B"], "text": ["low", "high"]}, "Which?\n\nA. low\nB. high"),
        ({"label": ["1", "2"], "text": ["low", "high"]}, "Which?\n\n1. low\n2. high"),
    ],
)
def test_choices_stand_in_the_question_with_the_marks_that_the_answer_names(
    write: Write, choices: dict[str, Any], question: str
) -> None:
    """A mapping was proposed that dropped them."""
    rows = [
        {"question": "Which?", "choices": choices, "answerKey": choices["label"][i % 2], "id": str(i)}
        for i in range(COUNT)
    ]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert first(report) == [("user", question), ("assistant", choices["label"][0])]
    mapped = datasets.check(write("b.jsonl", lines(*rows)), columns={"prompt": "question", "completion": "answerKey"})
    assert first(mapped) == first(report)


LONG = "The water leaves the bay twice a day, and comes back as often, as the old tables say. "


@pytest.mark.parametrize(
    ("row", "mapping"),
    [
        ({"article": LONG + "{i}", "summary": "Water {i} goes."}, {"prompt": "article", "completion": "summary"}),
        ({"document": LONG + "{i}", "abstract": "Water {i} goes."}, {"prompt": "document", "completion": "abstract"}),
        ({"text": LONG + "{i}", "title": "Tide {i}"}, {"prompt": "text", "completion": "title"}),
        ({"src": "The sea {i}.", "tgt": "Das Meer {i}."}, {"prompt": "src", "completion": "tgt"}),
        (
            {"ask": "Tide {i}?", "draft answer": LONG + "{i}", "final answer": "At {i}."},
            {"prompt": "ask", "completion": "final answer"},
        ),
        (
            {"Question": "Tide {i}?", "Best Answer": "At {i} sharp.", "Incorrect Answers": LONG + "{i}"},
            {"prompt": "Question", "completion": "Best Answer"},
        ),
        (
            {"Customer": "Anna{i}", "Request text": "Tide {i}?", "What we said": "At {i} sharp."},
            {"prompt": "Request text", "completion": "What we said"},
        ),
        (
            {
                "title": "Lamp {i}",
                "bullets": "LED; {i} W",
                "seo_text": "Lamp {i} is the light for every room you have.",
            },
            {"prompt": "bullets", "completion": "seo_text"},
        ),
        (
            {"question": "Tide {i}?", "model_answer": LONG + "{i}", "human_answer": "At {i}."},
            {"prompt": "question", "completion": "human_answer"},
        ),
        ({"body": "Tide {i}?", "user": "anna{i}"}, {}),
        ({"question": "Tide {i}?", "sent at": "2024-01-0{i} 10:00"}, {}),
        ({"goal": "Reach the pier {i}.", "way1": "Swim {i} miles.", "way2": "Walk {i} miles."}, {}),
        ({"name": "Tide {i} of May", "uuid": "a{i}-b"}, {}),
        ({"instruction": "Tide {i}?", "reply.suggestion": "At {i}.", "reply.responses": "['At {i}.']"}, {}),
    ],
    ids=lambda value: "-".join(value)[:40],
)
def test_a_mapping_is_proposed_the_right_way_round_or_none(row: dict[str, str], mapping: dict[str, str]) -> None:
    rows = [{name: text.format(i=i) for name, text in row.items()} for i in range(9)]
    assert guess_columns(rows) == mapping


def test_the_class_of_two_texts_is_mapped_with_both(write: Write) -> None:
    words = ("follows", "contradicts", "neither")
    rows = [
        {"premise": f"The sea is calm {i}.", "hypothesis": f"Boat {i} sails.", "label": words[i % 3]}
        for i in range(COUNT)
    ]
    assert guess_columns(rows) == {"prompt": "premise", "completion": "label", "context": "hypothesis"}
    numbers = [{**row, "label": i % 3} for i, row in enumerate(rows)]
    with pytest.raises(DatasetError) as refused:
        datasets.check(write("a.jsonl", lines(*numbers)))
    assert "“label” holds numbers" in refused.value.fix and "completion=" not in refused.value.fix


@pytest.mark.parametrize(
    "row",
    [
        {"question": asked(0), "response_j": said(0), "response_k": "No."},
        {"history": asked(0), "human_ref_A": said(0), "human_ref_B": "No.", "labels": 1},
        {"instruction": asked(0), "generations": [said(0), "No."], "ratings": [9, 2]},
        {"prompt": asked(0), "completions": [said(0), "No."], "labels": [True, False]},
        {"prompt": asked(0), "response": "No.", "revision": said(0)},
    ],
    ids=lambda row: "-".join(row),
)
def test_further_preferences_are_known_and_never_mapped_to_either_answer(write: Write, row: dict[str, Any]) -> None:
    rows = [json.loads(json.dumps(row).replace("day 0", f"day {i}")) for i in range(COUNT)]
    with pytest.raises(DatasetError) as refused:
        datasets.check(write("a.jsonl", lines(*rows)))
    assert refused.value.kind == "dataset_preferences"
    assert "completion=" not in refused.value.fix or "completion=revision" in refused.value.fix


def test_ratings_by_quality_are_said(write: Write) -> None:
    rows = [{"prompt": asked(i), "response": said(i), "helpfulness": i % 5} for i in range(COUNT)]
    assert "rated" in kinds(datasets.check(write("a.jsonl", lines(*rows))))


@pytest.mark.parametrize(
    "text",
    [
        "Gesch\ufffdft 7",
        "Магазин 7 на улице".encode().decode("cp1251", "replace"),
        "Магазин 7 на улице".encode().decode("latin1"),
        "商店在街上。".encode().decode("latin1"),
        "It is Â£7 at 20Â°C.",
        "It is 7 â‚¬.",
        "Er heiÃŸt so",
    ],
)
def test_letters_of_a_wrong_encoding_are_known(text: str) -> None:
    assert garbled_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "Où est « le café\u00a0» ? Voilà\u00a0», FORÊT». Ça va…",
        "DAS »MENÜ« NR. 7 ÄÖÜ ß° §5 ±2µ, STRAẞE",
        "A AMANHÃ” está na Rua 7, Ângela. NÃO… «MAÇû",
        "«СССР» и Рёва. Сіль, Рівне, СЈЕВЕР, Рјечник",
        "Ðà Nẵng, ĐÂU, Âu Cơ. Ðað, EÐA. SEÑOR",
        "Ø±7µ; Â ist ein Buchstabe; 5 â 7°C ± 2 € ‰ ™ ©",
        "東京は。 ร้าน อยู่ที่ไหน",
    ],
)
def test_letters_of_many_languages_are_not_taken_for_wrong_ones(text: str) -> None:
    assert not garbled_in(text)


@pytest.mark.parametrize(
    ("text", "example"),
    [
        ("Das Cafu00e9 in der Mu00fchlenstrau00dfe.", "u00e9"),
        ("in der M=C3=BChlenstra=C3=9Fe", "=C3=BC"),
        ("It%20is%20in%20street%207.", "%20"),
        ('He said \\"mill\\" and left.', '\\"'),
        ("First line_x000D_\nsecond.", "_x000D_"),
        ("'00417", "'0…"),
        ("See https://x.org/a%20b and more.", ""),
        ('{"a": "say \\"x\\""}', ""),
        ("x = 5 =\n6", ""),
        ("'twas so", ""),
    ],
)
def test_texts_that_exports_have_escaped_are_known(text: str, example: str) -> None:
    assert spelling_in(text) == example


def test_characters_that_nobody_sees_are_said_and_cleaned_except_where_a_script_needs_them(write: Write) -> None:
    rows = [{"prompt": asked(i), "completion": f"On\u200b day\ufeff {i} at \u00adnoon."} for i in range(COUNT)]
    path = write("a.jsonl", lines(*rows))
    assert "invisible" in kinds(datasets.check(path))
    assert next(iter(datasets.read(path, clean=True))).messages[-1].content == "On day 0 at noon."
    thai = [
        {"prompt": f"ร้าน\u200b{i}\u200bอยู่ไหน", "completion": f"ร้าน\u200bอยู่ที่ {i} 👨\u200d👩\u200d👧"}
        for i in range(COUNT)
    ]
    assert "invisible" not in kinds(datasets.check(write("b.jsonl", lines(*thai))))


@pytest.mark.parametrize(
    "markup", ["<b>{}</b>", "<h2>{}</h2>", '<img src="x.png"> {}', "<@U99ZZZ> {}", "<https://x.org|{}>"]
)
def test_the_markup_of_editors_and_chats_is_said(write: Write, markup: str) -> None:
    rows = [{"prompt": asked(i), "completion": markup.format(said(i))} for i in range(COUNT)]
    assert "markup" in kinds(datasets.check(write("a.jsonl", lines(*rows))))


def test_a_stop_word_behind_every_answer_is_said_and_one_behind_few_is_not(write: Write) -> None:
    for name, each, expected in (("a", 1, True), ("b", 3, False)):
        rows = [{"prompt": asked(i), "completion": said(i) + ("" if i % each else " END")} for i in range(COUNT)]
        assert ("stop_word" in kinds(datasets.check(write(f"{name}.jsonl", lines(*rows))))) is expected


@pytest.mark.parametrize(
    "mail",
    [
        "On Mon, May 1, 2024 at 10:00 AM Anna <anna@x.org> wrote:\n> When?",
        "Am 01.05.2024 um 10:00 schrieb Anna:\n> Wann?",
        "-----Original Message-----\nFrom: Anna",
    ],
)
def test_the_mail_below_an_answer_is_said(write: Write, mail: str) -> None:
    rows = [{"prompt": asked(i), "completion": f"{said(i)}\n\n{mail}"} for i in range(COUNT)]
    assert "quoted_mail" in kinds(datasets.check(write("a.jsonl", lines(*rows))))
    plain = [{"prompt": asked(i), "completion": f"On day {i} he wrote: come -- or stay."} for i in range(COUNT)]
    assert "quoted_mail" not in kinds(datasets.check(write("b.jsonl", lines(*plain))))


@pytest.mark.parametrize("answer", ["see above", "s.o.", "ditto", '"'])
def test_an_answer_that_points_to_another_row_is_said(write: Write, answer: str) -> None:
    rows = [{"prompt": asked(i), "completion": said(i) if i % 4 else answer} for i in range(COUNT)]
    assert "placeholder" in kinds(datasets.check(write("a.jsonl", lines(*rows))))


def test_of_several_answers_to_turns_the_first_is_learnt(write: Write) -> None:
    """They were put together to one."""
    rows = [{"input": [user(i)], "ideal": [said(i), f"At {i}."]} for i in range(COUNT)]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert first(report) == ANSWERED and "several_answers" in kinds(report)
