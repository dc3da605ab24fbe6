"""What a file says is not to be learnt is not learnt, and what would be learnt wrongly is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from brightrun_tui import datasets
from brightrun_tui.domain.dataset import DatasetReport, Record
from brightrun_tui.domain.errors import DatasetError
from brightrun_tui.domain.setting_groups import DataSettings
from tests.datasets.conftest import Write, chat, lines


def problems(report: DatasetReport) -> dict[str, int]:
    return {problem.kind: problem.count for problem in report.problems}


def drafts(mark: str, value: Any) -> list[dict[str, Any]]:
    """Thirty talks whose first answer carries a mark."""
    return [
        {
            "messages": [
                {"role": "user", "content": f"Opening hours in week {i}?"},
                {"role": "assistant", "content": "FIRST TRY", mark: value},
                {"role": "user", "content": "Again, please."},
                {"role": "assistant", "content": f"From {i} to noon."},
            ]
        }
        for i in range(30)
    ]


@pytest.mark.parametrize(
    ("mark", "value"),
    [
        ("train", False),
        ("train", 0),
        ("train", "false"),
        ("weight", 0),
        ("weight", 0.0),
        ("weight", "0"),
        ("weight", "0.0"),
        ("loss", False),
        ("loss", 0.0),
        ("loss", "False"),
        ("loss_mask", 0),
        ("training", "no"),
        ("trainable", False),
        ("masked", True),
        ("masked", "1"),
        ("ignore", True),
    ],
)
def test_an_answer_that_is_marked_as_context_is_not_learnt(write: Write, mark: str, value: Any) -> None:
    """However a tool, a table or a database spelt the mark."""
    for record in datasets.read(write("a.jsonl", lines(*drafts(mark, value)))):
        assert [m.train for m in record.messages if m.role == "assistant"] == [False, True]


@pytest.mark.parametrize(
    ("mark", "value"),
    [
        ("train", True),
        ("train", None),
        ("weight", 1),
        ("weight", "1.0"),
        ("loss", None),
        ("loss", float("nan")),
        ("masked", False),
        ("loss", ""),
        ("weight", 0.5),
    ],
)
def test_an_answer_without_such_a_mark_is_learnt(write: Write, mark: str, value: Any) -> None:
    """Null and an empty cell are no marks; a weight between is said to count as one."""
    text = lines(*drafts(mark, value)).replace("NaN", "null")
    path = write("a.jsonl", text)
    assert all(m.train for record in datasets.read(path) for m in record.messages)
    assert ("weight" in problems(datasets.check(path))) is (value == 0.5)


def test_a_mark_that_nobody_understands_leaves_the_record_out(write: Write) -> None:
    report = datasets.check(
        write("a.jsonl", lines(*drafts("train", "perhaps"), chat("Hi", "Hello"), chat("Who?", "Me.")))
    )
    assert problems(report)["unclear_mark"] == 30 and "train: perhaps" in report.statement


@pytest.mark.parametrize(
    ("good", "bad"), [(True, False), (1, 0), ("true", "false"), ("True", "False"), ("good", "bad"), (1.0, 0.0)]
)
@pytest.mark.parametrize("field", ["label", "kto_tag"])
def test_a_disliked_answer_is_never_learnt(write: Write, field: str, good: Any, bad: Any) -> None:
    """KTO files hold thumbs-up and thumbs-down answers; so they do when their columns are mapped by hand."""
    rows = [
        {
            "question": f"Do you ship to place {i}?",
            "reply": f"Yes, place {i} too." if i % 2 else f"RUDE {i}",
            field: good if i % 2 else bad,
        }
        for i in range(40)
    ]
    path = write("a.jsonl", lines(*rows))
    for columns in (None, {"prompt": "question", "completion": "reply"}):
        kept = list(datasets.read(path, columns=columns))
        assert len(kept) == 20 and not any("RUDE" in m.content for record in kept for m in record.messages)
        assert problems(datasets.check(path, columns=columns))["thumbs_down"] == 20


def test_a_class_number_is_no_thumb(write: Write) -> None:
    """A label that takes more values than two says something else."""
    rows = [{"prompt": f"Sort letter {i}.", "completion": f"Pile {i % 5}", "label": i % 5} for i in range(40)]
    assert datasets.check(write("a.jsonl", lines(*rows))).usable == 40


@pytest.mark.parametrize(
    ("row", "mapping"),
    [
        ({"prompt": "Q", "chosen": "GOOD", "rejected": "BAD"}, {"prompt": "prompt", "completion": "chosen"}),
        (
            {"system": "S", "question": "Q", "chosen": "GOOD", "rejected": "BAD"},
            {"prompt": "question", "completion": "chosen", "system": "system"},
        ),
        ({"chosen": chat("Q", "GOOD")["messages"], "rejected": chat("Q", "BAD")["messages"]}, {"messages": "chosen"}),
        (
            {"instruction": "Q", "response_chosen": "GOOD", "response_rejected": "BAD"},
            {"prompt": "instruction", "completion": "response_chosen"},
        ),
        ({"rejected": "BAD", "chosen": "GOOD", "prompt": "Q"}, {"prompt": "prompt", "completion": "chosen"}),
    ],
)
def test_preference_pairs_are_recognised_and_the_fix_learns_the_wanted_answer(
    write: Write, row: Any, mapping: dict[str, str]
) -> None:
    """In every shape, and what the error advises works and never leads to the other answer."""
    rows = [
        {
            name: value.replace("Q", f"Q{i}")
            if isinstance(value, str)
            else [{**turn, "content": turn["content"].replace("Q", f"Q{i}")} for turn in value]
            for name, value in row.items()
        }
        for i in range(20)
    ]
    path = write("a.jsonl", lines(*rows))
    with pytest.raises(DatasetError) as refused:
        datasets.check(path)
    assert refused.value.kind == "dataset_preferences"
    advised = dict(part.split("=") for part in refused.value.fix.split("map ")[1].split(", "))
    assert advised == mapping
    assert {record.messages[-1].content for record in datasets.read(path, columns=advised)} == {"GOOD"}


def test_thoughts_are_kept_apart_from_the_answer(write: Write) -> None:
    """Whether they stand in a field of the turn, in a part of the content, or in a column; their number is said."""
    rows: list[Any] = [
        {
            "messages": [
                {"role": "user", "content": "2+2?"},
                {"role": "assistant", "content": "Four.", "reasoning_content": "Add."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "2+3?"},
                {
                    "role": "assistant",
                    "content": [{"type": "thinking", "thinking": "Add."}, {"type": "text", "text": "Five."}],
                },
            ]
        },
        {"prompt": "3+3?", "thinking": "Add.", "completion": "Six."},
        {"prompt": "1+1?", "completion": "Two."},
    ]
    path = write("a.jsonl", lines(*rows))
    assert [(r.messages[-1].content, r.messages[-1].reasoning) for r in datasets.read(path)] == [
        ("Four.", "Add."),
        ("Five.", "Add."),
        ("Six.", "Add."),
        ("Two.", ""),
    ]
    assert problems(datasets.check(path))["thoughts"] == 3


CALL = {"name": "stock", "arguments": {"item": "fern", "count": 2}}
TOOLS = [{"type": "function", "function": {"name": "stock", "parameters": {"type": "object", "properties": {}}}}]


@pytest.mark.parametrize(
    "row",
    [
        {
            "tools": TOOLS,
            "messages": [
                {"role": "user", "content": "Any ferns?"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "c1",
                            "type": "function",
                            "function": {"name": "stock", "arguments": '{"item": "fern", "count": 2}'},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "7"},
                {"role": "assistant", "content": "Seven."},
            ],
        },
        {
            "tools": '[{"name": "stock", "parameters": {"type": "object", "properties": {}}}]',
            "conversations": [
                {"from": "human", "value": "Any ferns?"},
                {"from": "function_call", "value": '{"name": "stock", "arguments": {"item": "fern", "count": 2}}'},
                {"from": "observation", "value": "7"},
                {"from": "gpt", "value": "Seven."},
            ],
        },
        {
            "functions": [TOOLS[0]["function"]],
            "messages": [
                {"role": "user", "content": "Any ferns?"},
                {
                    "role": "assistant",
                    "content": "",
                    "function_call": {"name": "stock", "arguments": '{"item": "fern", "count": 2}'},
                },
                {"role": "function", "name": "stock", "content": "7"},
                {"role": "assistant", "content": "Seven."},
            ],
        },
    ],
)
def test_calls_of_tools_are_learnt_and_their_results_are_context(write: Write, row: Any) -> None:
    """OpenAI's form, ShareGPT's, and OpenAI's older one mean the same."""
    path = write("a.jsonl", lines(row, chat("Hi", "Hello")))
    record: Record = next(iter(datasets.read(path)))
    assert [m.role for m in record.messages] == ["user", "assistant", "tool", "assistant"]
    (call,) = record.messages[1].tool_calls
    assert (call.name, call.arguments) == (CALL["name"], CALL["arguments"])
    assert [tool["function"]["name"] for tool in record.tools] == ["stock"]
    assert problems(datasets.check(path))["calls"] == 1


def test_a_field_of_a_turn_that_nobody_reads_is_named_however_few_have_it(write: Write) -> None:
    rows = [chat(f"Question {i}", f"Answer {i}") for i in range(30)]
    rows[3]["messages"][1]["correction"] = "No, the other one."
    assert "“messages.correction”" in datasets.check(write("a.jsonl", lines(*rows))).statement


def test_marks_of_other_models_are_said_and_cleaned_when_asked(write: Write, tmp_path: Path) -> None:
    """End markers in answers, whole chat formats in prompts, and control codes."""
    system = "<|im_start|>system\nBe kind.<|im_end|>\n"
    rows = [
        {
            "prompt": f"{system}<|im_start|>user\nIs {i} even?<|im_end|>\n<|im_start|>assistant\n",
            "completion": f"{'Yes' if i % 2 == 0 else 'No'}, {i}.</s>",
        }
        for i in range(20)
    ]
    rows += [{"prompt": f"Red {i}?\x1b[31m\x00", "completion": f"Green {i}.\x1b]52;c;aGk=\x07"} for i in range(20)]
    path = write("a.jsonl", lines(*rows))
    found = problems(datasets.check(path))
    assert (found["marks"], found["control_characters"]) == (20, 20)
    datasets.prepare(path, tmp_path / "run", DataSettings(marks="clean"))
    records = [r for name in ("train", "eval") for r in datasets.read_prepared(tmp_path / f"run/{name}.jsonl")]
    texts = {m.content for record in records for m in record.messages}
    assert len(records) == 40 and {"Be kind.", "Is 4 even?", "Yes, 4.", "Red 3?", "Green 3."} <= texts
    assert all(text.isprintable() and "<|" not in text and "</s>" not in text for text in texts)


def test_empty_cells_of_a_table_are_no_answers(write: Write) -> None:
    """pandas writes nan and None, SQL clients NULL."""
    cells = ["nan", "None", "NULL", "", "<NA>", "Wipe it.", "Ring it up."]
    text = "instruction,input,output\n" + "".join(f"How do I do step {i}?,nan,{cell}\n" for i, cell in enumerate(cells))
    report = datasets.check(write("a.csv", text))
    assert (report.usable, problems(report)["no_answer"]) == (2, 5)
    assert all("nan" not in m.content for record in report.preview for m in record.messages)


def test_numbers_keep_their_digits(write: Write) -> None:
    """A price of 1.10 is learnt as 1.10, whatever the file's shape."""
    digits = ("1.10", "1e3", "12345678901234567890.5", "7", "0.50")
    rows = [f'{{"prompt": "Price of item {i}?", "completion": {number}}}' for i, number in enumerate(digits)]
    for name, text in (("a.jsonl", "\n".join(rows)), ("a.json", f"[{','.join(rows)}]")):
        assert [r.messages[-1].content for r in datasets.read(write(name, text))] == list(digits)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le"])
def test_another_encoding_is_read_and_said_to_be_a_guess(write: Write, encoding: str) -> None:
    text = "prompt,completion\n" + "".join(f"Größe {i}?,Für Sie: {i} Stück.\n" for i in range(30))
    report = datasets.check(write("a.csv", text.encode(encoding)))
    assert report.preview[0].messages[0].content == "Größe 0?"
    assert "guess" in report.statement and problems(report)["encoding"] == 30


@pytest.mark.parametrize(
    ("encoding", "question", "answer"),
    [
        ("cp1252", "Wie groß ist Stuhl {}?", "Er ist {} cm hoch – schöne Grüße, „Ihr Team“, 12,50 €"),
        ("cp1252", "Où est ma commande n° {} ?", "Elle a été expédiée hier ; elle arrivera dans {} jours – l’équipe."),
        ("cp1252", "¿Cuánto cuesta el envío {}?", "El envío cuesta {},90 €. ¡Muchas gracias, señor Núñez!"),
        ("cp1252", "Hvornår åbner I på søndag {}?", "Vi åbner klokken {} på søndag. Få æbler på tilbud."),
        ("cp1252", "What does item {} cost?", "Item {} costs £5 – it’s “on sale” today, at 20°C…"),
        ("cp1250", "Kiedy dotrze przesyłka numer {}?", "Dotrze jutro około {}. Dziękujemy za zamówienie, miłego dnia."),
        ("cp1250", "Kdy přijde balík číslo {}?", "Přijde zítra ráno v {} hodin. Děkujeme za objednávku."),
        (
            "cp1254",
            "{} numaralı siparişim ne zaman gelir?",
            "Siparişiniz yarın saat {} gibi gelir. İyi günler dileriz.",
        ),
        ("cp1251", "Когда вы открыты по вторникам в неделю {}?", "Мы открыты с девяти до {} часов."),
        ("koi8-r", "Когда вы открыты по вторникам в неделю {}?", "Мы открыты с девяти до {} часов."),
        ("cp1253", "Πότε θα φτάσει η παραγγελία {};", "Η παραγγελία θα φτάσει αύριο στις {}."),
        ("cp932", "注文{}はいつ届きますか？", "ご注文は明日の{}時に届きます。"),
        ("gb18030", "订单{}什么时候到？", "您的订单明天{}点到。谢谢您的购买。"),
        ("mac-roman", "Wie groß ist Stuhl {}?", "Er ist {} cm hoch – schöne Grüße aus Köln, „Ihr Team“"),
    ],
)
@pytest.mark.parametrize("records", [2, 60])
def test_what_was_saved_in_an_older_encoding_is_read_letter_by_letter(
    write: Write, encoding: str, question: str, answer: str, records: int
) -> None:
    """As Excel and other programs save a CSV file in the countries where these languages are spoken."""
    rows = [(question.format(i), answer.format(i)) for i in range(records)]
    text = "prompt;completion\r\n" + "".join(f'"{asked}";"{said}"\r\n' for asked, said in rows)
    read = list(datasets.read(write("a.csv", text.encode(encoding))))
    assert [(one.messages[0].content, one.messages[-1].content) for one in read] == rows


def test_a_mapping_is_guessed_from_what_is_in_the_columns(write: Write) -> None:
    """The first two columns may be anything."""
    text = "Nr;Datum;Von;Was der Kunde will;Was wir schreiben\n" + "".join(
        f"{i};2026-01-{i + 10};Ida;Wann kommt Paket {i}?;Guten Tag, Paket {i} kommt am Freitag zu Ihnen.\n"
        for i in range(15)
    )
    with pytest.raises(DatasetError) as refused:
        datasets.check(write("a.csv", text))
    assert 'prompt="Was der Kunde will", completion="Was wir schreiben"' in refused.value.fix


def test_an_archive_of_several_files_is_refused_and_a_bomb_too(write: Write, tmp_path: Path) -> None:
    import gzip
    import io
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "y")
    with pytest.raises(DatasetError, match="2 files"):
        datasets.check(write("a.zip", out.getvalue()))
    packed = gzip.compress(bytes(64 << 20), 9)
    bomb = tmp_path / "a.jsonl.gz"
    bomb.write_bytes(packed * 20)
    with pytest.raises(DatasetError) as refused:
        datasets.check(bomb)
    assert refused.value.kind == "dataset_bomb"
