"""What help desks, tools that watch models, studios of services and tables of other languages write: read, said, or refused."""

from __future__ import annotations

import json
from typing import Any
from unicodedata import normalize

import pytest

from brightrun_tui import datasets
from brightrun_tui.datasets.answers import remarks_on
from brightrun_tui.datasets.credentials import credentials_in
from brightrun_tui.datasets.guessing import guess_columns
from brightrun_tui.domain.dataset import Message, Record
from brightrun_tui.domain.errors import DatasetError
from tests.datasets.conftest import Write, first, kinds, lines

COUNT = 24


def asked(i: int) -> str:
    return f"When does ferry {i} leave?"


def said(i: int) -> str:
    return f"Ferry {i} leaves at {i % 24}:40 from the north pier."


def user(i: int) -> dict[str, Any]:
    return {"role": "user", "content": asked(i)}


def turn(i: int) -> dict[str, Any]:
    return {"role": "assistant", "content": said(i)}


def table(*rows: tuple[str, ...], delimiter: str = ";") -> str:
    return "".join(delimiter.join(cells) + "\n" for cells in rows)


ANSWERED = [("user", asked(0)), ("assistant", said(0))]


@pytest.mark.parametrize(
    "record",
    [
        lambda i: {"inputs": {"question": asked(i)}, "outputs": {"answer": said(i)}, "metadata": {}},
        lambda i: {"inputs": {"messages": [user(i)]}, "outputs": turn(i), "id": f"x{i}"},
        lambda i: {"input": {"question": asked(i)}, "expectedOutput": said(i), "status": "ACTIVE"},
        lambda i: {"input": {"messages": [user(i)]}, "expected_output": {"messages": [turn(i)]}},
        lambda i: {"messages": [user(i)], "choices": [{"index": 0, "message": turn(i), "finish_reason": "stop"}]},
        lambda i: {
            "messages": [
                {"role": one["role"], "content": [{"type": "text", "text": {"value": one["content"]}}]}
                for one in (user(i), turn(i))
            ]
        },
        lambda i: {"messages": [{"from": "guest", "body": asked(i)}, {"from": "operator", "body": said(i)}]},
    ],
)
def test_examples_of_tools_that_watch_models_are_read(write: Write, record: Any) -> None:
    report = datasets.check(write("a.jsonl", lines(*map(record, range(COUNT)))))
    assert report.usable == COUNT and first(report) == ANSWERED


def test_a_score_of_nought_on_a_turn_is_not_passed_over_in_silence(write: Write) -> None:
    """A bare 0 may be a count of votes, so that nothing is left out for it."""
    rows = [{"messages": [user(i), {**turn(i), "score": float(i % 2)}]} for i in range(COUNT)]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert "messages.score" in next(each.what for each in report.problems if each.kind == "flags")


def test_what_two_fields_say_is_a_pair_only_where_there_is_nothing_else(write: Write) -> None:
    said_only = [{"human": asked(i), "gpt": said(i), "id": i} for i in range(COUNT)]
    assert first(datasets.check(write("a.jsonl", lines(*said_only)))) == ANSWERED
    with pytest.raises(DatasetError):
        rows = [{"user": f"anna{i}", "bot": f"Helper {i}", "text": said(i)} for i in range(COUNT)]
        datasets.check(write("b.jsonl", lines(*rows)))


def test_earlier_turns_stand_before_a_mapped_question_and_a_text_about_them_leaves_nothing_out(write: Write) -> None:
    earlier = [{"role": "USER", "message": "Hello"}, {"role": "CHATBOT", "message": "Good day."}]
    rows = [{"message": asked(i), "response": said(i), "chat_history": earlier} for i in range(COUNT)]
    path = write("a.jsonl", lines(*rows))
    with pytest.raises(DatasetError) as error:
        datasets.check(path)
    assert "prompt=message, completion=response" in error.value.fix
    report = datasets.check(path, columns={"prompt": "message", "completion": "response"})
    assert first(report) == [("user", "Hello"), ("assistant", "Good day."), *ANSWERED]
    told = [{"prompt": asked(i), "completion": said(i), "chat_history": "Human: Hello"} for i in range(COUNT)]
    report = datasets.check(write("b.jsonl", lines(*told)))
    assert report.usable == COUNT and "unused_fields" in kinds(report)


def test_a_thought_in_a_channel_of_its_own_is_no_part_of_the_answer(write: Write) -> None:
    def record(i: int) -> dict[str, Any]:
        thought = {"role": "assistant", "channel": "analysis", "content": "let me see"}
        return {"messages": [user(i), thought, {**turn(i), "channel": "final"}]}

    report = datasets.check(write("a.jsonl", lines(*map(record, range(COUNT)))))
    assert first(report) == ANSWERED and report.preview[0].messages[-1].reasoning == "let me see"


def test_a_conversation_with_its_newest_message_first_is_not_learnt_the_wrong_way_round(write: Write) -> None:
    """Of three turns and more the times leave no doubt, whoever speaks first."""

    def record(i: int) -> dict[str, Any]:
        turns = [{"role": "user", "content": "Thanks!"}, turn(i), user(i)]
        return {"messages": [{**one, "created_at": 1000 - place} for place, one in enumerate(turns)]}

    with pytest.raises(DatasetError, match="their times or numbers say so"):
        datasets.check(write("a.jsonl", lines(*map(record, range(COUNT)))))


def test_turns_without_an_answer_name_the_field_that_seems_to_hold_it(write: Write) -> None:
    path = write("a.jsonl", lines(*({"messages": [user(i)], "reference_answer": said(i)} for i in range(COUNT))))
    with pytest.raises(DatasetError, match="reference_answer") as error:
        datasets.check(path)
    assert "messages=NAME, completion=NAME" in error.value.fix
    report = datasets.check(path, columns={"messages": "messages", "completion": "reference_answer"})
    assert first(report) == ANSWERED


def test_a_table_that_names_its_columns_once_is_read(write: Write) -> None:
    rows = [[asked(i), said(i)] for i in range(COUNT)]
    report = datasets.check(write("a.json", json.dumps({"columns": ["question", "answer"], "data": rows})))
    assert report.usable == COUNT and first(report) == ANSWERED


def test_of_several_lists_that_for_testing_is_not_the_one_that_is_learnt(write: Write) -> None:
    def pairs(word: str) -> list[dict[str, str]]:
        return [{"prompt": asked(i), "completion": word + said(i)} for i in range(COUNT)]

    report = datasets.check(write("a.json", json.dumps({"test": pairs("T "), "train": pairs("")})))
    assert first(report) == ANSWERED and kinds(report) & {"other_lists", "list_for_testing"} == {"list_for_testing"}
    only = datasets.check(write("b.json", json.dumps({"test": pairs("")})))
    assert first(only) == ANSWERED


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ({"subject": "s", "description": "d d", "comments": [{"author_id": 7, "plain_body": "q"}]}, "comments"),
        ({"ticket": {"id": 1, "notes": [{"note": {"body": "q", "incoming": True}}]}}, "ticket.notes"),
        ({"id": 1, "parts": {"parts": [{"author": {"type": "admin"}, "body": "q"}]}}, "parts.parts"),
    ],
)
def test_what_several_people_said_is_named_and_no_mapping_leads_past_it(write: Write, entry: Any, place: str) -> None:
    with pytest.raises(DatasetError, match=f"“{place}”") as error:
        datasets.check(write("a.jsonl", lines(*([entry] * COUNT))))
    assert "completion=" not in error.value.fix


def test_turns_in_a_field_of_another_name_are_offered(write: Write) -> None:
    turns = [[{"speaker": "customer", "text": asked(i)}, {"speaker": "agent", "text": said(i)}] for i in range(COUNT)]
    path = write("a.jsonl", lines(*({"transcript": each} for each in turns)))
    with pytest.raises(DatasetError) as error:
        datasets.check(path)
    assert "messages=transcript" in error.value.fix
    assert first(datasets.check(path, columns={"messages": "transcript"})) == ANSWERED


@pytest.mark.parametrize("names", [("Vraag", "Antwoord"), ("質問", "回答"), ("Вопрос", "Ответ"), ("Otázka", "Odpověď")])
def test_question_and_answer_are_known_in_further_languages(write: Write, names: tuple[str, str]) -> None:
    rows = [(said(i), asked(i)) for i in range(COUNT)]
    report = datasets.check(write("a.csv", table((names[1], names[0]), *rows)))
    assert first(report) == ANSWERED


@pytest.mark.parametrize(
    ("prompt", "completion", "other"),
    [
        ("Consulta", "Contestación", "Fecha"),
        ("Вопрос клиента", "Ответ оператора", "Ответственный"),
        ("Q", "A", "Owner"),
        ("Customer message", "Better reply", "Bot reply"),
        ("Question", "Answer after", "Answer before"),
        ("input", "expected_output", "actual_output"),
    ],
)
def test_a_name_tells_the_answer_where_the_texts_do_not(prompt: str, completion: str, other: str) -> None:
    rows = [
        {other: f"Wrong {i} words, more of them than there should be", completion: f"Yes {i}.", prompt: "Tell " * 20}
        for i in range(COUNT)
    ]
    assert guess_columns([row | {prompt: f"{row[prompt]} {i}"} for i, row in enumerate(rows)]) == {
        "prompt": prompt,
        "completion": completion,
    }


def test_choices_by_letter_are_no_answers() -> None:
    rows = [{"text": f"Which {i}?", "a": f"one {i}", "b": f"two {i}", "c": f"x {i}", "d": f"y {i}"} for i in range(9)]
    assert "a" not in guess_columns(rows).values()


def test_question_marks_of_other_scripts_are_question_marks() -> None:
    rows = [
        {"one": f"はい、{i}番です", "two": f"この便は何番の桟橋から何時に出ますか、教えて{i}？"} for i in range(COUNT)
    ]
    assert guess_columns(rows) == {"prompt": "two", "completion": "one"}


def test_a_decision_of_an_annotator_is_heard_in_a_mapped_table(write: Write) -> None:
    words = ("accept", "reject", "ignore")
    rows = [{"text": asked(i), "label": f"PIER {i % 4}", "answer": words[i % 3]} for i in range(COUNT)]
    report = datasets.check(write("a.jsonl", lines(*rows)), columns={"prompt": "text", "completion": "label"})
    assert report.usable == COUNT // 3 and "thumbs_down" in kinds(report)


def test_answers_of_which_one_was_accepted_are_refused(write: Write) -> None:
    rows = [
        {
            "question": asked(i),
            "answers": [{"body": "no", "is_accepted": False}, {"body": said(i), "is_accepted": True}],
        }
        for i in range(COUNT)
    ]
    with pytest.raises(DatasetError, match="several answers"):
        datasets.check(write("a.jsonl", lines(*rows)))


@pytest.mark.parametrize("words", [("WAHR", "FALSCH"), ("VRAI", "FAUX"), ("VERO", "FALSO")])
def test_true_and_false_of_a_spreadsheet_in_another_language_are_heard(write: Write, words: tuple[str, str]) -> None:
    rows = [(asked(i), said(i), words[i % 2]) for i in range(COUNT)]
    report = datasets.check(write("a.csv", table(("question", "answer", "approved"), *rows)))
    assert report.usable == COUNT // 2 and first(report) == ANSWERED


def test_the_question_of_a_form_whether_it_helped_is_heard(write: Write) -> None:
    rows = [(asked(i), said(i), ("Helpful", "Not helpful")[i % 2]) for i in range(COUNT)]
    report = datasets.check(write("a.csv", table(("question", "answer", "Was this answer helpful?"), *rows)))
    assert report.usable == COUNT // 2


def test_a_mark_in_a_map_of_a_parquet_file_is_heard(write: Write) -> None:
    import pyarrow
    from pyarrow.parquet import write_table

    marks = pyarrow.array(
        [[("train", ("true", "false")[i % 2])] for i in range(COUNT)], pyarrow.map_(pyarrow.string(), pyarrow.string())
    )
    path = write("a.parquet", b"")
    pairs = {"question": [asked(i) for i in range(COUNT)], "answer": [said(i) for i in range(COUNT)], "meta": marks}
    write_table(pyarrow.table(pairs), path)
    assert "unread_marks" in kinds(datasets.check(path))


def test_passages_in_a_list_are_named_as_what_the_answers_may_rest_on(write: Write) -> None:
    passages = ["The timetable of the islands says a lot about many ferries and their piers. " * 2]
    rows = [{"question": asked(i), "answer": said(i), "contexts": passages} for i in range(COUNT)]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert "contexts" in next(each.what for each in report.problems if each.kind == "long_unused")


def remarks(answer: str) -> set[str]:
    messages = (Message(role="user", content=asked(1)), Message(role="assistant", content=answer))
    return {kind for kind, _ in remarks_on(Record(id="1", messages=messages), [answer])}


@pytest.mark.parametrize(
    "gap",
    [
        *("{!Contact.FirstName}", "*|FNAME|*", "${customer.name}", "{first_name}", "[[customer_name]]", "«Vorname»"),
        *("<PERSON>", "[REDACTED]", "XXXX", "[PERSON_2]"),
    ],
)
def test_gaps_of_templates_and_of_what_was_taken_out_are_named(gap: str) -> None:
    assert "gaps" in remarks(f"Dear {gap}, ferry 3 leaves at 9:40.")


@pytest.mark.parametrize(
    "text",
    [
        *("Size XXL is there.", "Il dit « bonjour » à tous.", "See [the list](x).", "A {set} of 3."),
        *("Le mot «nom» est masculin.", "print(f'Hi {name}')", "GET /users/{user_id}"),
    ],
)
def test_what_only_looks_like_a_gap_is_none(text: str) -> None:
    assert "gaps" not in remarks(text)


@pytest.mark.parametrize(
    "answer",
    [
        *(
            "At 9:40【4:0†source】.",
            "At 9:40 :contentReference[oaicite:2]{index=2}",
            "[cite_start]At 9:40. [cite: 3, 4]",
        ),
        *(
            "At 9:40 citeturn0search3",
            "ChatGPT said:\nAt 9:40.",
            "python\nCopy code\nprint(1)",
            "[10:04] Anna: At 9:40.",
        ),
    ],
)
def test_what_a_chat_program_shows_beside_an_answer_is_named(answer: str) -> None:
    assert "chat_page" in remarks(answer)


@pytest.mark.parametrize(
    "answer",
    ["10:30 Uhr: Abfahrt.", "[1] Cite the source: see below.", "(9:40) Ferry leaves.", "(9:40) Doors open: hurry."],
)
def test_times_and_notes_are_not_taken_for_such(answer: str) -> None:
    assert "chat_page" not in remarks(answer)


def test_the_head_of_a_mail_below_an_answer_is_named() -> None:
    head = "Von: Gast <g@pier.org>\nGesendet: Montag, 4. März 2024 10:12\nAn: Hafen\nBetreff: Fähre\n\nWann?"
    assert "quoted_mail" in remarks(f"Um 9:40.\n\n{head}") and "quoted_mail" not in remarks(
        "Von: Kiel\nDatum: 4. Mai, 9:40\nSitz: 3\n"
    )


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Use sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z", "keys of services"),
        ("The key is AKIAIOSFODNN7EXAMPLQ.", "keys of services"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE", "private keys"),
        ("The password is Sommer2024!", "passwords"),
        ("Passwort: h4fen-tor", "passwords"),
    ],
)
def test_passwords_and_keys_are_told_by_kind(text: str, kind: str) -> None:
    assert credentials_in(["Hello", text]) == kind


@pytest.mark.parametrize(
    "text",
    [
        *("Reset your password: click on the link in the mail.", "The password is sent to you by letter."),
        *("Your password is at least 8 characters long.", "Risk-adjusted sk-learn models", "git checkout -b sk-fix"),
    ],
)
def test_talk_about_passwords_is_no_password(text: str) -> None:
    assert credentials_in([text]) == ""


def test_a_key_in_an_answer_is_said_and_never_shown(write: Write) -> None:
    key = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
    rows = [{"prompt": asked(i), "completion": said(i) + (f" {key}" if i == 5 else "")} for i in range(COUNT)]
    found = next(p for p in datasets.check(write("a.jsonl", lines(*rows))).problems if p.kind == "credentials")
    assert found.count == 1 and found.places == ("line 6",) and key not in found.what


@pytest.mark.parametrize("text", [normalize("NFD", "Die Fähre fährt früh."), "The oﬃce is open."])
def test_letters_that_are_stored_in_another_form_are_said_and_cleaned(write: Write, text: str) -> None:
    rows = [{"prompt": asked(i), "completion": f"{text} {i}"} for i in range(COUNT)]
    path = write("a.jsonl", lines(*rows))
    assert "letter_forms" in kinds(datasets.check(path))
    cleaned = next(iter(datasets.read(path, clean=True))).messages[-1].content
    assert cleaned == normalize("NFKC", f"{text} 0")


def test_a_system_text_in_front_of_a_question_in_a_form_of_its_own_is_said(write: Write) -> None:
    rows = [{"prompt": f"SYSTEM: Be brief.\nUSER: {asked(i)}", "completion": said(i)} for i in range(COUNT)]
    assert "marks" in kinds(datasets.check(write("a.jsonl", lines(*rows))))


def test_previews_that_end_in_dots_look_cut_off(write: Write) -> None:
    words = "The ferries of the islands are old and slow and loved by all who take them. ".split()
    texts = [" ".join([said(i), *words[i % 9 :], *words * 3])[:250] + "..." for i in range(COUNT)]
    rows = [{"prompt": asked(i), "completion": texts[i]} for i in range(COUNT)]
    assert "cut_short" in kinds(datasets.check(write("a.jsonl", lines(*rows))))


def test_turns_numbered_by_their_speaker_are_no_question_and_answer(write: Write) -> None:
    rows = [
        (f"c{i // 2}", f"story {i // 2}", str(1 + i % 2), said(i) if i % 2 else asked(i), "x") for i in range(2 * COUNT)
    ]
    with pytest.raises(DatasetError, match="one turn of a conversation"):
        datasets.check(write("a.csv", table(("conv", "prompt", "speaker_idx", "utterance", "tags"), *rows)))


def test_a_binary_workbook_is_named_for_what_it_is(write: Write) -> None:
    with pytest.raises(DatasetError, match="binary form"):
        datasets.check(write("a.xlsb", b"PK\x03\x04 and so on"))
