"""Requests with their answers as logs keep them, rows that say more than their cells, and answers that are none yet."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from brightrun_tui import datasets
from brightrun_tui.datasets.answers import remarks_on
from brightrun_tui.datasets.credentials import credentials_in
from brightrun_tui.datasets.spelling import spelling_in
from brightrun_tui.domain.dataset import Message, Record
from tests.datasets.conftest import Write, first, kinds, lines

COUNT = 24
RULES = "You work at the lighthouse museum."


def asked(i: int) -> str:
    return f"Which lamp stood in tower {i}?"


def said(i: int) -> str:
    return f"Tower {i} had a lamp with {i + 3} wicks until {1850 + i}."


def user(i: int) -> dict[str, Any]:
    return {"role": "user", "content": asked(i)}


def turn(i: int) -> dict[str, Any]:
    return {"role": "assistant", "content": said(i)}


def request(i: int) -> dict[str, Any]:
    return {"model": "m-1", "messages": [{"role": "system", "content": RULES}, user(i)], "max_tokens": 64}


def of_langchain(kind: str, name: str, text: str) -> dict[str, Any]:
    return {"lc": 1, "type": "constructor", "id": ["langchain", name], "kwargs": {"content": text, "type": kind}}


ANSWERED = [("system", RULES), ("user", asked(0)), ("assistant", said(0))]
CHOICES = "choices"


@pytest.mark.parametrize(
    "record",
    [
        lambda i: {
            "custom_id": f"{i}",
            "request": {"method": "POST", "body": request(i)},
            "response": {"status_code": 200, "body": {CHOICES: [{"index": 0, "message": turn(i)}]}},
        },
        lambda i: {
            "request": {"contents": [{"role": "user", "parts": [{"text": asked(i)}]}], "systemInstruction": RULES},
            "response": {"candidates": [{"content": {"role": "model", "parts": [{"text": said(i)}]}}]},
        },
        lambda i: {
            "params": {"system": RULES, "messages": [user(i)]},
            "result": {"type": "succeeded", "message": {**turn(i), "stop_reason": "end_turn"}},
        },
        lambda i: {
            "modelInput": {"system": RULES, "messages": [user(i)]},
            "modelOutput": {"role": "assistant", "content": [{"type": "text", "text": said(i)}]},
        },
        lambda i: {
            "operation": "InvokeModel",
            "input": {"inputBodyJson": {"system": RULES, "messages": [user(i)]}},
            "output": {"outputBodyJson": {"role": "assistant", "content": [{"type": "text", "text": said(i)}]}},
        },
        lambda i: {"inputs": request(i), "output": {CHOICES: [{"message": turn(i)}]}, "summary": {"calls": 1}},
        lambda i: {
            "inputs": {
                "messages": [
                    [of_langchain("system", "SystemMessage", RULES), of_langchain("human", "HumanMessage", asked(i))]
                ]
            },
            "outputs": {"generations": [[{"text": said(i), "message": of_langchain("ai", "AIMessage", said(i))}]]},
        },
        lambda i: {"preamble": RULES, "chat_history": [], "message": asked(i), "text": said(i)},
        lambda i: {
            "request_body": json.dumps(request(i)),
            "response_body": json.dumps({CHOICES: [{"message": turn(i)}]}),
        },
    ],
)
def test_a_request_and_its_answer_are_read_out_of_logs(write: Write, record: Any) -> None:
    """Of batches, gateways and tools that watch models, whatever the two are wrapped in."""
    report = datasets.check(write("log.jsonl", lines(*map(record, range(COUNT)))))
    assert report.usable == COUNT and first(report) == ANSWERED


def test_answers_of_a_log_that_were_disliked_or_cut_off_are_heard(write: Write) -> None:
    rows = [
        {
            "request": request(i),
            "response": {**turn(i), "stop_reason": "max_tokens" if i % 6 == 1 else "end_turn"},
            "feedback": {"rating": i % 4 != 0},
        }
        for i in range(COUNT)
    ]
    report = datasets.check(write("log.jsonl", lines(*rows)))
    found = {problem.kind: problem.count for problem in report.problems}
    assert (report.usable, found["thumbs_down"], found["cut_by_limit"]) == (COUNT * 3 // 4, 6, 4)


def test_a_response_that_was_left_incomplete_is_said(write: Write) -> None:
    rows = [
        {
            "instructions": RULES,
            "input": [user(i)],
            "incomplete_details": {"reason": "max_output_tokens"} if i % 3 == 0 else None,
            "output": [{"type": "message", **turn(i)}],
        }
        for i in range(COUNT)
    ]
    report = datasets.check(write("log.jsonl", lines(*rows)))
    assert next(each.count for each in report.problems if each.kind == "cut_by_limit") == COUNT // 3


def test_of_answers_out_of_their_order_the_first_is_learnt(write: Write) -> None:
    rows = [
        {"messages": [user(i)], CHOICES: [{"index": 1, "message": turn(i + 50)}, {"index": 0, "message": turn(i)}]}
        for i in range(COUNT)
    ]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert first(report) == ANSWERED[1:] and "several_answers" in kinds(report)


def test_what_annotators_discarded_is_not_learnt_and_the_rest_is_no_json(write: Write) -> None:
    """Responses with who wrote them and what became of them, as a list of objects or an object of lists."""
    states = ["discarded" if i % 4 == 0 else "submitted" for i in range(COUNT)]
    rows = [
        {"prompt": asked(i), "response": [{"user_id": None, "value": said(i), "status": state}]}
        for i, state in enumerate(states)
    ]
    columns = [
        {"prompt": asked(i), "response": {"user_id": ["u"], "value": [said(i)], "status": [state]}}
        for i, state in enumerate(states)
    ]
    for given in (rows, columns):
        report = datasets.check(write("a.jsonl", lines(*given)))
        assert report.usable == COUNT * 3 // 4
        assert first(report) == [("user", asked(1)), ("assistant", said(1))]


def test_thoughts_in_parts_of_their_own_are_thoughts(write: Write) -> None:
    """Mistral's clients write them as parts within a part."""
    rows = [
        {
            "messages": [
                user(i),
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": [{"type": "text", "text": f"Look up tower {i}."}]},
                        {"type": "text", "text": said(i)},
                    ],
                },
            ]
        }
        for i in range(COUNT)
    ]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert report.preview[0].messages[-1].reasoning == "Look up tower 0." and "thoughts" in kinds(report)


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([{"text": "The lamp bur"}, {"text": "ned whale oil."}], "The lamp burned whale oil."),
        (
            [
                {"type": "text", "text": "It burned "},
                {"type": "text", "text": "whale oil"},
                {"type": "text", "text": "."},
            ],
            "It burned whale oil.",
        ),
        (
            [{"type": "text", "text": "It burned oil."}, {"type": "text", "text": "Whale oil."}],
            "It burned oil.\nWhale oil.",
        ),
    ],
)
def test_a_sentence_that_was_cut_into_parts_is_whole_again(write: Write, parts: Any, text: str) -> None:
    """Marks of sources and streams cut within sentences, where a line break would be learnt."""
    rows = [{"messages": [user(i), {"role": "assistant", "content": parts}]} for i in range(COUNT)]
    assert first(datasets.check(write("a.jsonl", lines(*rows))))[1] == ("assistant", text)


def test_tools_that_are_texts_are_tools(write: Write) -> None:
    tool = json.dumps({"type": "function", "function": {"name": "archive", "parameters": {"type": "object"}}})
    rows = [{"messages": [user(i), turn(i)], "tools": [tool]} for i in range(COUNT)]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert report.preview[0].tools[0]["function"]["name"] == "archive"


@pytest.mark.parametrize(
    "mark",
    [
        {"is_test": 1},
        {"for_testing": "yes"},
        {"use_for_validation": True},
        {"metadata": {"dataset_split": ["test"]}},
        {"meta": {"subset": "holdout"}},
    ],
)
def test_what_says_that_it_is_for_testing_is_not_learnt(write: Write, mark: dict[str, Any]) -> None:
    rows = [{"prompt": asked(i), "completion": said(i), **(mark if i % 4 == 0 else {})} for i in range(COUNT)]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert report.usable == COUNT * 3 // 4 and "kept_for_testing" in kinds(report)


def test_what_speaks_of_tests_is_learnt(write: Write) -> None:
    """A number of tests, and a subject called so, are no marks."""
    rows = [
        {"prompt": asked(i), "completion": said(i), "tests": 1, "test_name": "test", "evaluation": 1}
        for i in range(COUNT)
    ]
    assert datasets.check(write("a.jsonl", lines(*rows))).usable == COUNT


@pytest.mark.parametrize("mark", ["outdated", "is_hallucination"])
def test_answers_that_are_marked_as_no_longer_right_are_not_learnt(write: Write, mark: str) -> None:
    rows = [{"prompt": asked(i), "completion": said(i), mark: i % 4 == 0} for i in range(COUNT)]
    assert datasets.check(write("a.jsonl", lines(*rows))).usable == COUNT * 3 // 4


def test_rows_that_name_the_speakers_part_are_conversations(write: Write) -> None:
    table = "Ticket ID\tSender Type\tMessage Text\n" + "".join(
        f"{i}\tVisitor\t{asked(i)}\n{i}\tAgent\t{said(i)}\n" for i in range(COUNT)
    )
    report = datasets.check(write("chat.tsv", table))
    assert report.usable == COUNT and first(report) == ANSWERED[1:]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Câu hỏi", "Câu trả lời"),
        ("السؤال", "الجواب"),
        ("Въпрос", "Отговор"),
        ("Swali", "Jibu"),
        ("SORU", "YANIT"),
        ("问", "答"),
    ],
)
def test_further_languages_name_their_columns(write: Write, question: str, answer: str) -> None:
    """Also where the texts themselves do not tell which is which."""
    rows = "".join(f"{said(i)};{said(i + 40)}\n" for i in range(COUNT))
    report = datasets.check(write("a.csv", f"{question};{answer}\n{rows}"))
    assert first(report) == [("user", said(0)), ("assistant", said(40))]


UNFILLED = [
    *(
        "k. A.",
        "wird noch ergänzt",
        "(siehe unten)",
        "to be confirmed",
        "[pending]",
        "not available.",
        "à compléter",
        "por definir",
    ),
    *(
        "da compilare",
        "n.v.t.",
        "brak odpowiedzi",
        "нет данных",
        "待补充",
        "未記入",
        "해당 없음",
        "لا يوجد",
        "chưa có",
        "#REF!",
    ),
]


@pytest.mark.parametrize("word", UNFILLED)
def test_an_answer_that_is_none_yet_is_named_in_every_language(write: Write, word: str) -> None:
    rows = [{"prompt": asked(i), "completion": word if i % 8 == 0 else said(i)} for i in range(COUNT)]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert "unfilled" in kinds(report)


def test_a_label_that_sounds_like_it_is_a_label(write: Write) -> None:
    labels = ("pending", "solved", "unknown")
    rows = [{"prompt": asked(i), "completion": labels[i % 3]} for i in range(COUNT)]
    assert "unfilled" not in kinds(datasets.check(write("a.jsonl", lines(*rows))))


def _said_of(answer: str, question: str = "Which lamp was the last one?") -> dict[str, str]:
    record = Record(
        id="1", messages=(Message(role="user", content=question), Message(role="assistant", content=answer))
    )
    return dict(remarks_on(record, [answer]))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("The electric one.\nUser: Thank you!\nAssistant: With pleasure.", "goes_on"),
        ("The electric one.\nKunde: Danke!\nBerater: Gern.", "goes_on"),
        ("The electric one.\n\nHuman: And the first one?", "goes_on"),
        ("The electric one. [1][3]", "chat_page"),
        ("The electric one.\n\nSources:\n[1] https://towers.example/lamps", "chat_page"),
        ("作为一个人工智能语言模型，我不知道。", "assistant_talk"),
        ("Как языковая модель, я не знаю.", "assistant_talk"),
        ("Here is a polished version of your reply:\n\nThe electric one.", "assistant_talk"),
    ],
)
def test_what_an_answer_holds_besides_itself_is_named(answer: str, kind: str) -> None:
    assert kind in _said_of(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "Write to:\nCustomer: Mrs Holm\nOrder: 12",
        "Take `rows[1][2]`, the third cell.",
        "Here is a possible route to the tower: along the pier.",
        "Here are the sources:\n1. the logbook\n2. the chart",
    ],
)
def test_what_only_looks_a_little_like_it_is_left_alone(answer: str) -> None:
    assert not _said_of(answer).keys() & {"goes_on", "chat_page", "assistant_talk"}


def test_the_number_of_a_row_before_question_and_answer_is_said(write: Write) -> None:
    rows = [{"prompt": f"Q{i}: {asked(i)}", "completion": f"A{i}: {said(i)}"} for i in range(COUNT)]
    assert "numbered" in kinds(datasets.check(write("a.jsonl", lines(*rows))))


@pytest.mark.parametrize(
    "text",
    [
        r"{\rtf1\ansi The last lamp.\par}",
        '=CONCATENATE("The last"," lamp")',
        base64.b64encode(b"The last lamp was electric.").decode(),
    ],
)
def test_a_text_that_only_a_program_reads_is_named(text: str) -> None:
    assert spelling_in(text)


@pytest.mark.parametrize("text", ["=5", "= 12 lamps (all)", "AnInternationalizationOfLighthouses1", "{\\r}"])
def test_a_text_that_people_read_is_not(text: str) -> None:
    assert not spelling_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "mysql://root:lamp0il99@db.tower.example/log",
        "AccountKey=" + "Ab1+" * 20 + "==",
        "https://hooks.slack.com/services/T0A1B2C3D/B0A1B2C3D/" + "aB3dE5gH7jK9" * 2,
        "The Wi-Fi password: Fog8horn",
        "WLAN-Schlüssel lautet Fog8horn9",
        "curl -H 'Authorization: Bearer " + "0a1b2c3d" * 4 + "'",
        "export LAMP_API_KEY=9f8e7d6c5b4a",
        "1234567890:AA" + "Hk3_pQ9z" * 4,
    ],
)
def test_further_keys_and_passwords_are_told(text: str) -> None:
    assert credentials_in([text])


@pytest.mark.parametrize(
    "text",
    [
        "Set API_KEY=<your key> first.",
        "https://museum.example:8080/towers",
        "Write to ida@tower.example about ship://log.",
        "The wifi code is on the wall.",
        "TOKEN=$LAMP_TOKEN1",
        "Authorization: see chapter 4.",
    ],
)
def test_what_only_speaks_of_them_is_none(text: str) -> None:
    assert not credentials_in([text])


FACTS = (
    ("fresnel lens", "The fresnel lens came from Paris"),
    ("fog horn", "The fog horn sounds twice a minute"),
    ("keeper's cottage", "The cottage may be rented in winter"),
    ("spiral stairs", "There are 199 stairs to the gallery"),
    ("paraffin store", "Paraffin was kept below the stairs"),
    ("boat house", "Behind the boat house lies the slipway"),
    ("weather station", "The weather station reports every hour"),
    ("radio mast", "The mast was taken down in spring"),
    ("shop", "The shop sells charts and postcards"),
    ("café", "The café bakes its own scones"),
    ("harbour bell", "The bell is rung for every wedding"),
    ("museum ticket", "A ticket is valid for two days"),
)


@pytest.mark.parametrize(("begin", "by"), [(0, "before"), (0, "behind"), (10, "before")])
def test_answers_that_slipped_by_a_row_are_named(write: Write, begin: int, by: str) -> None:
    """All of them, or from some row on; the own answer shares no word with the question any more."""
    facts = [
        (f"{thing} {place}", f"{what}, {place}")
        for place in ("Skagen", "Ouessant", "Eddystone")
        for thing, what in FACTS
    ]
    step = 1 if by == "before" else -1
    rows = [
        {
            "prompt": f"Tell me about the {facts[i][0]}.",
            "completion": facts[(i + step) % len(facts) if i >= begin else i][1] + ".",
        }
        for i in range(len(facts))
    ]
    found = {problem.kind: problem for problem in datasets.check(write("a.jsonl", lines(*rows))).problems}
    assert f"of the record {by}" in found["slipped"].what
    straight = [{"prompt": f"Tell me about the {asking}.", "completion": answer + "."} for asking, answer in facts]
    assert "slipped" not in kinds(datasets.check(write("b.jsonl", lines(*straight))))


def test_answers_that_end_at_a_number_of_words_or_within_a_sentence_are_named(write: Write) -> None:
    long = [" ".join(f"Lamp {n} of tower {7**i} was lit in {1850 + n}." for n in range(9)) for i in range(COUNT)]
    cut = [{"prompt": asked(i), "completion": " ".join(text.split()[:33])} for i, text in enumerate(long)]
    found = {each.kind: each for each in datasets.check(write("a.jsonl", lines(*cut))).problems}
    assert "33 words" in found["cut_short"].what
    some = [
        {"prompt": asked(i), "completion": said(i) if i % 4 else f"Tower {i} had a lamp with wicks until the"}
        for i in range(COUNT)
    ]
    assert "open_ended" in kinds(datasets.check(write("b.jsonl", lines(*some))))
    signed = [
        {"prompt": asked(i), "completion": said(i) + ("" if i % 4 else "\nYours, Ida Holm")} for i in range(COUNT)
    ]
    assert "open_ended" not in kinds(datasets.check(write("c.jsonl", lines(*signed))))


def test_a_question_is_the_same_with_a_mark_behind_it_or_without(write: Write) -> None:
    rows = [
        {"prompt": asked(i % 12) if i < 12 else asked(i % 12).upper()[:-1], "completion": said(i)} for i in range(COUNT)
    ]
    assert "other_answer" in kinds(datasets.check(write("a.jsonl", lines(*rows))))


def test_the_euro_of_an_older_encoding_is_a_euro(write: Write) -> None:
    table = "Frage;Antwort\n" + "".join(
        f"Was kostet Turm {i}?;Der Besuch kostet für alle {i + 2},50 €.\n" for i in range(COUNT)
    )
    report = datasets.check(write("a.csv", table.encode("iso8859-15")))
    assert first(report)[1] == ("assistant", "Der Besuch kostet für alle 2,50 €.")


def test_the_markup_of_forums_is_named(write: Write) -> None:
    rows = [{"prompt": asked(i), "completion": f"[b]{said(i)}[/b]"} for i in range(COUNT)]
    assert "markup" in kinds(datasets.check(write("a.jsonl", lines(*rows))))


def test_lines_that_end_as_on_old_macs_are_lines(write: Write) -> None:
    """Also some among others, and not those within quotes."""
    rows = [("Question", "Answer"), *((asked(i), f"{said(i)}\rSee the log.") for i in range(COUNT))]
    ends = ("\r", "\n", "\r\n")
    for only in (("\r",), ends):
        table = "".join(f'"{question}","{answer}"{only[i % len(only)]}' for i, (question, answer) in enumerate(rows))
        report = datasets.check(write("a.csv", table))
        assert report.usable == COUNT and first(report)[0] == ("user", asked(0))
        assert report.preview[0].messages[1].content.split() == f"{said(0)} See the log.".split()


def test_the_mark_before_a_quoted_line_is_no_part_of_it(write: Write) -> None:
    """Of a table that was put behind another one."""
    table = "Question,Answer\n" + "".join(
        f'{"﻿" if i == 9 else ""}"{asked(i)}","{said(i)}, they say"\n' for i in range(COUNT)
    )
    assert datasets.check(write("a.csv", table)).usable == COUNT


def test_numbers_beside_a_question_are_no_text_of_it(write: Write) -> None:
    """Ollama writes down the state of the model behind its answer."""
    rows = [{"prompt": asked(i), "response": said(i), "context": [3, 5, 8], "done": True} for i in range(COUNT)]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert report.usable == COUNT and first(report) == ANSWERED[1:]
