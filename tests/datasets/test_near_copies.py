"""Records that say nearly the same: found, named with their lines, and never held out apart from one another."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from brightrun_tui import datasets
from brightrun_tui.domain.dataset import DatasetReport, Problem
from brightrun_tui.domain.setting_groups import DataSettings
from tests.datasets.conftest import Write, lines

DICE = random.Random()
WORDS = [
    first + second
    for first in ("ka", "lo", "mi", "ne", "su", "ta", "vo", "zen")
    for second in ("dra", "lin", "mer", "pos")
]


@pytest.fixture(autouse=True)
def the_same_words_in_every_order_of_tests() -> None:
    DICE.seed(4)


def said(count: int) -> list[str]:
    return DICE.choices(WORDS, k=count)


def row(question: list[str], answer: list[str], **more: str) -> dict[str, str]:
    return {"prompt": " ".join(question), "completion": " ".join(answer), **more}


def changed(text: list[str], *places: int) -> list[str]:
    """The text with other words at these places."""
    return [f"other{place}" if place in places else word for place, word in enumerate(text)]


def found(report: DatasetReport, kind: str) -> Problem | None:
    return next((problem for problem in report.problems if problem.kind == kind), None)


def test_near_copies_are_named_with_their_lines_and_kept_on_one_side(write: Write, tmp_path: Path) -> None:
    """A changed word or two, capitals and punctuation do not make another record: both go to one side; the check says which."""
    rows = [row(said(12), said(60)) for _ in range(40)]
    for i in (3, 7, 11, 19):
        question, answer = (rows[i][name].split() for name in ("prompt", "completion"))
        rows.append(row([word.title() for word in question], changed(answer, 5, 40), topic="copied"))
        rows[-1]["completion"] = rows[-1]["completion"].replace(" ", ", ", 3) + "."
    path = write("a.jsonl", lines(*rows))
    near = found(datasets.check(path), "near_copy")
    assert near is not None and (near.count, near.places) == (
        4,
        ("line 41 as line 4", "line 42 as line 8", "line 43 as line 12"),
    )
    for seed in range(5):
        datasets.prepare(path, tmp_path / "data", DataSettings(split_seed=seed, eval_fraction=0.4))
        held = {record.line for record in datasets.read_prepared(tmp_path / "data" / "eval.jsonl")}
        assert all((copy in held) == (original in held) for copy, original in ((41, 4), (42, 8), (43, 12), (44, 20)))


def test_exact_copies_and_contradictions_are_named_with_their_lines(write: Write) -> None:
    """Which line repeats which, and which one answers the same question otherwise; a near-copy is not a contradiction."""
    rows = [row(said(8), said(30)) for _ in range(30)]
    rows += [
        rows[2],
        {**rows[5], "completion": " ".join(said(30))},
        {**rows[6], "completion": " ".join(changed(rows[6]["completion"].split(), 3))},
    ]
    report = datasets.check(write("a.jsonl", lines(*rows)))
    assert {problem.kind: problem.places for problem in report.problems} == {
        "duplicate": ("line 31 as line 3",),
        "other_answer": ("line 32 as line 6",),
        "near_copy": ("line 33 as line 7",),
    }


def test_what_only_looks_alike_is_no_copy(write: Write) -> None:
    """Short questions that differ in a word, many wordings of one question, and cases that are in the system message."""
    colours = [
        row(f"How much is the {a} {b} vase ?".split(), f"The {a} {b} vase is {i} euros .".split())
        for i, (a, b) in enumerate((a, b) for a in ("red", "blue", "green", "old") for b in ("small", "large", "round"))
    ]
    answer = said(50)
    wordings = [row(said(7), answer) for _ in range(12)]
    systems = [row(said(3)[:1] * 4, ["yes"], system=" ".join(said(30))) for _ in range(12)]
    for rows in (colours, wordings, systems):
        assert found(datasets.check(write("a.jsonl", lines(*rows))), "near_copy") is None


def test_a_copy_under_another_date_and_one_with_letters_that_nobody_sees_stay_with_their_originals(
    write: Write,
) -> None:
    """What only the day of the system message or an invisible letter parts would give the held-out answers away."""
    rows = [row(said(10), said(40), system="It is Monday, March 4, 2024, 10:30.") for _ in range(30)]
    later = [{**each, "system": "It is Friday, June 7, 2024, 16:02."} for each in rows[:3]]
    unseen = [{**each, "completion": each["completion"].replace(" ", " \u200b")} for each in rows[5:7]]
    copies = found(datasets.check(write("a.jsonl", lines(*rows, *later, *unseen))), "near_copy")
    assert copies and copies.count == 5 and copies.places[0] == "line 31 as line 1"


def test_a_form_that_all_share_is_said_with_its_share_and_copies_within_it_are_found(write: Write) -> None:
    """Three hundred long orders of one form are split all the same; two that differ by a comma are not."""
    form = said(50)
    rows = [row([*form, *said(3)], [*form, *said(3)]) for _ in range(300)]
    rows.append({**rows[9], "completion": rows[9]["completion"].replace(" ", ", ", 1)})
    others = [row(said(10), said(30)) for _ in range(100)]
    report = datasets.check(write("a.jsonl", lines(*rows, *others)))
    form_of_all = found(report, "one_form")
    assert form_of_all is not None and form_of_all.count > 290 and "(75%)" in form_of_all.what
    assert (near := found(report, "near_copy")) is not None and "line 301 as line 10" in near.places


def test_near_copies_are_found_in_scripts_without_spaces(write: Write) -> None:
    """Chinese and Japanese are compared by characters."""
    signs = [chr(code) for code in range(0x4E00, 0x4F00)]
    texts = ["".join(DICE.choices(signs, k=60)) for _ in range(20)]
    rows = [{"prompt": f"{text[:12]}？", "completion": text} for text in texts]
    rows.append({"prompt": f"{texts[4][:12]}？", "completion": texts[4][:-1] + "。"})
    near = found(datasets.check(write("a.jsonl", lines(*rows))), "near_copy")
    assert near is not None and near.places == ("line 21 as line 5",)
