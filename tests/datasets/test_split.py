"""The held-out records: chosen the same way every time, and never leaked into training."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from brightrun_tui import datasets
from brightrun_tui.datasets.splitting import find_units, part_held_out, split_key
from brightrun_tui.domain.dataset import Message, Record


def record(number: int, text: str, group: str = "") -> Record:
    messages = (Message(role="user", content=text), Message(role="assistant", content="ok"))
    return Record(id=f"r{number}", group=group, messages=messages)


def units(records: list[Record]) -> int:
    """How many sets of records hang together by group or content (the slow, obvious way)."""
    sets: list[set[tuple[str, object]]] = []
    for r in records:
        marks: set[tuple[str, object]] = {("text", r.messages)} | ({("group", r.group)} if r.group else set())
        for other in [s for s in sets if s & marks]:
            marks |= other
            sets.remove(other)
        sets.append(marks)
    return len(sets)


GROUPS = st.sampled_from(["", "", "g1", "g2", "g3", "g4"])
RECORDS = st.lists(st.tuples(st.sampled_from("abcdefghijklm"), GROUPS), max_size=40).map(
    lambda drawn: [record(i, text, group) for i, (text, group) in enumerate(drawn)]
)


@given(RECORDS, st.floats(0.01, 0.89), st.integers(1, 50), st.integers(0, 5))
def test_split_is_a_deterministic_partition_without_leaks(
    records: list[Record], fraction: float, most: int, seed: int
) -> None:
    """Every record is on exactly one side, in order; no group and no content is on both; both sides have some."""
    train, held = datasets.split(records, fraction, most, seed)
    assert sorted(train + held, key=lambda r: int(r.id[1:])) == records
    assert train == [r for r in records if r in train] and held == [r for r in records if r in held]
    assert (train, held) == datasets.split(records, fraction, most, seed)
    assert not {r.messages for r in train} & {r.messages for r in held}
    parts = units(records)
    if parts >= 2:
        assert train and held
        assert not {r.group for r in train if r.group} & {r.group for r in held if r.group}
    elif len({r.messages for r in records}) >= 2:
        assert train and held and find_units([split_key(r) for r in records]).one_group
    else:
        assert held == []


@given(RECORDS, st.randoms(use_true_random=False))
def test_the_order_of_the_file_does_not_decide(records: list[Record], shuffler: random.Random) -> None:
    """Shuffling the lines of a file holds out the same records."""
    shuffled = shuffler.sample(records, len(records))
    assert {r.id for r in datasets.split(records, 0.2, 50, 1)[1]} == {
        r.id for r in datasets.split(shuffled, 0.2, 50, 1)[1]
    }


@pytest.mark.parametrize(
    ("groups", "size", "fraction", "most", "low", "high"),
    [
        (1000, 1, 0.1, 500, 100, 100),
        (12, 4, 0.1, 500, 4, 8),
        (3, 100, 0.1, 500, 100, 100),
        (2, 50, 0.5, 500, 50, 50),
        (1000, 1, 0.1, 20, 20, 20),
        (100, 7, 0.1, 500, 70, 70),
        (18, 4, 0.1, 500, 8, 8),
        (5, 10, 0.3, 500, 10, 20),
    ],
)
def test_the_held_out_share_is_as_close_as_whole_groups_allow(
    groups: int, size: int, fraction: float, most: int, low: int, high: int
) -> None:
    """About the wanted share for many small groups and for few large ones, and never above the limit while that can be."""
    records = [record(g * size + i, f"{g} {i}", f"g{g}") for g in range(groups) for i in range(size)]
    train, held = datasets.split(records, fraction, most, 13)
    assert low <= len(held) <= high and train
    assert not {r.group for r in train} & {r.group for r in held}


def test_one_huge_group_goes_to_training() -> None:
    """With one group of 90 and ten single records, the held-out ones come from the small ones."""
    records = [record(i, f"t{i}", "big" if i < 90 else "") for i in range(100)]
    train, held = datasets.split(records, 0.1, 500, 3)
    assert len(held) == 10 and all(not r.group for r in held) and len(train) == 90


def test_seeds_choose_different_records() -> None:
    """Another seed holds out others."""
    records = [record(i, f"t{i}") for i in range(200)]
    assert datasets.split(records, 0.1, 500, 1)[1] != datasets.split(records, 0.1, 500, 2)[1]


def test_new_records_leave_most_of_the_choice_as_it_was() -> None:
    """When a dataset grows, records once held out stay held out, so that versions can be compared."""
    records = [record(i, f"t{i}") for i in range(220)]
    before = {r.id for r in datasets.split(records[:200], 0.1, 500, 1)[1]}
    after = {r.id for r in datasets.split(records, 0.1, 500, 1)[1]}
    assert len(before & after) >= 0.8 * len(before)


def test_records_that_have_nothing_in_common_are_split_as_they_always_were() -> None:
    """A run is repeated with the records it held out in an earlier version."""
    held = datasets.split([record(i, f"t{i}") for i in range(100)], 0.1, 500, 1)[1]
    assert [int(r.id[1:]) for r in held] == [3, 7, 15, 43, 66, 68, 82, 85, 88, 92]


def talk(name: str, turns: Sequence[str], system: str = "") -> Record:
    messages = [Message(role=("user", "assistant")[i % 2], content=text) for i, text in enumerate(turns)]
    return Record(id=name, messages=tuple([Message(role="system", content=system)] * bool(system) + messages))


def respaced(text: str, dice: random.Random) -> str:
    """The same words in other capitals and with other spaces."""
    changes: list[Callable[[str], str]] = [str.upper, str.lower, str]
    text = dice.choice(changes)(text)
    return dice.choice(["", " ", "\n"]) + text.replace(" ", dice.choice([" ", "  ", "\t"]))


def conversation_of(r: Record) -> str:
    return r.id.split("/")[0]


@given(
    st.lists(st.integers(1, 6), min_size=2, max_size=12),
    st.booleans(),
    st.sampled_from([None, "greeting", "greeted"]),
    st.integers(0, 5),
    st.randoms(use_true_random=False),
)
def test_a_conversation_exported_turn_by_turn_stays_on_one_side(
    exchanges: list[int], system: bool, opening: str | None, seed: int, dice: random.Random
) -> None:
    """Growing prefixes without an id, in any order and spacing, also where all conversations open alike."""
    records = []
    for c, length in enumerate(exchanges):
        start = ["Hi", "Hello, how can I help?"] if opening else []
        turns = start + [f"{kind} {c} {i}" for i in range(length) for kind in ("question", "answer")]
        ends = range(2 if opening == "greeting" else len(start) + 2, len(turns) + 1, 2)
        records += [
            talk(
                "hello" if end == 2 and opening else f"c{c}/{end}",
                [respaced(turn, dice) for turn in turns[:end]],
                "Be kind" * system,
            )
            for end in ends
        ]
    dice.shuffle(records)
    train, held = datasets.split(records, 0.2, 500, seed)
    assert train and held
    assert not {conversation_of(r) for r in train} & {conversation_of(r) for r in held}


@given(st.integers(20, 60), st.integers(2, 6), st.integers(0, 5), st.randoms(use_true_random=False))
def test_answers_to_one_question_stay_on_one_side(questions: int, answers: int, seed: int, dice: random.Random) -> None:
    """A held-out question was never asked in training, not even with another answer."""
    answers = min(answers, questions * answers // 10)
    records = [
        talk(f"q{q}/{a}", [respaced(f"question {q}", dice), f"answer {a} to {q}"])
        for q in range(questions)
        for a in range(answers)
    ]
    train, held = datasets.split(records, 0.2, 500, seed)
    assert train and held and len(held) <= 0.3 * len(records)
    assert not {conversation_of(r) for r in train} & {conversation_of(r) for r in held}


@pytest.mark.parametrize(
    ("prompts", "answers", "held_out"), [(1, 200, 20), (3, 100, 30), (11, 100, 110), (1, 5, 1), (2, 8, 2)]
)
def test_a_constant_instruction_does_not_keep_everything_together(prompts: int, answers: int, held_out: int) -> None:
    """Where one instruction has many good answers, the answers are split as asked, and nobody speaks of one conversation."""
    records = [
        talk(f"p{p}/{a}", [f"Write a poem {p}", f"poem {a} of {p}"]) for p in range(prompts) for a in range(answers)
    ]
    assert len(datasets.split(records, 0.1, 500, 3)[1]) == held_out
    assert not find_units([split_key(r) for r in records]).one_group


def test_instructions_in_the_system_message_are_not_one_conversation() -> None:
    """The text to work on may be in the system message and the question always the same."""
    records = [talk(str(i), ["Is this spam?", "yes" if i % 2 else "no"], f"Message {i}") for i in range(100)]
    assert len(datasets.split(records, 0.1, 500, 1)[1]) == 10


def test_answers_of_given_groups_do_not_chain_the_groups() -> None:
    """Where the file names its conversations, one question asked in all of them does not make them one."""
    records = [record(g * 5 + i, f"{g} {i}", f"g{g}") for g in range(40) for i in range(4)]
    records += [talk(f"hello{g}", ["Hi", f"hello from {g}"]).model_copy(update={"group": f"g{g}"}) for g in range(15)]
    assert len(set(find_units([split_key(r) for r in records]).first)) == 40


@example(counts=[1, 8, 8, 43], fraction=0.125, seed=0)
@given(
    counts=st.lists(st.integers(1, 60), min_size=2, max_size=5), fraction=st.floats(0.05, 0.5), seed=st.integers(0, 5)
)
def test_every_label_that_is_frequent_enough_is_held_out_in_its_share(
    counts: list[int], fraction: float, seed: int
) -> None:
    """A rare class that chance left out of the held-out records would make a model that never says it look perfect. The
    others give way where a rare one with eight records or more gets its two.
    """
    records = [labelled(f"{label}-{number}", str(label)) for label, many in enumerate(counts) for number in range(many)]
    held = datasets.split(records, fraction, len(records), seed)[1]
    share = len(held) / len(records)
    given_way = sum(2 - many * share for many in counts if many >= 8 and many * share < 2)
    for label, many in enumerate(counts):
        if many * share >= 1:
            found = sum(record.messages[-1].content == str(label) for record in held)
            assert -1.5 - given_way <= found - many * share <= 1.5, f"{found} of {many} at {share:.0%}"


def test_a_rare_label_both_chooses_the_checkpoint_and_judges_it() -> None:
    """One in twenty is rare, and yet the one that matters; one in sixty is left to be learnt."""
    told = ["check" if i % 20 == 0 else "stop" if i % 60 == 1 else "fine" for i in range(250)]
    for seed in range(20):
        learnt, held = datasets.split([labelled(str(i), label) for i, label in enumerate(told)], 0.1, 500, seed)
        sides = part_held_out(held, seed)
        assert sides is not None and len(held) == 25
        assert all(any(record.messages[-1].content == "check" for record in side) for side in sides)
        assert sum(record.messages[-1].content == "stop" for record in learnt) >= 4


def labelled(question: str, label: str) -> Record:
    """A question of its own words, so that nothing but its label is like another's."""
    words = hashlib.sha256(question.encode()).hexdigest()
    said = " ".join(words[i : i + 4] for i in range(0, 48, 4))
    return Record(id=question, messages=(Message(role="user", content=said), Message(role="assistant", content=label)))
