"""The example dataset that ships with the product: enough of it, varied, and made by its generator."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from brightrun_tui.resources import resource

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    path = resource("presets") / "examples" / "support-desk.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_there_are_at_least_400_conversations_of_alternating_turns_that_end_with_an_answer(records: list[dict[str, Any]]) -> None:
    assert len(records) >= 400
    for record in records:
        roles = [message["role"] for message in record["messages"]]
        assert roles == ["user", "assistant"] * (len(roles) // 2), record
        assert all(message["content"].strip() == message["content"] != "" for message in record["messages"])


def test_no_question_and_no_first_answer_comes_twice(records: list[dict[str, Any]]) -> None:
    assert len({record["messages"][0]["content"] for record in records}) == len(records)
    assert len({record["messages"][1]["content"] for record in records}) == len(records)


def test_every_topic_has_its_fair_share(records: list[dict[str, Any]]) -> None:
    topics = Counter(record["topic"] for record in records)
    assert len(topics) >= 10
    assert max(topics.values()) <= 1.2 * min(topics.values())


def test_every_answer_keeps_the_house_style_and_a_sensible_length(records: list[dict[str, Any]]) -> None:
    answers = [message["content"] for record in records for message in record["messages"] if message["role"] == "assistant"]
    assert all(answer.endswith("\nHappy growing, Ida from Fernwick") for answer in answers)
    assert all(10 <= len(answer.split()) <= 90 for answer in answers)
    assert not [text for record in records for message in record["messages"] for text in [message["content"]]
                if any(left in text for left in "[]{}|") or "  " in text]


def test_a_name_or_order_number_in_an_answer_was_said_by_the_customer(records: list[dict[str, Any]]) -> None:
    for record in records:
        asked, answered = (record["messages"][place]["content"] for place in (0, 1))
        for found in re.findall(r"order (\d{4})|^Hello (?!there)(\w+),", answered):
            assert next(filter(None, found)) in asked, record


def test_the_generator_makes_this_very_file(tmp_path: Path) -> None:
    made = tmp_path / "made.jsonl"
    script = ROOT / "scripts" / "make_example_dataset.py"
    subprocess.run([sys.executable, str(script), str(made)], check=True, capture_output=True)
    assert made.read_bytes() == (ROOT / "presets" / "examples" / "support-desk.jsonl").read_bytes()


def test_the_datasets_room_finds_every_record_usable() -> None:
    from brightrun_tui.datasets import check

    report = check(ROOT / "presets" / "examples" / "support-desk.jsonl")
    assert report.ok
    assert report.usable == report.records >= 400
    assert not report.problems
    assert len(report.categories["topic"]) >= 10
