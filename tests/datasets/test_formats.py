"""Every format that is promised is understood, and means the same conversation."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brightrun_tui import datasets
from brightrun_tui.datasets.formats import formats
from brightrun_tui.datasets.opening import open_dataset
from brightrun_tui.domain.dataset import Message, Record
from brightrun_tui.domain.errors import DatasetError, UsageError
from brightrun_tui.domain.setting_groups import DataSettings
from tests.datasets.conftest import Write, chat, lines, pairs

TALKS = [
    ("Why is the sky blue?", "Air scatters blue light, more than red."),
    ("Name a prime, please", "Seven — “7”."),
    ('Three\nlines, with "quotes"\n', "Yes,\nlike this."),
]


def said(records: list[Record]) -> list[list[tuple[str, str]]]:
    return [[(m.role, m.content.strip()) for m in record.messages] for record in records]


EXPECTED = [[("user", q.strip()), ("assistant", a)] for q, a in TALKS]


def as_table(delimiter: str, *names: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerows([names, *TALKS])
    return out.getvalue()


def as_table_of_lists() -> str:
    out = io.StringIO()
    csv.writer(out).writerows([["", "messages"], *([i, repr(record["messages"])] for i, record in enumerate(MESSAGES))])
    return out.getvalue()


def as_zip(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


def as_workbook() -> bytes:
    book = openpyxl.Workbook()
    for row in [("prompt", "completion"), *TALKS]:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    out = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), out)
    return out.getvalue()


MESSAGES = [chat(*talk) for talk in TALKS]
SHAREGPT = [{"conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": a}]} for q, a in TALKS]
ALPACA = [{"instruction": q, "input": "", "output": a} for q, a in TALKS]
PAIRS = [{"prompt": q, "completion": a} for q, a in TALKS]
V4 = [
    {
        "id": f"turn{i}",
        "conversation_id": f"c{i}",
        "system_prompt": "",
        "conversation_history": [],
        "current_user_input": q,
        "target_response": a,
    }
    for i, (q, a) in enumerate(TALKS)
]

FILES = [
    ("a.jsonl", lines(*MESSAGES), "messages"),
    ("a.json", json.dumps(MESSAGES), "messages"),
    ("pretty.json", json.dumps({"version": 1, "data": MESSAGES}, indent=2), "messages"),
    ("pretty.jsonl", json.dumps(MESSAGES, indent=2), "messages"),
    ("lines.json", lines(*MESSAGES), "messages"),
    ("bare.jsonl", lines(*(record["messages"] for record in MESSAGES)), "messages"),
    ("bom.jsonl", b"\xef\xbb\xbf" + lines(*MESSAGES).encode(), "messages"),
    ("bom.json", b"\xef\xbb\xbf" + json.dumps(MESSAGES).encode(), "messages"),
    ("windows.jsonl", lines(*MESSAGES).replace("\n", "\r\n"), "messages"),
    ("blank.jsonl", "\n" + lines(*MESSAGES).replace("\n", "\n\n"), "messages"),
    ("a.parquet", lambda: as_parquet(MESSAGES), "messages"),
    ("share.json", json.dumps(SHAREGPT), "sharegpt"),
    ("share.jsonl", lines(*SHAREGPT), "sharegpt"),
    ("alpaca.json", json.dumps(ALPACA), "alpaca"),
    ("alpaca.parquet", lambda: as_parquet(ALPACA), "alpaca"),
    ("dolly.jsonl", lines(*({"instruction": q, "context": "", "response": a} for q, a in TALKS)), "alpaca"),
    ("pairs.jsonl", lines(*PAIRS), "prompt-completion"),
    ("qa.jsonl", lines(*({"Question": q, "Answer": a} for q, a in TALKS)), "prompt-completion"),
    ("io.json", json.dumps({"rows": [{"input": q, "output": a} for q, a in TALKS]}), "prompt-completion"),
    ("a.csv", as_table(",", "prompt", "completion"), "prompt-completion"),
    ("excel.csv", b"\xef\xbb\xbf" + as_table(";", "Question", "Answer ").encode(), "prompt-completion"),
    ("a.tsv", as_table("\t", "input", "output"), "prompt-completion"),
    ("pairs.parquet", lambda: as_parquet(PAIRS), "prompt-completion"),
    ("v4.jsonl", lines({"_meta": {"total_pairs": 3}}, *V4), "brightrun-lora-v4"),
    (
        "columns.json",
        json.dumps({"prompt": [q for q, _ in TALKS], "completion": [a for _, a in TALKS]}),
        "prompt-completion",
    ),
    (
        "pandas.json",
        json.dumps(
            {
                "prompt": {str(i): q for i, (q, _) in enumerate(TALKS)},
                "completion": {str(i): a for i, (_, a) in enumerate(TALKS)},
            }
        ),
        "prompt-completion",
    ),
    ("broken-up.jsonl", "\n".join(json.dumps(record, indent=1) for record in MESSAGES), "messages"),
    ("pandas-column.csv", as_table_of_lists(), "messages"),
    (
        "of-lists.parquet",
        lambda: as_parquet(
            [
                {
                    "messages": {
                        "role": [m["role"] for m in record["messages"]],
                        "content": [m["content"] for m in record["messages"]],
                    }
                }
                for record in MESSAGES
            ]
        ),
        "messages",
    ),
    ("declared.csv", "sep=;\n" + as_table(";", "prompt", "completion"), "prompt-completion"),
    ("a.jsonl.gz", gzip.compress(lines(*MESSAGES).encode()), "messages"),
    ("a.jsonl.zst", zstandard.compress(lines(*MESSAGES).encode()), "messages"),
    (
        "a.zip",
        lambda: as_zip({"a.csv": as_table(",", "prompt", "completion"), "__MACOSX/._a.csv": "x"}),
        "prompt-completion",
    ),
    ("a.xlsx", lambda: as_workbook(), "prompt-completion"),
    ("utf16.csv", as_table(",", "prompt", "completion").encode("utf-16"), "prompt-completion"),
    ("utf16-no-mark.jsonl", lines(*MESSAGES).encode("utf-16-le"), "messages"),
    ("windows-1252.csv", as_table(",", "prompt", "completion").encode("cp1252"), "prompt-completion"),
    (
        "chatml.jsonl",
        lines(
            *(
                {"text": "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in r["messages"])}
                for r in MESSAGES
            )
        ),
        "templated-text",
    ),
    (
        "llama3.jsonl",
        lines(
            *(
                {
                    "text": "<|begin_of_text|>"
                    + "".join(
                        f"<|start_header_id|>{m['role']}<|end_header_id|>\n\n{m['content']}<|eot_id|>"
                        for m in r["messages"]
                    )
                }
                for r in MESSAGES
            )
        ),
        "templated-text",
    ),
    ("inst.jsonl", lines(*({"text": f"<s>[INST] {q} [/INST] {a} </s>"} for q, a in TALKS)), "templated-text"),
    (
        "v4.json",
        json.dumps(
            {
                "training_file_metadata": {"total_training_pairs": 3},
                "conversations": [
                    {"conversation_metadata": {"conversation_id": f"c{i}"}, "training_pairs": [pair]}
                    for i, pair in enumerate(V4)
                ],
            }
        ),
        "brightrun-lora-v4",
    ),
]


@pytest.mark.parametrize(("name", "content", "expected"), FILES, ids=[file[0] for file in FILES])
def test_every_format_gives_the_same_conversations(
    write: Write, name: str, content: str | bytes | Callable[[], str | bytes], expected: Any
) -> None:
    """Whatever the shape of the file, check recognises it and read gives the same turns, in order."""
    path = write(name, content() if callable(content) else content)
    report = datasets.check(path)
    assert (report.format, report.records, report.usable) == (expected, 3, 3)
    assert said(list(datasets.read(path))) == EXPECTED
    assert said(list(report.preview)) == EXPECTED
    assert {p.kind for p in report.problems} - {"encoding"} == {"few_records"}


def test_known_formats_cover_what_check_can_report() -> None:
    """Help and errors list every format by the name that a report carries, with an example."""
    assert set(formats()) == {file[2] for file in FILES}
    assert all(one.title and one.looks for one in formats().values())


@pytest.mark.parametrize("heading", ["Category", "Thema", "Kategorie", "Catégorie", "Tema"])
def test_a_column_of_categories_is_kept_in_the_language_of_the_table(write: Write, heading: str) -> None:
    """Whoever writes questions and answers in German has a “Thema”: it is measured by, and can be relabelled, as a topic can."""
    path = write("faq.csv", f"Frage;Antwort;{heading}\nWas?;Das.;Preis\nWer?;Die.;Lager\n")
    report = datasets.check(path, columns={"prompt": "Frage", "completion": "Antwort"})
    assert report.categories == {heading.lower(): {"Preis": 1, "Lager": 1}}


def test_columns_can_be_mapped_by_name(write: Write) -> None:
    """A table whose columns have other names is read through a mapping; unmapped columns do not matter."""
    path = write("faq.csv", "Frage;Antwort;Ton;Thema;output\nWas?;Das.;Sei nett;x;-\nWer?;Die.;Sei nett;y;-\n")
    mapping = {"prompt": "Frage", "completion": "Antwort", "system": "Ton", "category": "Thema"}
    report = datasets.check(path, columns=mapping)
    assert said(list(report.preview))[0] == [("system", "Sei nett"), ("user", "Was?"), ("assistant", "Das.")]
    assert report.categories == {"category": {"x": 1, "y": 1}}
    with pytest.raises(DatasetError) as refused:
        datasets.check(path, columns={"prompt": "Frage", "completion": "Antwrt"})
    assert "“Antwrt”" in refused.value.what and "completion=Antwort" in refused.value.fix
    with pytest.raises(UsageError):
        datasets.check(path, columns={"prompt": "Frage"})
    with pytest.raises(UsageError):
        datasets.check(path, columns={"querry": "Frage", "completion": "Antwort"})


def test_group_and_id_may_be_numbers_of_any_kind(write: Write) -> None:
    """A table's whole numbers become floats where some are missing; they name the same group as whole numbers do."""
    rows = [
        {"q": f"Question {i}?", "a": f"Answer {i}.", "talk": float(i // 2) if i < 7 else None, "no": i + 0.5}
        for i in range(8)
    ]
    path = write("a.parquet", as_parquet(rows))
    mapping = {"prompt": "q", "completion": "a", "group": "talk", "id": "no"}
    records = list(datasets.read(path, columns=mapping))
    assert [(r.id, r.group) for r in records[:3]] == [("0.5", "0"), ("1.5", "0"), ("2.5", "1")] and records[
        7
    ].group == ""
    document = write("a.json", json.dumps([{**row, "talk": 12.0 if no < 4 else 12} for no, row in enumerate(rows)]))
    assert {r.group for r in datasets.read(document, columns=mapping)} == {"12"}


@pytest.mark.parametrize("value", [None, "", True, ["x"], float("nan")], ids=str)
@pytest.mark.parametrize("role", ["group", "id"])
def test_a_column_mapped_to_group_or_id_that_names_nothing_is_refused(
    write: Write, tmp_path: Path, role: str, value: Any
) -> None:
    """Instead of splitting without the groups that were asked for; check and prepare agree."""
    path = write(
        "a.parquet", as_parquet([{"q": f"Question {i}?", "a": f"Answer {i}.", "Talk no": value} for i in range(30)])
    )
    mapping = {"prompt": "q", "completion": "a", role: "Talk no"}
    for use in (
        lambda: datasets.check(path, columns=mapping),
        lambda: datasets.prepare(path, tmp_path / "data", DataSettings(), columns=mapping),
    ):
        with pytest.raises(DatasetError, match="“Talk no”") as refused:
            use()
        assert refused.value.kind == "dataset_columns" and role in refused.value.fix
    assert not (tmp_path / "data").exists()


def test_a_mapping_also_applies_to_json(write: Write) -> None:
    """Field names in JSON can be mapped like columns, also when the array lies in an object."""
    path = write(
        "x.json", json.dumps({"tags": [{"name": "t"}], "rows": [{"q1": "a", "a1": "bcd"}, {"q1": "c", "a1": "def"}]})
    )
    records = list(datasets.read(path, columns={"prompt": "q1", "completion": "a1"}))
    assert said(records) == [[("user", "a"), ("assistant", "bcd")], [("user", "c"), ("assistant", "def")]]


def test_a_forced_format_that_does_not_fit_is_refused(write: Write) -> None:
    """Naming the wrong format says so and names the right one; an unknown name lists the known ones."""
    path = write("a.jsonl", lines(*MESSAGES))
    with pytest.raises(DatasetError, match="not in the format alpaca") as refused:
        datasets.check(path, format="alpaca")
    assert "messages" in refused.value.fix
    with pytest.raises(UsageError, match="no dataset format"):
        datasets.check(path, format="alpacca")


def test_instructions_carry_their_input_and_questions_their_context(write: Write) -> None:
    """An alpaca input and a question's context become part of what the user says; history comes before it."""
    path = write(
        "a.jsonl",
        lines(
            {
                "instruction": "Add.",
                "input": "2 and 3",
                "output": "five",
                "system": "Be brief",
                "history": [["Hi", "Hello!"]],
            },
            {"question": "Who?", "context": "Ann came.", "answer": "Ann"},
        ),
    )
    assert said(list(datasets.read(path))) == [
        [
            ("system", "Be brief"),
            ("user", "Hi"),
            ("assistant", "Hello!"),
            ("user", "Add.\n\n2 and 3"),
            ("assistant", "five"),
        ],
        [("user", "Who?\n\nAnn came."), ("assistant", "Ann")],
    ]


TEXT_FIELDS = [
    "instruction",
    "prompt",
    "question",
    "query",
    "input",
    "user",
    "context",
    "system",
    "completion",
    "answer",
    "output",
    "topic",
    "title",
    "Source URL",
    "notes",
    "choices",
    "options",
    "history",
]
FIELD = st.sampled_from(TEXT_FIELDS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sets(FIELD, min_size=2), st.sets(FIELD), st.booleans())
def test_no_text_of_a_record_is_lost_without_a_word(
    tmp_path: Path, names: set[str], blank: set[str], long: bool
) -> None:
    """Whatever fields stand side by side: their text is in the turns, or their names are among those not used."""

    def value(name: str) -> Any:
        if name in blank:
            return ""
        text = f"{name} text" + " and more of it, so that it is long" * long
        return {"choices": [text, f"other {text}"], "options": {"a": text}, "history": [[text, f"reply {text}"]]}.get(
            name, text
        )

    path = tmp_path / "a.jsonl"
    path.write_text(lines({name: value(name) for name in TEXT_FIELDS if name in names}))
    try:
        outcomes = list(open_dataset(path).outcomes())
    except DatasetError:
        return
    for outcome in outcomes:
        if outcome.record and "no_last_answer" not in outcome.remarks:
            said = "\n".join(message.content for message in outcome.record.messages)
            assert {name for name in names - blank if f"{name} text" not in said} == {
                *outcome.unused,
                *outcome.record.categories,
            }


ASKED = [
    ({"prompt": "Translate.", "input": "Guten Tag", "output": "Hello"}, "Translate.\n\nGuten Tag", "Hello"),
    ({"prompt": "Translate a word", "input": "a", "output": "un"}, "Translate a word\n\na", "un"),
    ({"instruction": "Answer briefly.", "question": "Who?", "answer": "Ann"}, "Answer briefly.\n\nWho?", "Ann"),
    (
        {"instruction": "Sum up.", "input": "", "context": "It rained.", "response": "Rain"},
        "Sum up.\n\nIt rained.",
        "Rain",
    ),
    ({"instruction": " ", "prompt": "Who?", "completion": "", "answer": "Ann"}, "Who?", "Ann"),
    (
        {
            "instruction": "Be kind.",
            "prompt": "### Instruction: Be kind.\n### Input: Hi",
            "input": "Hi",
            "output": "Hey",
        },
        "Be kind.\n\nHi",
        "Hey",
    ),
    (
        {
            "prompt": "Q: Who was it that came so late in the evening?",
            "question": "Who was it that came so late in the evening?",
            "answer": "Ann",
        },
        "Q: Who was it that came so late in the evening?",
        "Ann",
    ),
    (
        {"question": "Which?", "choices": ["red", "green", "blue"], "answer": 2},
        "Which?\n\nA. red\nB. green\nC. blue",
        "blue",
    ),
    ({"question": "Which?", "options": ["red", "green"], "answer": 0.0}, "Which?\n\nA. red\nB. green", "red"),
    ({"question": "Which?", "choices": ["red", "green"], "answer": "B"}, "Which?\n\nA. red\nB. green", "B"),
    ({"question": "2+2?", "choices": ["3", "4"], "answer": "4"}, "2+2?\n\nA. 3\nB. 4", "4"),
]


@pytest.mark.parametrize(("row", "question", "answer"), ASKED)
def test_everything_asked_is_in_the_question(write: Write, row: dict[str, Any], question: str, answer: str) -> None:
    """Fields that belong together are put together, once; the position of a choice becomes its text."""
    report = datasets.check(write("a.jsonl", lines(row, chat("Another?", "Another one."))))
    assert said(list(report.preview))[0] == [("user", question), ("assistant", answer)]
    assert {p.kind for p in report.problems} <= {"few_records", "short_answer", "counted_choice"}


@pytest.mark.parametrize(
    ("row", "answer", "kind"),
    [
        ({"question": "Capital?", "answer": ["", "Paris", "City of Paris"]}, "Paris", "several_answers"),
        ({"question": "Which?", "choices": ["red", "green"], "answer": 2}, "2", "no_such_choice"),
        ({"question": "Which?", "choices": ["red", "green"], "answer": -1}, "-1", "no_such_choice"),
        ({"question": "Which?", "choices": ["red", "green"], "answer": "1"}, "1", "no_such_choice"),
    ],
)
def test_an_answer_that_may_not_be_what_was_meant_is_remarked_on(
    write: Write, row: dict[str, Any], answer: str, kind: str
) -> None:
    """Of several answers one is learned, never a list of them; a number that is not a choice is pointed out."""
    report = datasets.check(write("a.jsonl", lines(row, chat("Another?", "Another one."))))
    assert report.preview[0].messages[-1].content == answer
    (problem,) = [p for p in report.problems if p.kind == kind]
    assert (problem.count, problem.places) == (1, ("line 1",)) and problem.remark and problem.fix


def test_fields_that_most_records_fill_and_nobody_reads_are_named_once(write: Write) -> None:
    """Titles, links, the thoughts of a reasoning model: one remark with the names as the file spells them."""
    rows = [
        {
            **row,
            "Title": f"On {i}",
            "url": f"https://x.test/{i}",
            "score": 0.5,
            "prompt_id": f"p{i}",
            "origin": "seldom" * (i % 3 == 0),
        }
        for i, row in enumerate(pairs(30))
    ]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert [(p.kind, p.count) for p in report.problems] == [("unused_fields", 30)]
    assert "30 with text in fields that are not used: “Title”, “url”." in report.statement
    thoughts = [chat(f"Question {i}", f"Answer {i}") for i in range(30)]
    for row in thoughts:
        row["messages"][1]["mood"] = "Cheerful."
        row["prompt"] = row["messages"][0]["content"]
    report = datasets.check(write("b.jsonl", lines(*thoughts)))
    assert "not used: “messages.mood”." in report.statement
    formatted = [
        {"instruction": f"Add {i}.", "prompt": f"### Instruction: Add {i}. ### Answer: {i}", "output": f"It is {i}."}
        for i in range(30)
    ]
    assert "not used: “prompt”." in datasets.check(write("c.jsonl", lines(*formatted))).statement


@pytest.mark.parametrize(
    "row",
    [
        {"system": "Be kind", **chat("Hi", "Hello", system=" Be kind\n")},
        {
            "system_prompt": "Be kind",
            "conversations": [
                {"from": "system", "value": "Be kind"},
                {"from": "human", "value": "Hi"},
                {"from": "gpt", "value": "Hello"},
            ],
        },
        {
            "system": "Be kind",
            "prompt": chat("Hi", system="Be kind")["messages"],
            "completion": chat("", "Hello")["messages"][1:],
        },
        {"system": "Be kind", "prompt": chat("Hi")["messages"], "completion": chat("", "Hello")["messages"][1:]},
    ],
)
def test_a_system_message_given_twice_is_said_once(write: Write, row: dict[str, Any]) -> None:
    """A record's own system field often repeats the first turn; another text is put before it."""
    other = {**row, "system": "Be brief"} if "system" in row else {**row, "system_prompt": "Be brief"}
    once, both = said(list(datasets.read(write("a.jsonl", lines(row, other)))))
    assert once == [("system", "Be kind"), ("user", "Hi"), ("assistant", "Hello")]
    assert both[0][1].startswith("Be brief") and both[1:] == once[1:]


def test_conversational_prompt_and_completion_trains_the_completion_only(write: Write) -> None:
    """Prompt and completion given as lists of messages: answers in the prompt are context."""
    path = write(
        "a.jsonl",
        lines(
            {"prompt": chat("Hi", "Hello", "Who?")["messages"], "completion": [{"role": "assistant", "content": "Me"}]}
        ),
    )
    record = next(iter(datasets.read(path)))
    assert [(m.role, m.train) for m in record.messages] == [
        ("user", True),
        ("assistant", False),
        ("user", True),
        ("assistant", True),
    ]


def test_a_training_pair_trains_its_target_only_and_repeats_nothing(write: Write) -> None:
    """brightrun-lora-v4: the history often ends with the current input; it is said once, and only the target trains."""
    history = [
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": "Three "},
    ]
    pair = {
        "id": "p",
        "conversation_id": "c9",
        "system_prompt": "Be kind",
        "conversation_history": history,
        "current_user_input": "Three",
        "target_response": "Four",
        "conversation_metadata": {
            "persona_archetype": "planner",
            "emotional_arc_key": "calm",
            "training_topic": "Taxes",
        },
    }
    path = write(
        "v4.jsonl",
        lines(
            pair,
            {**pair, "id": "q", "conversation_history": history[:2], "target_response": "Five"},
            {**pair, "id": "r", "target_response": None},
        ),
    )
    first, second = datasets.read(path)
    assert first.messages == (
        Message(role="system", content="Be kind"),
        Message(role="user", content="One"),
        Message(role="assistant", content="Two", train=False),
        Message(role="user", content="Three "),
        Message(role="assistant", content="Four"),
    )
    assert [m.content for m in second.messages] == ["Be kind", "One", "Two", "Three", "Five"]
    assert (first.id, first.group) == ("p", "c9")
    assert first.categories == {"persona": "planner", "emotional_arc": "calm", "topic": "Taxes"}


def test_nested_pairs_belong_to_their_own_conversation(write: Write) -> None:
    """In the JSON shape the pairs' own ids repeat; ids are made unique and the outer conversation is the group."""
    pair = {"id": "turn1", "conversation_id": "same", "current_user_input": "Hi", "target_response": "Hello there"}
    document = {
        "training_file_metadata": {"total_training_pairs": 2},
        "conversations": [
            {
                "conversation_metadata": {
                    "conversation_id": f"{letter}aaaaaaaa-1",
                    "scaffolding": {"persona_key": letter},
                },
                "training_pairs": [{**pair, "current_user_input": letter}],
            }
            for letter in "xy"
        ],
    }
    report = datasets.check(write("v4.json", json.dumps(document)))
    assert [(r.id, r.group, r.categories) for r in report.preview] == [
        ("turn1_xaaaaaaa", "xaaaaaaaa-1", {"persona": "x"}),
        ("turn1_yaaaaaaa", "yaaaaaaaa-1", {"persona": "y"}),
    ]


def test_a_document_with_several_lists_says_what_it_left_out(write: Write) -> None:
    """Only one list of a JSON object is read; entries of the others are counted, not silently dropped."""
    document = {"train": [chat(f"question {i}", f"answer {i}") for i in range(30)], "test": [chat("x", "yes")]}
    report = datasets.check(write("both.json", json.dumps(document)))
    assert report.usable == 30
    assert [(p.kind, p.count) for p in report.problems] == [("list_for_testing", 1)]
    assert "“test”" in report.statement


def test_files_of_mixed_formats_are_read_by_each_record(write: Write) -> None:
    """Two exports pasted into one file still work."""
    report = datasets.check(write("mixed.jsonl", lines(*MESSAGES, ALPACA[0], SHAREGPT[1])))
    assert (report.format, report.usable, report.duplicates) == ("messages", 5, 2)
