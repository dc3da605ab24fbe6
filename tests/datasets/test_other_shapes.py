"""Shapes in which other tools keep conversations, tables and texts: read whole, or refused with the true reason."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from brightrun_tui import datasets
from brightrun_tui.domain.dataset import DatasetReport, Record
from brightrun_tui.domain.errors import DatasetError
from tests.datasets.conftest import Write, lines

COUNT = 24
ASKED, SAID = "Which tide is next?", "The low one, at noon."
PAIR = [("user", ASKED), ("assistant", SAID)]


def kinds(report: DatasetReport) -> set[str]:
    return {problem.kind for problem in report.problems if problem.kind != "few_records"}


def many(row: dict[str, Any]) -> str:
    """So many records of this form, each with its number in every text that ends in a full stop or question mark."""
    made = (
        json.dumps(row, ensure_ascii=False).replace("?", f" ({i})?").replace("noon.", f"noon {i}.")
        for i in range(COUNT)
    )
    return "".join(f"{line}\n" for line in made)


def first(path: Path) -> Record:
    return next(datasets.read(path))


def said(record: Record) -> list[tuple[str, str]]:
    return [
        (message.role, message.content.replace(" (0)", "").replace("noon 0", "noon")) for message in record.messages
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"dialogue": [{"speaker": "Customer", "text": ASKED}, {"speaker": "Agent", "text": SAID}]},
        {"Messages": [{"Role": "User", "Content": ASKED}, {"Role": "Assistant", "Content": SAID}]},
        {"turns": [{"role": "user", "message": ASKED}, {"role": "assistant", "message": SAID}]},
        {"contents": [{"role": "user", "parts": [{"text": ASKED}]}, {"role": "model", "parts": [{"text": SAID}]}]},
        {"conversation": [{"human": ASKED, "assistant": SAID}]},
        {"messages": [{"role": "user", "content": ASKED}], "completion": SAID},
        {"messages": [{"role": "user", "content": ASKED}], "response": {"role": "assistant", "content": SAID}},
        {"input": [{"role": "user", "content": ASKED}], "ideal": SAID},
        {"prompt": ASKED, "completion": [{"role": "assistant", "content": SAID}]},
        {"row_idx": 3, "row": {"prompt": ASKED, "completion": SAID}, "truncated_cells": []},
        {"text": f"### Human: {ASKED}### Assistant: {SAID}"},
        {"text": f"### Instruction:\nAnswer.\n\n### Input:\n{ASKED}\n\n### Response:\n{SAID}"},
        {"text": f"USER: {ASKED} ASSISTANT: {SAID}</s>"},
        {"text": f"<｜begin▁of▁sentence｜><｜User｜>{ASKED}<｜Assistant｜>{SAID}<｜end▁of▁sentence｜>"},
        {"text": f"<|im_start|>user<|im_sep|>{ASKED}<|im_end|><|im_start|>assistant<|im_sep|>{SAID}<|im_end|>"},
        {"text": "".join(f"<|header_start|>{who}<|header_end|>\n\n{text}<|eot|>" for who, text in PAIR)},
    ],
    ids=lambda row: json.dumps(row)[:50],
)
def test_a_conversation_is_found_whatever_its_fields_are_called(write: Write, row: dict[str, Any]) -> None:
    record = first(write("a.jsonl", many(row)))
    assert said(record)[-1] == ("assistant", SAID) and said(record)[0][1].endswith(ASKED) and len(record.messages) == 2


@pytest.mark.parametrize(
    "beside",
    [
        {"items": [{"name": "Ada", "role": "engineer"}]},
        {"turns": 3, "chat": "yes"},
        {"contents": [{"from": "Hull", "to": "York", "text": "Sail"}]},
        {"correct_answer": "no", "preferred_language": "en", "train": "ICE 7", "expected_at": "noon"},
        {"tags": ["a", "b"], "scores": [1, 2], "best_before": "May", "worst_case": "rain"},
    ],
    ids=lambda row: ",".join(row),
)
def test_fields_that_only_sound_so_change_nothing(write: Write, beside: dict[str, Any]) -> None:
    """A list of people with roles is no conversation, and a train on rails no mark."""
    report = datasets.check(write("a.jsonl", many({"prompt": ASKED, "completion": SAID, **beside})))
    assert report.usable == COUNT and report.format == "prompt-completion"


@pytest.mark.parametrize(
    "text",
    [
        f"<s>[INST] {ASKED} [/INST][TOOL_CALLS] [{{}}]</s>[TOOL_RESULTS] 7[/TOOL_RESULTS] {SAID}</s>",
        f"<|im_start|>user\n{ASKED}<|im_end|>\nA note between.\n<|im_start|>assistant\n{SAID}<|im_end|>",
        "There was a lighthouse.",
    ],
)
def test_a_text_that_cannot_be_taken_apart_whole_is_refused(write: Write, text: str) -> None:
    """What belongs to no turn would be lost without a word."""
    with pytest.raises(DatasetError, match="no chat format that is known"):
        datasets.check(write("a.jsonl", many({"text": text})))


def test_what_stands_before_the_first_turn_is_the_system_text(write: Write) -> None:
    preamble = "A chat between a sailor and an assistant."
    row = {"text": f"{preamble} USER: {ASKED} ASSISTANT: {SAID}</s>USER: And then? ASSISTANT: High water.</s>"}
    assert [role for role, _ in said(first(write("a.jsonl", many(row))))] == ["system", *["user", "assistant"] * 2]


@pytest.mark.parametrize(
    "prompt",
    [
        f"### Instruction:\n{ASKED}\n\n### Response:\n",
        f"\n\nHuman: {ASKED}\n\nAssistant:",
        f"{ASKED}\n\n###\n\n",
        "Hi<|im_sep|>",
    ],
)
def test_a_prompt_in_a_form_of_its_own_is_told(write: Write, prompt: str) -> None:
    """It would be put into the base model's form once more."""
    assert "marks" in kinds(datasets.check(write("a.jsonl", many({"prompt": prompt, "completion": SAID}))))


def test_cleaning_keeps_what_a_turn_says_before_the_next_one_begins(write: Write) -> None:
    """A model that did not stop wrote the next question, too."""
    rows = [
        {
            "prompt": f"### Instruction:\n{ASKED} {i}\n\n### Response:\n",
            "completion": f"{SAID}<|im_end|>\n<|im_start|>user\nAnd?",
        }
        for i in range(3)
    ]
    record = next(datasets.read(write("a.jsonl", lines(*rows)), clean=True))
    assert [(m.role, m.content) for m in record.messages] == [("user", f"{ASKED} 0"), ("assistant", SAID)]


def test_cleaning_takes_away_separators_and_keeps_thoughts_apart(write: Write) -> None:
    thought = "<|begin_of_thought|>ebb<|end_of_thought|><|begin_of_solution|>"
    rows = [
        {"prompt": f"{ASKED} {i}\n\n###\n\n", "completion": f"{thought}{SAID}<|end_of_solution|>"} for i in range(3)
    ]
    record = next(datasets.read(write("a.jsonl", lines(*rows)), clean=True))
    assert [m.content for m in record.messages] == [f"{ASKED} 0", f"<think>ebb</think>{SAID}"]


@pytest.mark.parametrize(
    ("turn", "thoughts", "answer"),
    [
        ({"content": SAID, "thought": "ebb"}, "ebb", SAID),
        ({"content": SAID, "reasoning": {"text": "ebb"}}, "ebb", SAID),
        ({"content": SAID, "reasoning_details": [{"type": "reasoning.text", "text": "ebb"}]}, "ebb", SAID),
        ({"content": [{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": SAID}]}, "", SAID),
        ({"content": f"ebb\n</think>\n\n{SAID}"}, "", f"<think>\nebb\n</think>\n\n{SAID}"),
        ({"content": f"<think>ebb</think>{SAID}", "reasoning_content": "ebb"}, "", f"<think>ebb</think>{SAID}"),
        ({"content": f"<think>ebb</think>{SAID}", "reasoning": "moon"}, "", f"<think>\nmoon\nebb\n</think>\n\n{SAID}"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_thoughts_are_kept_and_only_once(write: Write, turn: dict[str, Any], thoughts: str, answer: str) -> None:
    """In fields, objects and parts, and in the answer, also without the opening that a prompt held."""
    row = {"messages": [{"role": "user", "content": ASKED}, {"role": "assistant", **turn}]}
    message = first(write("a.jsonl", lines(row, row))).messages[-1]
    assert (message.reasoning, message.content) == (thoughts, answer)


def test_thoughts_without_an_end_are_told(write: Write) -> None:
    row = {"prompt": ASKED, "completion": f"<think>It is {SAID}"}
    assert "open_thoughts" in kinds(datasets.check(write("a.jsonl", many(row))))


@pytest.mark.parametrize("answer", ["\u200b\u00a0\n", "\ufeff", "nan", "<NA>", "\u2800"])
def test_an_answer_that_nobody_can_see_is_none(write: Write, answer: str) -> None:
    """Zero-width marks, and what pandas makes of an empty cell, in whatever file."""
    rows = [{"prompt": f"{ASKED} {i}", "completion": SAID if i else answer} for i in range(3)]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert report.usable == 2 and "no_answer" in kinds(report)


def test_calls_and_results_in_parts_are_calls_and_results(write: Write) -> None:
    """As Anthropic's clients write them, beside texts; speakers with dashes are those with underscores."""
    row = {
        "messages": [
            {"role": "user", "content": ASKED},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "A moment."},
                    {"type": "tool_use", "id": "t", "name": "tide", "input": {"n": 1}},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "low"}]}],
            },
            {"role": "assistant", "content": SAID},
        ]
    }
    record = first(write("a.jsonl", lines(row, row)))
    assert [m.role for m in record.messages] == ["user", "assistant", "tool", "assistant"]
    assert record.messages[1].tool_calls[0].arguments == {"n": 1} and record.messages[2].content == "low"
    spoken = [("human", ASKED), ("function-call", '{"name": "tide"}'), ("function-response", "low"), ("gpt", SAID)]
    row = {"conversations": [{"from": who, "value": what} for who, what in spoken]}
    assert [m.role for m in first(write("b.jsonl", lines(row, row))).messages] == [
        "user",
        "assistant",
        "tool",
        "assistant",
    ]


def test_what_is_asked_of_a_picture_is_not_learnt(write: Write) -> None:
    """The text names a picture that is not in it; one that only lies beside the text is told."""
    rows = [
        {"image": "a.png", "prompt": f"<image>\nWhat is on it, {i}?", "completion": f"A boat, {i}."} for i in range(3)
    ]
    rows += [
        {"image": "b.png", "prompt": f"What is {i} fathoms?", "completion": f"{i} fathoms is deep."}
        for i in range(COUNT)
    ]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert report.usable == COUNT and kinds(report) >= {"not_text", "media"} and "<image>" in report.statement


def test_an_answer_that_is_data_is_learnt_as_json(write: Write) -> None:
    """With the digits that the file has."""
    row = '{"prompt": "Read bill %d.", "completion": {"total": 1.10, "items": ["Öl", 2], "paid": null}}\n'
    path = write("a.jsonl", "".join(row % i for i in range(3)))
    assert first(path).messages[-1].content == '{"total": 1.10, "items": ["Öl", 2], "paid": null}'
    assert "json_answer" in kinds(datasets.check(path))


def test_several_peoples_answers_are_one_and_choices_in_columns_are_asked(write: Write) -> None:
    rows = [
        {
            "question": f"Where is {i}?",
            "answers": [{"text": f"In {i}", "answer_start": 3}, {"text": f"In {i}", "answer_start": 3}],
        }
        for i in range(3)
    ]
    assert first(write("a.jsonl", lines(*rows))).messages[-1].content == "In 0"
    table = "question,A,B,answer\n" + "".join(f"What is {i}?,ebb {i},flood {i},B\n" for i in range(3))
    assert first(write("a.csv", table)).messages[0].content == "What is 0?\n\nA. ebb 0\nB. flood 0"


def test_arguments_of_a_call_are_found_or_the_record_is_left_out(write: Write) -> None:
    """A call that is learnt without its arguments would be wrong every time."""

    def talk(i: int, call: dict[str, Any]) -> dict[str, Any]:
        turns: list[tuple[str, dict[str, Any]]] = [
            ("user", {"content": f"{ASKED} {i}"}),
            ("assistant", {"tool_calls": [call]}),
            ("tool", {"content": "7"}),
        ]
        return {"messages": [{"role": role, **said} for role, said in (*turns, ("assistant", {"content": SAID}))]}

    rows = [
        talk(0, {"name": "tide", "args": {"n": 1}}),
        talk(1, {"name": "tide"}),
        talk(2, {"name": "tide", "with": {"n": 1}}),
    ]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert report.usable == 2 and "broken_call" in kinds(report)
    assert report.preview[0].messages[1].tool_calls[0].arguments == {"n": 1}


def test_words_that_reject_an_answer_are_named(write: Write) -> None:
    """Under a name that may mean anything; so are entities, and numbers that a spreadsheet rounded."""
    rows = [
        {"prompt": f"{ASKED} {i}", "completion": f"{i} o'clock", "phase": ("approved", "rejected", "draft")[i % 3]}
        for i in range(COUNT)
    ]
    rows[0]["completion"], rows[1]["completion"] = "1,23457E+11", "Caf&eacute;"
    assert {"flags", "rounded", "markup"} <= kinds(datasets.check(write("a.jsonl", lines(*rows))))


@pytest.mark.parametrize(("name", "what"), [("a.ods", "a spreadsheet"), ("a.docx", "a document")])
def test_files_of_office_programs_are_named(tmp_path: Path, name: str, what: str) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr("content.xml", "<x/>")
    with pytest.raises(DatasetError, match=what):
        datasets.check(tmp_path / name)


def test_the_indentation_of_an_answer_is_kept(write: Write) -> None:
    """One space before it is an older habit and goes; more are code."""
    rows = [{"prompt": "def f():", "completion": "\n    return 1\n"}, {"prompt": "Who?", "completion": " Me."}]
    assert [r.messages[-1].content for r in datasets.read(write("a.jsonl", lines(*rows)))] == ["    return 1", "Me."]


@pytest.mark.parametrize(
    ("document", "count"),
    [
        ({f"r{i}": {"prompt": f"What is {i}?", "completion": f"It is {i}."} for i in range(9)}, 9),
        ({f"c{i}": [{"role": role, "content": f"{text} {i}"} for role, text in PAIR] for i in range(9)}, 9),
    ],
    ids=["records by name", "conversations by name"],
)
def test_records_in_one_object_are_read(write: Write, document: Any, count: int) -> None:
    assert datasets.check(write("a.json", json.dumps(document))).usable == count


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"input_ids": [1, 2], "labels": [-100, 2]}, "some tokenizer"),
        ({"id": "r", "body": {"messages": [{"role": "user", "content": ASKED}]}}, "is in “body”"),
        ({"part": "x", "faq": [{"question": ASKED, "answer": SAID}]}, "records are in “faq”"),
        ({"ticket": 1, "author": "customer", "remark": ASKED}, "known form"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_form_that_is_not_read_is_named_for_what_it_is(write: Write, row: dict[str, Any], reason: str) -> None:
    with pytest.raises(DatasetError, match=reason):
        datasets.check(write("a.jsonl", lines(row, row)))


def test_turns_in_rows_are_told_by_who_speaks(write: Write) -> None:
    """Whatever the column is called."""
    table = "ticket,author,remark\n" + "".join(f"{i},customer,Where is {i}\n{i},agent,There {i}\n" for i in range(9))
    with pytest.raises(DatasetError, match="one turn of a conversation"):
        datasets.check(write("a.csv", table))


@pytest.mark.parametrize(
    ("header", "row", "mapping"),
    [
        ("answer_id,question_id,body,solution_text", "a{i},q{i},Where is {i} kept,On shelf {i} it is", "prompt=body"),
        ("question_en,answer_en,question_de,answer_de", "Where {i}?,There it is {i}.,Wo {i}?,Dort ist es {i}.", "_en"),
        (
            "system,method,said,meant",
            "Be kind,POST,Where is number {i},On shelf {i} it is kept",
            "prompt=said, completion=meant",
        ),
    ],
)
def test_a_guess_passes_over_keys_and_keeps_languages_together(
    write: Write, header: str, row: str, mapping: str
) -> None:
    with pytest.raises(DatasetError) as refused:
        datasets.check(write("a.csv", f"{header}\n" + "".join(row.format(i=i) + "\n" for i in range(9))))
    found = refused.value.fix.split("in the app F4): ")[1]
    assert mapping in found and (mapping != "_en" or found.count("_en") == 2 or found.count("_de") == 2)


def test_a_table_whose_only_column_is_a_conversation_has_no_title(write: Write) -> None:
    rows = (
        json.dumps([{"role": role, "content": f"{text} {i}"} for role, text in PAIR]).replace('"', '""')
        for i in range(3)
    )
    table = "messages\n" + "".join(f'"{row}"\n' for row in rows)
    assert first(write("a.csv", table)).messages[-1].content == f"{SAID} 0"


def test_the_delimiter_is_the_one_that_parts_every_line_alike(write: Write) -> None:
    table = "prompt;completion;kind, if any\n" + "".join(f"What is {i}?;It is {i};a, b, c\n" for i in range(9))
    assert first(write("a.csv", table)).messages[-1].content == "It is 0"


def test_archives_with_a_readme_are_read_and_tar_is_named(write: Write, tmp_path: Path) -> None:
    import io
    import tarfile
    import zipfile

    rows = many({"prompt": ASKED, "completion": SAID}).encode()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("data.jsonl", rows)
        archive.writestr("README.md", "About it")
    assert datasets.check(tmp_path / "a.zip").usable == COUNT
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("data.jsonl")
        member.size = len(rows)
        tar.addfile(member, io.BytesIO(rows))
    with pytest.raises(DatasetError, match="tar archive"):
        datasets.check(tmp_path / "a.tar.gz")


def sheet(path: Path, values: list[Any], form: str) -> Path:
    book = openpyxl.Workbook()
    table = book.active
    assert table is not None
    table.append(["prompt", "completion"])
    for i, value in enumerate(values):
        table.append([f"Which one has number {i}?", value])
    for cell in table["B"][1:]:
        cell.number_format = form
    book.save(path)
    return path


@pytest.mark.parametrize(
    ("value", "form", "seen"),
    [
        (1_500_000, '#,##0,"k"', "1500k"),
        (2_500_000, '0.0,,"M"', "2.5M"),
        (1, '"yes";;"no"', "yes"),
        (0, '"yes";;"no"', "no"),
        (500, '[>=1000]0,"k";0', "500"),
        (time(0, 30), "h:mm AM/PM", "12:30 AM"),
        (datetime(2026, 3, 1, 15, 5), "hh:mm am/pm", "03:05 PM"),
        (timedelta(hours=30, minutes=5), "[h]:mm", "30:05"),
        (datetime(2026, 3, 1, 14, 30), "m/d/yy h:mm", "2026-03-01 14:30"),
    ],
)
def test_a_cell_with_a_rarer_format_is_learnt_as_it_is_seen(tmp_path: Path, value: Any, form: str, seen: str) -> None:
    """Thousands left out, words for numbers, half days and hours beyond a day."""
    assert first(sheet(tmp_path / "a.xlsx", [value] * COUNT, form)).messages[-1].content == seen


def test_a_date_that_is_not_shown_as_in_the_sheet_is_told(tmp_path: Path) -> None:
    """Names of months depend on the reader's language, which the file does not say."""
    days = [date(2026, 3, day + 1) for day in range(COUNT)]
    report = datasets.check(sheet(tmp_path / "a.xlsx", days, "d. mmmm yyyy"))
    assert "plain_dates" in kinds(report) and "2026-03-" in report.statement
    assert "plain_dates" not in kinds(datasets.check(sheet(tmp_path / "b.xlsx", days, "DD.MM.YYYY")))


def test_a_hidden_sheet_is_not_read_before_the_one_that_people_see(tmp_path: Path) -> None:
    path = sheet(tmp_path / "a.xlsx", ["DRAFT"] * COUNT, "General")
    book = openpyxl.load_workbook(path)
    shown = book.create_sheet("Final")
    for row in [["prompt", "completion"], *([f"What is {i}?", f"It is {i}."] for i in range(COUNT))]:
        shown.append(row)
    book.worksheets[0].sheet_state = "hidden"
    book.active = 1
    book.save(path)
    assert first(path).messages[-1].content == "It is 0."


def test_formulas_that_nobody_computed_are_the_reason(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as refused:
        datasets.check(sheet(tmp_path / "a.xlsx", [f"=A{i + 2}" for i in range(COUNT)], "General"))
    assert "never computed" in refused.value.fix


def test_columns_of_parquet_keep_what_they_hold(tmp_path: Path) -> None:
    """Digits of single precision, whole numbers with gaps, dates; an object has no fields of other rows'; bytes are told."""
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    asked = [f"What is {i}?" for i in range(3)]

    def answer(values: Any) -> Record:
        path = tmp_path / "a.parquet"
        parquet.write_table(pyarrow.table({"prompt": asked, "completion": values}), path)
        return first(path)

    assert answer(pyarrow.array([0.1, 1.5, 2.0], pyarrow.float32())).messages[-1].content == "0.1"
    assert answer([7.0, None, 9.0]).messages[-1].content == "7"
    assert answer([date(2026, 3, day) for day in (1, 2, 3)]).messages[-1].content == "2026-03-01"
    calls = [{"name": "a", "arguments": {"x": 1, "y": None}}, {"name": "b", "arguments": {"x": None, "y": "k"}}]
    talks = [
        [
            {"role": "user", "content": text, "tool_calls": None},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "7", "tool_calls": None},
            {"role": "assistant", "content": "Seven.", "tool_calls": None},
        ]
        for text, call in zip(asked, calls, strict=False)
    ]
    parquet.write_table(pyarrow.table({"messages": talks}), tmp_path / "b.parquet")
    assert first(tmp_path / "b.parquet").messages[1].tool_calls[0].arguments == {"x": 1}
    parquet.write_table(pyarrow.table({"prompt": [text.encode() for text in asked]}), tmp_path / "c.parquet")
    with pytest.raises(DatasetError, match="raw bytes"):
        datasets.check(tmp_path / "c.parquet")
