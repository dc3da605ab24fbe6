"""What a person would pass over in a file without thinking: ways not taken, steps in lists, marks by other names."""

from __future__ import annotations

from typing import Any

import pytest

from brightrun_tui import datasets
from brightrun_tui.domain.errors import DatasetError
from tests.datasets.conftest import Write, chat, first, kinds, lines, pairs

COUNT = 24
PAIRS = list(pairs(COUNT))
NEVER = "This must not be learnt"


def marked(name: str, good: Any, bad: Any) -> list[dict[str, Any]]:
    """Records of which every fourth has an answer that is not wanted, and says so in the field ``name``."""
    return [
        {**row, **({"completion": f"{NEVER}, {i}.", name: bad} if i % 4 == 3 else {name: good})}
        for i, row in enumerate(PAIRS)
    ]


def learns_unwanted(path: Any) -> bool:
    """Say whether any answer is learnt that must not be."""
    return any(NEVER in message.content for record in datasets.read(path) for message in record.messages)


def asked_again(i: int, leaf: bool) -> dict[str, Any]:
    """A conversation whose first answer was asked for again."""
    turns = [
        {"uuid": f"u{i}", "sender": "human", "text": PAIRS[i]["prompt"], "parent_message_uuid": "0000"},
        {"uuid": f"x{i}", "sender": "assistant", "text": f"{NEVER}, {i}.", "parent_message_uuid": f"u{i}"},
        {"uuid": f"y{i}", "sender": "assistant", "text": PAIRS[i]["completion"], "parent_message_uuid": f"u{i}"},
        {"uuid": f"t{i}", "sender": "human", "text": "Thanks.", "parent_message_uuid": f"y{i}"},
        {"uuid": f"z{i}", "sender": "assistant", "text": "Gladly.", "parent_message_uuid": f"t{i}"},
    ]
    if leaf:  # and so was the second, of which the earlier one was kept
        turns.append({"uuid": f"w{i}", "sender": "assistant", "text": NEVER, "parent_message_uuid": f"t{i}"})
    return {"chat_messages": turns, **({"current_leaf_message_uuid": f"z{i}"} if leaf else {})}


@pytest.mark.parametrize("leaf", [True, False])
def test_of_answers_that_were_asked_for_again_the_one_shown_last_is_learnt(write: Write, leaf: bool) -> None:
    path = write("a.jsonl", lines(*(asked_again(i, leaf) for i in range(COUNT))))
    report = datasets.check(path)
    assert [text for _, text in first(report)] == [*PAIRS[0].values(), "Thanks.", "Gladly."]
    assert "branches" in kinds(report) and "joined_turns" not in kinds(report) and not learns_unwanted(path)


def test_a_thread_in_which_all_answer_the_first_message_is_one_conversation(write: Write) -> None:
    def turn(own: str, before: str | None, role: str, text: str) -> dict[str, Any]:
        return {"id": own, "parent_id": before, "role": role, "content": text}

    rows = [
        {
            "messages": [
                turn("a", None, "user", row["prompt"]),
                turn("b", "a", "assistant", row["completion"]),
                turn("c", "a", "user", "And then?"),
                turn("d", "a", "assistant", "Then nothing."),
            ]
        }
        for row in PAIRS
    ]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert [text for _, text in first(report)] == [*PAIRS[0].values(), "And then?", "Then nothing."]
    assert "branches" not in kinds(report)


def test_a_turn_that_was_deleted_is_neither_learnt_nor_joined_to_the_next(write: Write) -> None:
    rows = [chat(*row.values()) for row in PAIRS]
    for row in rows:
        row["messages"].insert(1, {"role": "assistant", "content": NEVER, "deleted": True})
    path = write("a.jsonl", lines(*rows))
    report = datasets.check(path)
    assert first(report) == [("user", PAIRS[0]["prompt"]), ("assistant", PAIRS[0]["completion"])]
    assert "taken_back" in kinds(report) and not learns_unwanted(path)


@pytest.mark.parametrize(
    "steps",
    [
        ["1. Open it.", "2. Look inside.", "3. Close it."],
        ["Step 1: Open it.", "Step 2: Close it."],
        ["Schritt 1 – Öffnen.", "Schritt 2 – Schließen."],
        ["- Open it", "- Close it"],
        ["First, open it.", "Then look inside.", "Finally, close it."],
        ["Zuerst öffnen.", "Danach schließen."],
        ["首先打开。", "然后关闭。"],
        ["if open:", "    close()"],
        ["Dear Ann,", "", "it is open.", "Kind regards"],
    ],
)
def test_the_steps_of_one_answer_are_learnt_together(write: Write, steps: list[str]) -> None:
    rows = [{"question": row["prompt"], "answer": [*steps, f"Number {i}"][: len(steps)]} for i, row in enumerate(PAIRS)]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert first(report)[1] == ("assistant", "\n".join(steps))
    assert "joined_lines" in kinds(report) and "several_answers" not in kinds(report)


@pytest.mark.parametrize(
    "answers",
    [
        ["Paris", "The city of Paris"],
        ["1. Paris", "1. The city of Paris"],
        ["2 - 3 days", "3 - 4 days"],
        ["1.5 kg", "2.5 kg"],
        ["First class", "Second class"],
        ["It is open.", "It is open now."],
        ["- 5 °C", "−5 °C"],
    ],
)
def test_other_answers_are_not_put_together_and_the_remark_says_what_to_do_if_they_were_parts(
    write: Write, answers: list[str]
) -> None:
    rows = [{"question": row["prompt"], "answers": answers} for row in PAIRS]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert first(report)[1] == ("assistant", answers[0])
    assert any("join them" in problem.fix for problem in report.problems if problem.kind == "several_answers")


@pytest.mark.parametrize(
    ("name", "training", "testing"),
    [
        ("ml_use", "training", "validation"),
        ("set", "Training", "Test"),
        ("phase", "fit", "holdout"),
        ("Daten", "train", "eval"),
    ],
)
def test_a_field_of_any_name_that_parts_training_from_testing_is_heard(
    write: Write, name: str, training: str, testing: str
) -> None:
    rows = marked(name, training, testing)
    for beside in (
        rows,
        [{"prompt": row["prompt"], "completion": row["completion"], "x": {name: row[name]}} for row in rows],
    ):
        path = write("a.jsonl", lines(*beside))
        report = datasets.check(path)
        assert report.usable == COUNT * 3 // 4 and not learns_unwanted(path) and "kept_for_testing" in kinds(report)
    assert "unused_fields" not in kinds(datasets.check(write("a.jsonl", lines(*rows))))


def test_a_part_is_heard_in_a_mapped_table_and_words_among_others_are_not(write: Write) -> None:
    table = "".join(f"{r['prompt']},{r['completion']},{r['pool']}\n" for r in marked("pool", "train", "test"))
    report = datasets.check(
        write("a.csv", "Asked,Said,pool\n" + table.replace(", ", " ")),
        columns={"prompt": "Asked", "completion": "Said"},
    )
    assert report.usable == COUNT * 3 // 4
    kinds_of_sport = [{**row, "sport": ("training", "test", "race")[i % 3]} for i, row in enumerate(PAIRS)]
    assert datasets.check(write("b.jsonl", lines(*kinds_of_sport))).usable == COUNT
    classes = [{"prompt": row["prompt"], "completion": ("train", "test")[i % 2]} for i, row in enumerate(PAIRS)]
    assert datasets.check(write("c.jsonl", lines(*classes))).usable == COUNT


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("do_not_use", "", "x"),
        ("nicht verwenden", "", "x"),
        ("sample_weight", 1.0, 0.0),
        ("loss_weight", 1, 0),
        ("held_out", "", "x"),
    ],
)
def test_further_marks_of_a_record_are_heard(write: Write, name: str, good: Any, bad: Any) -> None:
    path = write("a.jsonl", lines(*marked(name, good, bad)))
    assert datasets.check(path).usable == COUNT * 3 // 4 and not learns_unwanted(path)


def test_a_mark_in_the_metadata_of_a_record_is_heard(write: Write) -> None:
    rows = [{**row, "metadata": {"exclude": row.pop("exclude")}} for row in marked("exclude", "", "x")]
    path = write("a.jsonl", lines(*rows))
    assert datasets.check(path).usable == COUNT * 3 // 4 and not learns_unwanted(path)


@pytest.mark.parametrize("spelt", [(1, 0), ("1", "0"), (1.0, 0.0)])
def test_nought_and_one_in_a_field_that_nobody_knows_are_said(write: Write, spelt: tuple[Any, Any]) -> None:
    report = datasets.check(write("a.jsonl", lines(*marked("sound", *spelt))))
    assert any(problem.kind == "flags" and "“sound”" in problem.what for problem in report.problems)


@pytest.mark.parametrize(
    ("name", "values"), [("floor", (0, 1, 2)), ("turn_index", (0, 1)), ("rooms", ("0", "1", "12")), ("always", (1, 1))]
)
def test_numbers_that_count_something_are_no_marks(write: Write, name: str, values: tuple[Any, ...]) -> None:
    rows = [{**row, name: values[i % len(values)]} for i, row in enumerate(PAIRS)]
    assert "flags" not in kinds(datasets.check(write("a.jsonl", lines(*rows))))


@pytest.mark.parametrize("name", ["superseded_by", "Fehler", "known issue"])
def test_what_few_records_have_and_is_called_like_a_fault_is_said(write: Write, name: str) -> None:
    rows = [{**row, **({name: "see the new one"} if i % 6 == 0 else {})} for i, row in enumerate(PAIRS)]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert any(problem.kind == "noted" and name in problem.what and problem.count == 4 for problem in report.problems)


@pytest.mark.parametrize("better", ["approved_answer", "Answer (reviewed)", "answer new", "better_answer"])
def test_the_better_of_two_answers_is_offered_as_a_shell_takes_it(write: Write, better: str) -> None:
    rows = [{"question": row["prompt"], "answer": NEVER, better: row["completion"]} for row in PAIRS]
    with pytest.raises(DatasetError) as caught:
        datasets.check(write("a.jsonl", lines(*rows)))
    typed = f'"{better}"' if " " in better else better
    assert f"completion={typed}" in caught.value.fix


@pytest.mark.parametrize("said", ["yes", "2025-03-04", "by Ida"])
def test_what_is_said_of_an_answer_is_no_second_one(write: Write, said: str) -> None:
    rows = [
        {
            "question": row["prompt"],
            "answer": f"{row['completion']} That is all there is to say.",
            "answer_approved": said,
        }
        for row in PAIRS
    ]
    assert datasets.check(write("a.jsonl", lines(*rows))).usable == COUNT


@pytest.mark.parametrize("other", ["final_answer", "human_output", "Réponse précédente"])
def test_a_further_answer_under_a_longer_name_is_said_as_one(write: Write, other: str) -> None:
    rows = [
        {"question": row["prompt"], "answer": row["completion"], other: f"It might be {i}."}
        for i, row in enumerate(PAIRS)
    ]
    assert "two_answers" in kinds(datasets.check(write("a.jsonl", lines(*rows))))


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        ("generated_answer", "reference"),
        ("hypothesis", "reference"),
        ("machine_translation", "post_edit"),
        ("student_answer", "teacher_answer"),
        ("bot_reply", "agent_reply"),
    ],
)
def test_a_mapping_never_leads_to_what_a_machine_wrote_beside_the_right_answer(
    write: Write, worse: str, better: str
) -> None:
    rows = [
        {"question": row["prompt"], worse: f"Maybe it is {i}, who knows?", better: row["completion"]}
        for i, row in enumerate(PAIRS)
    ]
    with pytest.raises(DatasetError) as caught:
        datasets.check(write("a.jsonl", lines(*rows)))
    assert f"completion={better}" in caught.value.fix


def test_who_wrote_is_never_proposed_as_question_or_answer(write: Write) -> None:
    table = "".join(
        f'2025-01-01,Anna Berg,"{r["prompt"]}"\n2025-01-01,Support Desk,"{r["completion"]}"\n' for r in PAIRS
    )
    with pytest.raises(DatasetError) as caught:
        datasets.check(write("a.csv", f"Date,From,Message\n{table}"))
    assert "=From" not in caught.value.fix
    rows = [
        {
            "prompt": r["prompt"],
            "note.responses": [r["completion"]],
            "note.responses.status": ["submitted", "draft"][:1],
        }
        for r in PAIRS
    ]
    with pytest.raises(DatasetError) as caught:
        datasets.check(write("b.jsonl", lines(*rows)))
    assert "status" not in caught.value.fix


def test_answers_with_votes_are_refused(write: Write) -> None:
    rows = [
        {"question": row["prompt"], "answers": [{"text": NEVER, "votes": -2}, {"text": row["completion"], "votes": 5}]}
        for row in PAIRS
    ]
    with pytest.raises(DatasetError, match="several answers"):
        datasets.check(write("a.jsonl", lines(*rows)))


@pytest.mark.parametrize(("name", "more"), [("best", {}), ("correct_index", {}), ("accepted_answer_id", {})])
def test_answers_of_which_a_number_says_the_best_are_refused(write: Write, name: str, more: dict[str, Any]) -> None:
    rows = [{"question": row["prompt"], "answers": [NEVER, row["completion"]], name: 1, **more} for row in PAIRS]
    with pytest.raises(DatasetError, match="several answers"):
        datasets.check(write("a.jsonl", lines(*rows)))


def test_candidates_beside_the_answer_itself_refuse_nothing(write: Write) -> None:
    rows = [
        {"question": row["prompt"], "candidates": ["No.", row["completion"]], "correct": 1, "answer": row["completion"]}
        for row in PAIRS
    ]
    assert datasets.check(write("a.jsonl", lines(*rows))).usable == COUNT


def test_a_context_of_titles_with_sentences_is_part_of_the_question(write: Write) -> None:
    context = [["Sums", ["They add. ", "They are whole."]], ["Signs", ["Plus is one."]]]
    rows = [{"question": row["prompt"], "context": context, "answer": row["completion"]} for row in PAIRS]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert first(report)[0][1] == f"{PAIRS[0]['prompt']}\n\nSums\nThey add. They are whole.\nSigns\nPlus is one."


def test_of_two_answers_that_nothing_tells_apart_none_is_proposed(write: Write) -> None:
    rows = [
        {"Interview question": row["prompt"], "Candidate answer": f"Perhaps {i}.", "Model answer": row["completion"]}
        for i, row in enumerate(PAIRS)
    ]
    with pytest.raises(DatasetError) as caught:
        datasets.check(write("a.jsonl", lines(*rows)))
    assert "completion=" not in caught.value.fix


def test_a_remark_on_what_is_new_is_no_second_answer(write: Write) -> None:
    rows = [
        {**row, "new": f"We have changed entry {i} in spring, after a call from a customer."}
        for i, row in enumerate(PAIRS)
    ]
    assert datasets.check(write("a.jsonl", lines(*rows))).usable == COUNT
