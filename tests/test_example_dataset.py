"""The example dataset that ships with the product: facts in many wordings, one voice, and made by its generator."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from brightrun_tui.resources import resource

ROOT = Path(__file__).resolve().parent.parent
SIGN_OFF = "\nHappy growing, Ida from Fernwick"


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    path = resource("presets") / "examples" / "support-desk.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def questions() -> list[dict[str, Any]]:
    path = resource("presets") / "examples" / "support-desk.questions.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(found, list)
    return found


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower()))


def test_conversations_are_alternating_turns_that_end_with_an_answer(records: list[dict[str, Any]]) -> None:
    for record in records:
        roles = [message["role"] for message in record["messages"]]
        assert roles == ["user", "assistant"] * (len(roles) // 2), record
        assert all(message["content"].strip() == message["content"] != "" for message in record["messages"])
    assert any(len(record["messages"]) > 2 for record in records)


def test_every_fact_is_asked_for_in_at_least_ten_wordings_and_no_question_comes_twice(
    records: list[dict[str, Any]],
) -> None:
    wordings: dict[str, set[str]] = defaultdict(set)
    for record in records:
        asked, answered = (message["content"] for message in record["messages"][:2])
        wordings[re.sub(r"^Hello [\w]+!", "", answered)].add(asked)
    assert all(len(asked) >= 10 for asked in wordings.values())
    assert len({record["messages"][0]["content"] for record in records}) == len(records)


def test_no_topic_is_asked_about_far_more_than_the_others(records: list[dict[str, Any]]) -> None:
    topics = Counter(record["topic"] for record in records)
    assert len(topics) >= 8 and max(topics.values()) <= 3 * min(topics.values())


def test_every_answer_keeps_the_house_style_and_a_sensible_length(records: list[dict[str, Any]]) -> None:
    answers = [
        message["content"] for record in records for message in record["messages"] if message["role"] == "assistant"
    ]
    assert all(answer.endswith(SIGN_OFF) for answer in answers)
    assert all(5 <= len(answer.split()) <= 40 for answer in answers)
    assert not [
        text
        for record in records
        for message in record["messages"]
        for text in [message["content"]]
        if any(left in text for left in "[]{}|") or "  " in text
    ]


def test_a_name_in_an_answer_was_said_by_the_customer(records: list[dict[str, Any]]) -> None:
    for record in records:
        asked, answered = (record["messages"][place]["content"] for place in (0, 1))
        for name in re.findall(r"^Hello (?!there)(\w+)!", answered):
            assert name in asked, record


def test_the_questions_to_try_ask_for_taught_facts_in_words_that_were_not(
    records: list[dict[str, Any]], questions: list[dict[str, Any]]
) -> None:
    assert len(questions) >= 3
    asked = [record["messages"][0]["content"] for record in records]
    for one in questions:
        taught = [record["messages"][1]["content"] for record in records]
        holders = {re.sub(r"^Hello [\w]+!", "", text) for text in taught if any(fact in text for fact in one["fact"])}
        assert len(holders) == 1, f"{one}: the words of the fact belong to exactly one answer"
        alike = max(
            len(words(one["question"]) & words(other)) / len(words(one["question"]) | words(other)) for other in asked
        )
        assert alike < 0.7, one


def test_the_generator_makes_these_very_files(tmp_path: Path) -> None:
    script = ROOT / "scripts" / "make_example_dataset.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, capture_output=True)
    for name in ("support-desk.jsonl", "support-desk.questions.json"):
        assert (tmp_path / name).read_bytes() == (ROOT / "presets" / "examples" / name).read_bytes()


def test_the_datasets_room_finds_every_record_usable() -> None:
    from brightrun_tui.datasets import check

    report = check(ROOT / "presets" / "examples" / "support-desk.jsonl")
    assert report.ok and report.usable == report.records
    assert not report.problems
    assert len(report.categories["topic"]) >= 8
