"""What spreadsheets, help desks, pandas and other tools do to data: read as it was meant, or refused with the true reason."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from brightrun_tui import datasets
from brightrun_tui.domain.dataset import Record
from brightrun_tui.domain.errors import DatasetError
from tests.datasets.conftest import Write, lines

COUNT = 24


def workbook(path: Path, sheets: dict[str, list[list[Any]]], formats: dict[str, str] | None = None) -> Path:
    """A workbook of these rows; ``formats`` are those of columns."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
        for column, form in (formats or {}).items():
            for cell in sheet[column]:
                cell.number_format = form
    book.save(path)
    return path


def first(path: Path) -> Record:
    return next(datasets.read(path))


def answer(path: Path) -> str:
    return first(path).messages[-1].content


@pytest.mark.parametrize(
    ("value", "form", "seen"),
    [
        (1067, "00000", "01067"),
        (0.05, "0%", "5%"),
        (0.065, "0.0%", "6.5%"),
        (12.5, '#,##0.00\\ "€"', "12.50 €"),
        (-3.5, '_-* #,##0.00\\ "€"_-;-* #,##0.00\\ "€"_-', "-3.50 €"),
        (1.1 * 3 + 1, "General", "4.3"),
        (7.0, "General", "7"),
        (date(2026, 3, 5), "DD.MM.YYYY", "05.03.2026"),
        (date(2026, 3, 5), "mm-dd-yy", "2026-03-05"),
        (datetime(2026, 3, 5, 14, 7), "d/m/yyyy h:mm", "5/3/2026 14:07"),
        (0.5, "# ?/?", "0.5"),
        (True, "General", "true"),
    ],
)
def test_a_cell_is_learnt_as_a_person_sees_it(tmp_path: Path, value: Any, form: str, seen: str) -> None:
    """Leading zeros, per cent, currencies, and dates in the order the sheet shows."""
    rows = [["prompt", "completion"], *([f"Which one has number {i}?", value] for i in range(COUNT))]
    assert answer(workbook(tmp_path / "a.xlsx", {"Sheet": rows}, {"B": form})) == seen


@pytest.mark.parametrize("beside", [{}, {"note": "x" * 3_000_000}], ids=["short", "long"])
def test_a_cell_merged_over_rows_stands_in_each_of_them(tmp_path: Path, beside: dict[str, str]) -> None:
    """One question with several answers, one category for many questions; a title merged over columns is no record."""
    rows: list[list[Any]] = [["category", "prompt", "completion"], ["Prices", None, None]]
    rows += (
        ["lamps" if i == 0 else None, f"Which is {i}?" if i % 2 == 0 else None, f"It is {i}."] for i in range(COUNT)
    )
    path = workbook(tmp_path / "a.xlsx", {"Sheet": rows, "Other": [[note] for note in beside.values()]})
    book = openpyxl.load_workbook(path)
    sheet = book["Sheet"]
    sheet.merge_cells("A2:C2")
    sheet.merge_cells(f"A3:A{COUNT + 2}")
    for row in range(3, COUNT + 3, 2):
        sheet.merge_cells(f"B{row}:B{row + 1}")
    book.save(path)
    report = datasets.check(path)
    records = list(datasets.read(path))
    assert [r.messages[0].content for r in records] == [f"Which is {i - i % 2}?" for i in range(COUNT)]
    assert {r.categories["category"] for r in records} == {"lamps"}
    said = next(problem for problem in report.problems if problem.kind == "filled")
    assert said.count == COUNT - 1


def test_rows_that_a_filter_hides_are_read_and_said(tmp_path: Path) -> None:
    rows = [["prompt", "completion"], *([f"Which is {i}?", f"It is {i}."] for i in range(COUNT))]
    path = workbook(tmp_path / "a.xlsx", {"Sheet": rows})
    book = openpyxl.load_workbook(path)
    for row in (5, 6, 9):
        book["Sheet"].row_dimensions[row].hidden = True
    book["Sheet"].row_dimensions[COUNT + 20].hidden = True
    book["Sheet"].column_dimensions["D"].hidden = True
    book.save(path)
    report = datasets.check(path)
    said = next(problem for problem in report.problems if problem.kind == "hidden_rows")
    assert report.usable == COUNT and said.count == 3 and "hidden" in said.what


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", lines(*({"prompt": f"Which is {i}?", "completion": f"It is {i}."} for i in range(COUNT)))),
        ("a.json", json.dumps([{"prompt": f"Which is {i}?", "completion": f"It is {i}."} for i in range(COUNT)])),
    ],
)
def test_a_field_that_stands_twice_is_refused_unless_both_say_the_same(write: Write, name: str, text: str) -> None:
    """Readers differ in which of the two they take, so neither may be learnt in silence."""
    answer = '"completion": "It is 7."'
    assert datasets.check(write(name, text.replace(answer, f"{answer}, {answer}"))).usable == COUNT
    with pytest.raises(DatasetError, match="completion") as refused:
        datasets.check(write(name, text.replace(answer, f'{answer}, "completion": "It is 70."')))
    assert "occurs twice" in refused.value.what and refused.value.fix and refused.value.where


def test_two_fields_that_differ_in_capitals_are_not_mixed_up(write: Write) -> None:
    """The one that holds something is taken; where both do, the record is left out and that is said."""
    rows = [{"Prompt": f"Which is {i}?", "completion": f"It is {i}.", "Completion": ""} for i in range(COUNT)]
    rows[3]["Completion"] = "It is another."
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert report.usable == COUNT - 1 and report.preview[0].messages[-1].content == "It is 0."
    assert [problem.count for problem in report.problems if problem.kind == "two_names"] == [1]


def test_a_title_over_the_table_and_a_cover_sheet_are_passed_over(tmp_path: Path, write: Write) -> None:
    """The names of the columns are in the first row with several cells, on the first sheet with several columns."""
    rows = [["Questions and answers 2026"], [], ["Frage", "Antwort"]]
    rows += ([f"Was kostet {i}?", f"Es kostet {i}."] for i in range(COUNT))
    covers = {"Cover": [["Title"], ["FAQ"]], "About": [["As of", "May"], ["By", "Ms Müller"]]}
    report = datasets.check(workbook(tmp_path / "a.xlsx", {**covers, "Data": rows}))
    assert report.usable == COUNT and report.preview[0].messages[0].content == "Was kostet 0?"
    table = "FAQ export\nprompt;completion\n" + "".join(f"What is {i}?;It is {i}, or so\n" for i in range(COUNT))
    assert answer(write("a.csv", table)) == "It is 0, or so"


def test_where_the_wrong_sheet_was_read_the_others_are_named(tmp_path: Path) -> None:
    """A sheet of which nothing can be learnt is perhaps not the one that is meant."""
    rows = [["prompt", "completion"], *([f"Was kostet {i}?", f"Es kostet {i}."] for i in range(COUNT))]
    empty = [["prompt", "completion"], *([f"Was kostet {i}?", ""] for i in range(3))]
    with pytest.raises(DatasetError) as refused:
        datasets.check(workbook(tmp_path / "a.xlsx", {"Offen": empty, "Beantwortet": rows}))
    assert "“Beantwortet”" in refused.value.fix and "--sheet" in refused.value.fix


PAIR = {"prompt": "What is {i}?", "completion": "It is number {i}."}


def many(row: dict[str, Any]) -> str:
    """So many records of this form; {i} is the number, and of a list every record has the next value."""

    def filled(value: Any, i: int) -> Any:
        value = value[i % len(value)] if isinstance(value, list) else value
        return value.replace("{i}", str(i)) if isinstance(value, str) else value

    return lines(*({name: filled(value, i) for name, value in row.items()} for i in range(COUNT)))


@pytest.mark.parametrize(
    "mark",
    [
        {"label": [1, -1]},
        {"score": [1.0, -1.0]},
        {"feedback": ["positive", "negative"]},
        {"user_feedback": ["👍", "👎"]},
        {"rating": [1, 0]},
    ],
    ids=str,
)
def test_what_people_disliked_is_not_learnt(write: Write, mark: dict[str, Any]) -> None:
    """Thumbs in words and numbers: every second record is left out, and why is said."""
    report = datasets.check(write("a.jsonl", many({**PAIR, **mark})))
    assert report.usable == COUNT // 2 and [p.kind for p in report.problems if not p.remark] == ["thumbs_down"]


def test_a_turn_that_was_disliked_is_context_only(write: Write) -> None:
    """A thumb on a message; a comment in the same field is none."""
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Bad", "feedback": "thumbs_down"},
        {"role": "user", "content": "Again"},
        {"role": "assistant", "content": "Good", "feedback": "I liked this one"},
    ]
    record = first(write("a.jsonl", lines({"messages": turns}, {"messages": turns[2:]})))
    assert [m.train for m in record.messages if m.role == "assistant"] == [False, True]


def test_ratings_and_html_are_remarked_on(write: Write) -> None:
    """Stars say nothing of where to draw the line, and markup may be meant: both are said."""
    rows = many({**PAIR, "rating": [1, 5, 3], "completion": "<p>It is&nbsp;{i}.</p>"})
    assert {p.kind for p in datasets.check(write("a.jsonl", rows)).problems} == {"rated", "markup"}


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Q{i}", "response_a": "yes {i}", "response_b": "no", "preference": "a"},
        {"question": "Q{i}", "response_0": "no", "response_1": "yes {i}", "better_response_id": 1},
        {"conversation_a": "x{i}", "conversation_b": "y", "winner": "model_a"},
    ],
    ids=lambda row: list(row)[1],
)
def test_no_fix_leads_to_the_worse_of_two_answers(write: Write, row: dict[str, Any]) -> None:
    """Answers called a and b, where a further field says which is better, are refused without a mapping."""
    with pytest.raises(DatasetError) as refused:
        datasets.check(write("a.jsonl", many(row)))
    assert refused.value.kind == "dataset_preferences" and "=" not in refused.value.fix


@pytest.mark.parametrize("nothing", ["nan", "None", "<noinput>", "N/A"])
def test_words_for_nothing_are_not_part_of_the_question(write: Write, nothing: str) -> None:
    """What pandas and Alpaca put where there is no input."""
    record = first(write("a.jsonl", many({"instruction": "Do {i}", "input": nothing, "output": "Done {i}"})))
    assert record.messages[0].content == "Do 0"


@pytest.mark.parametrize(
    "completion",
    ["It is 1.", {"role": "assistant", "content": "It is 1."}, [{"role": "assistant", "content": "It is 1."}]],
    ids=["text", "turn", "turns"],
)
def test_a_question_in_turns_takes_its_answer_in_any_form(write: Write, completion: Any) -> None:
    """prompt as a list of messages, with the answer as text, as one message or as several."""
    prompt = [{"role": "system", "content": "Be short"}, {"role": "user", "content": "What is it?"}]
    record = first(
        write("a.jsonl", "".join(json.dumps({"prompt": prompt, "completion": completion}) + "\n" for _ in range(3)))
    )
    assert [m.role for m in record.messages] == ["system", "user", "assistant"] and record.messages[
        -1
    ].content == "It is 1."


def test_answers_of_squad_and_tools_without_texts_are_read(write: Write) -> None:
    """The first of SQuAD's answers; a call without a text beside it; a tool's result that is an object stays JSON."""
    squad = [
        {"context": f"Tower {i} is {i} m high.", "question": "How high?", "answers": {"text": [f"{i} m", f"{i} m"]}}
        for i in range(COUNT)
    ]
    assert answer(write("squad.jsonl", lines(*squad))) == "0 m"
    turns = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "tool_calls": [{"function": {"name": "w"}}]},
        {"role": "tool", "content": {"celsius": 3}},
        {"role": "assistant", "content": "Three degrees."},
    ]
    record = first(write("tools.jsonl", lines({"messages": turns}, {"messages": turns})))
    assert record.messages[1].tool_calls[0].name == "w" and record.messages[2].content == '{"celsius": 3}'


def test_answers_that_look_wrong_are_told(write: Write) -> None:
    """Cut off at one length, repeating the question, or not written yet; none of these where answers are labels or differ."""
    rows = [
        {"prompt": f"What is the number {i} about?", "completion": f"It is about {i}." + " And so on." * (i % 9)}
        for i in range(60)
    ]
    for i in range(5):
        rows[i]["completion"] = f"{i} is a long answer that goes on and on, ".ljust(300, "abcde"[i])[:255]
    rows[11]["completion"] = rows[11]["prompt"] + " It is about eleven."
    rows[12]["completion"] = "TODO"
    found = {p.kind: (p.count, p.places) for p in datasets.check(write("a.jsonl", lines(*rows))).problems}
    assert found == {"cut_short": (5, ()), "echo": (1, ("line 12",)), "placeholder": (1, ("line 13",))}
    assert not datasets.check(write("b.jsonl", lines(*rows[13:]))).problems
    labels = many({"prompt": "Text {i}", "completion": ["test", "train"]})
    assert not datasets.check(write("c.jsonl", labels)).problems


def test_escapes_of_a_workbook_are_not_learnt(tmp_path: Path) -> None:
    """Excel writes control characters of a cell as _x000D_."""
    rows = [["prompt", "completion"], *([f"Question {i}?", f"One_x000D_\nTwo {i}"] for i in range(COUNT))]
    assert answer(workbook(tmp_path / "a.xlsx", {"Sheet": rows})) == "One\nTwo 0"
