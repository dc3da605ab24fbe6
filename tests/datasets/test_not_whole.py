"""Texts that are not whole, parts that clients write, tables that quote nothing, and what a sheet shows beside its values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.comments import Comment

from brightrun_tui import datasets
from brightrun_tui.domain.errors import DatasetError
from tests.datasets.conftest import Write, first, kinds, lines, pairs

COUNT = 24
PAIRS = list(pairs(COUNT))
FIRST = [("user", PAIRS[0]["prompt"]), ("assistant", PAIRS[0]["completion"])]


def some(change: dict[str, str]) -> str:
    """Records of which every fourth has ``change`` behind its question or its answer."""
    return lines(
        *(
            {name: text + (change.get(name, "") if i % 4 == 0 else "") for name, text in row.items()}
            for i, row in enumerate(PAIRS)
        )
    )


@pytest.mark.parametrize(
    "end", ["… [truncated]", " (truncated)", "... [1,234 more characters]", " <truncated>", "… Read more"]
)
@pytest.mark.parametrize("name", ["prompt", "completion"])
def test_a_text_that_says_that_it_was_cut_off_is_named(write: Write, name: str, end: str) -> None:
    report = datasets.check(write("a.jsonl", some({name: end})))
    assert any(problem.kind == "says_cut" and problem.count == COUNT // 4 for problem in report.problems)


@pytest.mark.parametrize(
    "end", [" (at most 500 characters)", " Read more", " [note]", " It was truncated.", " (see 12 lines)", "..."]
)
def test_what_only_speaks_of_length_is_whole(write: Write, end: str) -> None:
    assert "says_cut" not in kinds(datasets.check(write("a.jsonl", some({"completion": end}))))


@pytest.mark.parametrize(
    "gap",
    [
        "Dear %s, it is open.",
        "Hallo ______, es ist offen.",
        "Hi ${customer}, hello.",
        "Dear {0}: yes.",
        "Hola <nombre>, sí.",
    ],
)
def test_a_gap_for_a_name_is_named_however_it_is_spelt(write: Write, gap: str) -> None:
    rows = [{**row, **({"completion": gap} if i % 6 == 0 else {})} for i, row in enumerate(PAIRS)]
    assert "gaps" in kinds(datasets.check(write("a.jsonl", lines(*rows))))


@pytest.mark.parametrize(
    "whole",
    [
        "The set is {0}.",
        'print("%s" % name)',
        "Dear Mr. Lee, 50 % is right.",
        "____\nA rule.",
        "Dear all, x < y and y > z.",
        "Hi @anna, yes.",
    ],
)
def test_what_only_looks_like_a_gap_for_a_name_is_none(write: Write, whole: str) -> None:
    rows = [{**row, **({"completion": whole} if i % 6 == 0 else {})} for i, row in enumerate(PAIRS)]
    assert "gaps" not in kinds(datasets.check(write("a.jsonl", lines(*rows))))


def test_gaps_in_questions_openings_of_answers_and_calls_in_words_are_named(write: Write) -> None:
    asked = write("a.jsonl", some({"prompt": " It is about {{Order Number}}."}))
    assert "gaps_asked" in kinds(datasets.check(asked))
    opened = write("b.jsonl", lines(*({**row, "prompt": f"Q: One?\nA: 1\n\nQ: {row['prompt']}\nA:"} for row in PAIRS)))
    assert "few_shot" in kinds(datasets.check(opened))
    assert "prompt_ends" not in kinds(datasets.check(write("c.jsonl", some({"prompt": "\nAnswer:"}))))
    called = '<tool_call>\n{"name": "find", "arguments": {}}\n</tool_call>'
    calls = lines(*({**row, "completion": f"{called} {i}"} for i, row in enumerate(PAIRS)))
    assert "call_as_text" in kinds(datasets.check(write("d.jsonl", calls)))


def test_an_answer_that_was_begun_is_learnt_with_its_rest_or_named(write: Write) -> None:
    def begun(row: dict[str, str], **rest: str) -> dict[str, Any]:
        begin = {"role": "assistant", "content": row["completion"][:5], "prefix": True}
        return {"messages": [{"role": "user", "content": row["prompt"]}, begin], **rest}

    whole = write("a.jsonl", lines(*(begun(row, completion=row["completion"][5:]) for row in PAIRS)))
    assert first(datasets.check(whole)) == FIRST
    assert "only_begun" in kinds(datasets.check(write("b.jsonl", lines(*map(begun, PAIRS)))))


def test_a_list_of_questions_is_named(write: Write) -> None:
    rows = [{"prompt": [row["prompt"], f"{row['prompt']} Please."], "completion": row["completion"]} for row in PAIRS]
    assert "several_questions" in kinds(datasets.check(write("a.jsonl", lines(*rows))))


@pytest.mark.parametrize(
    "parts",
    [
        lambda text: [{"type": "step-start"}, {"type": "text", "text": text, "state": "done"}],
        lambda text: [{"type": "text", "content": text}],
    ],
)
def test_parts_of_further_clients_are_texts(write: Write, parts: Any) -> None:
    rows = [
        {
            "messages": [
                {"role": role, "parts": parts(text)}
                for role, text in zip(("user", "assistant"), row.values(), strict=True)
            ]
        }
        for row in PAIRS
    ]
    assert first(datasets.check(write("a.jsonl", lines(*rows)))) == FIRST


def test_what_is_said_to_a_tool_in_an_export_of_chatgpt_is_no_answer(write: Write) -> None:
    def export(i: int) -> dict[str, Any]:
        said = [("user", "all", PAIRS[i]["prompt"]), ("assistant", "all", PAIRS[i]["completion"])]
        if i % 4 == 0:
            said.insert(1, ("assistant", "browser", 'search("price")'))
        nodes: dict[str, Any] = {"n-1": {"message": None, "parent": None}}
        for place, (role, whom, text) in enumerate(said):
            content = {"content_type": "text", "parts": [text]}
            message = {"author": {"role": role}, "recipient": whom, "content": content}
            nodes[f"n{place}"] = {"message": message, "parent": f"n{place - 1}"}
        return {"mapping": nodes, "current_node": f"n{len(said) - 1}", "title": "A chat"}

    report = datasets.check(write("a.json", json.dumps([export(i) for i in range(COUNT)])))
    assert report.usable == COUNT * 3 // 4
    assert any("browser" in problem.what for problem in report.problems if problem.kind == "not_text")


def test_quotes_in_a_table_that_quotes_nothing_are_quotes(write: Write) -> None:
    rows = [f"{row['prompt']}\t{row['completion']}" for row in PAIRS]
    rows[3] = f'"As new" we sell it?\t{PAIRS[3]["completion"]}'
    rows[5] = f'{PAIRS[5]["prompt"]}\t"Open is all I know'
    rows[9] = f'{PAIRS[9]["prompt"]}\t"He said ""yes"", and went."'
    rows[11] = f'{PAIRS[11]["prompt"]}\tIt is 22"'
    report = datasets.check(write("a.tsv", "question\tanswer\n" + "\n".join(rows)), preview=COUNT)
    said = [tuple(message.content for message in record.messages) for record in report.preview]
    assert report.usable == COUNT and said[3][0] == '"As new" we sell it?' and said[5][1] == '"Open is all I know'
    assert (
        said[9][1] == 'He said "yes", and went.'
        and said[11][1] == 'It is 22"'
        and said[10] == tuple(PAIRS[10].values())
    )


def test_a_cell_with_a_line_break_in_a_table_with_tabs_is_one(write: Write) -> None:
    rows = [f'{row["prompt"]}\t"{row["completion"]}\nBye."' for row in PAIRS]
    report = datasets.check(write("a.tsv", "question\tanswer\n" + "\n".join(rows)))
    assert first(report)[1][1] == f"{PAIRS[0]['completion']}\nBye." and report.usable == COUNT


def test_heads_that_tools_for_surveys_and_other_tables_leave_are_no_records(write: Write) -> None:
    table = "".join(f'2025-01-01,"{row["prompt"]}","{row["completion"]}"\n' for row in PAIRS)
    ids = ",".join(f'"{{""ImportId"":""Q{i}""}}"' for i in range(3))
    survey = f'StartDate,question,answer\nStart Date,"Write what is asked.","Write the answer."\n{ids}\n{table}'
    report = datasets.check(write("a.csv", survey))
    assert first(report) == FIRST and report.usable == COUNT
    report = datasets.check(write("b.csv", f"date,prompt,completion\nDatum,Frage,Antwort\n{table}"))
    assert first(report) == FIRST and "header_again" in kinds(report)


@pytest.fixture
def book() -> openpyxl.Workbook:
    """A workbook with questions and answers, and a column that nobody reads between them."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["Question", "Owner", "Answer"])
    for row in PAIRS:
        sheet.append([row["prompt"], "Ida", row["completion"]])
    return book


@pytest.mark.parametrize(("letter", "said"), [("C", True), ("B", False)])
def test_a_column_that_is_hidden_and_learnt_is_said(
    tmp_path: Path, book: openpyxl.Workbook, letter: str, said: bool
) -> None:
    book.worksheets[0].column_dimensions[letter].hidden = True
    book.save(tmp_path / "a.xlsx")
    report = datasets.check(tmp_path / "a.xlsx")
    assert first(report) == FIRST and ("hidden_columns" in kinds(report)) is said


def test_comments_on_cells_are_said_with_the_rows_they_are_on(tmp_path: Path, book: openpyxl.Workbook) -> None:
    sheet = book.worksheets[0]
    for place in ("A1", "C4", "A4", "C9"):
        sheet[place].comment = Comment("not true any more", "Ida")
    book.save(tmp_path / "a.xlsx")
    report = datasets.check(tmp_path / "a.xlsx")
    assert [problem.count for problem in report.problems if problem.kind == "commented"] == [2]


def test_turns_that_name_nobody_are_refused_with_the_fields_they_have(write: Write) -> None:
    rows = [
        {"messages": [{"by": "user", "content": r["prompt"]}, {"by": "shop", "content": r["completion"]}]}
        for r in PAIRS
    ]
    with pytest.raises(DatasetError, match=r"“messages” do not say who speaks.*“by”"):
        datasets.check(write("a.jsonl", lines(*rows)))


def test_passages_in_an_object_are_what_the_answers_may_rest_on(write: Write) -> None:
    rows = [
        {**row, "passages": {"is_selected": [0, 1], "passage_text": ["Of sums.", f"Of {i}."]}}
        for i, row in enumerate(PAIRS)
    ]
    assert "long_unused" in kinds(datasets.check(write("a.jsonl", lines(*rows))))


def test_answers_of_a_batch_without_their_requests_are_refused_for_that(write: Write) -> None:
    def body(text: str) -> dict[str, Any]:
        return {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}

    rows = [
        {"custom_id": f"r{i}", "response": {"body": body(row["completion"])}, "error": None}
        for i, row in enumerate(PAIRS)
    ]
    with pytest.raises(DatasetError, match="without what was asked") as caught:
        datasets.check(write("a.jsonl", lines(*rows)))
    assert "custom_id" in caught.value.fix
    asked = [{"body": {"messages": [{"role": "user", "content": row["prompt"]}]}} for row in PAIRS]
    both = [{**row, "request": request} for row, request in zip(rows, asked, strict=True)]
    assert first(datasets.check(write("b.jsonl", lines(*both)))) == FIRST
