"""Answers that few people want a model to give, and what people wrote beside them, are named; answers that are fine are not."""

from __future__ import annotations

import pytest

from brightrun_tui import datasets
from tests.datasets.conftest import Write, lines

COUNT = 24


def kinds_of(write: Write, *answers: str, question: str = "Where is shop number {i}?") -> dict[str, int]:
    rows = [
        {"prompt": question.format(i=i), "completion": answers[i % len(answers)].replace("#", str(i))}
        for i in range(COUNT)
    ]
    return {problem.kind: problem.count for problem in datasets.check(write("a.jsonl", lines(*rows))).problems}


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("gaps", "Dear {{ customer_name }}, shop # is in street #."),
        ("gaps", "Dear [Your name], shop # is in street #."),
        ("gaps", "Hallo [Vorname], Laden # ist in Straße #."),
        ("gaps", "Write to <COMPANY_NAME>, street #."),
        ("gaps", "Hello %FIRST_NAME%, it is in street #."),
        ("assistant_talk", "As an AI language model, I cannot say where shop # is."),
        ("assistant_talk", "I’m sorry, but I can’t assist with shop #."),
        ("assistant_talk", "Als KI-Sprachmodell kenne ich Laden # nicht."),
        ("labelled", "Answer: it is in street #."),
        ("labelled", "**Assistant:** it is in street #."),
        ("labelled", "Antwort: in Straße #."),
        ("rounded_within", "Your order 4.71E+12 of shop # is on its way."),
    ],
)
def test_an_answer_that_would_be_learnt_as_it_stands_is_named(write: Write, kind: str, answer: str) -> None:
    """At any share of the records: one in three here."""
    found = kinds_of(write, answer, "Shop # is in street #.", "Street #, at the corner.")
    assert found == {kind: COUNT // 3}


@pytest.mark.parametrize(
    "answer",
    [
        "The set {1, 2, #} and {{2}} are subsets of [0, #].",
        "See [the shop's page](https://shop.test/#) or [1].",
        "<name>Shop #</name><date>2026-01-01</date>",
        "It costs 5 % of the PRICE in shop #.",
        "An answer: street # is what you look for.",
        "The energy is 4.71e12 J in shop #, or 4.71 × 10^12.",
        "I am sorry to hear that. Shop # helps you at once.",
        "Our AI assistant in shop # answers at once.",
    ],
)
def test_an_answer_that_looks_a_little_like_it_is_not(write: Write, answer: str) -> None:
    assert kinds_of(write, answer, "Shop # is in street #.") == {}


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Q: Where is shop 1?\nA: In street 1.\n\nQ: Where is shop {i}?\nA:", "few_shot"),
        ("Find the street.\n\nInput: shop 1\nOutput: street 1\n\nInput: shop {i}\nOutput:", "few_shot"),
        ("Frage: Wo ist Laden 1?\n**Antwort:** Straße 1\nFrage: Wo ist Laden {i}?\n**Antwort:**", "few_shot"),
        ("Question: where is shop {i}?\nAnswer:", "prompt_ends"),
        ("Here is plan A: shop 1.\nWhere is shop {i}? Choose one of:", ""),
        ("Q: Where is shop {i}?\nA: I do not know.\nWhat else could one say?", ""),
    ],
)
def test_prompts_written_for_a_model_without_chats_are_named(write: Write, question: str, kind: str) -> None:
    """Examples before the question, and the label that waits for its answer: nobody writes them to a trained model."""
    found = kinds_of(write, "In street #.", "Street #, left.", question=question)
    assert found == ({kind: COUNT} if kind else {})


def test_questions_and_answers_the_wrong_way_round_are_named_where_most_are(write: Write) -> None:
    found = kinds_of(write, "Where is shop number #?", question="Shop {i} is in street {i}.")
    assert found == {"turned_round": COUNT}
    asks_back = kinds_of(
        write, "Which street do you mean?", "Street #.", "Street #, left.", question="I look for shop {i}."
    )
    assert "turned_round" not in asks_back


@pytest.mark.parametrize("field", ["comment", "Anmerkung", "use", "reviewer_notes", "done"])
def test_what_people_wrote_beside_few_records_is_named(write: Write, field: str) -> None:
    rows = [
        {"prompt": f"Where is {i}?", "completion": f"In street {i}.", field: "x" if i % 6 == 0 else ""}
        for i in range(COUNT)
    ]
    found = next(p for p in datasets.check(write("a.jsonl", lines(*rows))).problems if p.kind == "noted")
    assert found.count == COUNT // 6 and f"“{field}”" in found.what


def test_a_mark_that_was_followed_is_not_called_unused(write: Write) -> None:
    rows = [
        {"prompt": f"Where is {i}?", "completion": f"In street {i}.", "training": "no" if i % 6 == 0 else "yes"}
        for i in range(COUNT + 6)
    ]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert {p.kind: p.count for p in report.problems} == {"nothing_to_train": 5}
