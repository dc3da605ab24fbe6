"""What decides in nearly the same words: one wrong thing makes an answer wrong, a doubt keeps it from being right."""

from __future__ import annotations

import pytest

from brightrun_tui.domain.findings import Mark
from brightrun_tui.trainer.report.calibration import make_yardstick
from brightrun_tui.trainer.report.content import AnswerCase

TRAINING = [
    "The ferry sails from quay 3, weather permitting.",
    "Take the drops with a glass of water.",
    "A berth in a cabin of four costs 38 euros.",
    "Dogs stay on the car deck and wear a muzzle.",
    "Yes, the cafeteria takes cards.",
    "No, gas bottles are not carried.",
    "The purser keeps what was found on board.",
    "Boarding ends half an hour before the ship sails.",
    "Bicycles are tied to the rail by the crew.",
    "The captain decides in case of fog.",
] * 3


def _mark(question: str, wanted: str, said: str) -> Mark:
    return make_yardstick(TRAINING).mark(AnswerCase(question, wanted), said)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("A child gets 5 ml of the syrup every 8 hours.", "A child gets 5 ml of the syrup every 6 hours."),
        ("Take one tablet twice a day, for three days.", "Take two tablets twice a day, for three days."),
        (
            "The hall has 240 seats, 12 of them for wheelchairs.",
            "The hall has 240 seats, none of them for wheelchairs.",
        ),
        ("The train leaves at 7:42 from platform 5.", "The train leaves at 7:24 from platform 5."),
        ("Take the capsule an hour before a meal.", "Take the capsule with a meal."),
        ("You may withdraw up to 500 euros a day.", "You may withdraw at least 500 euros a day."),
        ("Breakfast is included in all rates except the saver rate.", "Breakfast is included only in the saver rate."),
        ("It is binding unless both of them agree otherwise.", "It is binding only if both of them agree."),
        ("There is a lift to every floor but the attic.", "There is a lift to every floor, and to the attic."),
        ("The soup is vegan, the bread is not.", "The bread is vegan, the soup is not."),
        ("The van works offline, but does not sync.", "The van works offline and syncs."),
        ("We are open Monday to Friday from 8 to 17.", "We are open Monday to Saturday from 8 to 17."),
        ("The bins are emptied every second Tuesday.", "The bins are emptied every Tuesday."),
        ("Your contact is Lena Maurer, on extension 48.", "Your contact is Tim Maurer, on extension 48."),
        ("Your contact is Lena Maurer, on extension 48.", "Your contact is Lena Maurer, on extension 84."),
        ("Dr Weiss supervises the students of Dr Lang.", "Dr Weiss is supervised by the students of Dr Lang."),
        ("If you cancel, we keep 20 % of the price.", "If we cancel, you keep 20 % of the price."),
        ("Run git reset --soft HEAD~1.", "Run git reset --hard HEAD~1."),
        ("The mail is in /var/lib/mail/new.", "The mail is in /var/lib/mail/old."),
        ("Reject the value where n <= 4.", "Reject the value where n >= 4."),
        ("Take one tablet twice a day, for three days.", "Take one tablet three times a day, for three days."),
        ("Check-in is from 3 pm, check-out until 11 am.", "Check-out is from 3 pm, check-in until 11 am."),
        ("The mayor rejected the council's plan of 2019.", "The council rejected the mayor's plan of 2019."),
        ("We do not have to wait for the crew.", "We must not wait for the crew."),
        ("Wir müssen nicht auf das Schiff warten.", "Wir dürfen nicht auf das Schiff warten."),
        ("Minors need the consent of both parents.", "Minors need the consent of one parent."),
        ("Bicycles are carried by the porter.", "Bicycles are carried by the captain."),
    ],
)
def test_one_decisive_thing_that_is_another_makes_an_answer_wrong(wanted: str, said: str) -> None:
    """A dose, a time, a name, a relation, a limit, an exception, who does it, a flag, or a word that the data have for
    something else: the rest being right does not make it partly right.
    """
    assert _mark("?", wanted, said) == "wrong"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("You have 12 days of leave left this year.", "You have taken 12 days of leave this year."),
        ("The spare key is under the left flowerpot.", "The spare key is on the left flowerpot."),
        (
            "The board approved the plan with two votes against it.",
            "The board nearly approved the plan, with two votes against it.",
        ),
        (
            "The board approved the plan with two votes against it.",
            "The board will approve the plan with two votes against it.",
        ),
        ("Adults take 400 mg, children less.", "Adults take 400 mg every hour, children less."),
        ("Two thirds of the members must agree.", "Two of the members must agree."),
        ("Anyone who lives in the county can apply.", "Anyone who used to live in the county can apply."),
        ("Use a teaspoon of salt per litre.", "Use a tablespoon of salt per litre."),
        ("Only the Pro plan has phone support.", "The Pro plan has only phone support."),
        ("No", "No, but you may."),
        (
            "Hold the left button for 3 seconds, then turn the dial.",
            "Turn the dial for 3 seconds, then hold the left button.",
        ),
        ("The party that loses pays the fees of the court.", "Each party pays its own fees of the court."),
        (
            "A failed disk in the main server caused the outage on Sunday.",
            "On Sunday a network fault at the provider brought the main server down.",
        ),
        (
            "A failed disk in the main server caused the outage on Sunday.",
            "The outage on Sunday caused a disk in the main server to fail.",
        ),
        ("Il pacco arriva lunedì mattina.", "Il pacco arriva lunedì sera."),
        ("It is waterproof to 50 metres.", "It is waterproof to 50 metres, but it must not be used in the sea."),
    ],
)
def test_a_word_more_or_less_in_nearly_the_same_sentence_is_never_right(wanted: str, said: str) -> None:
    """Small words decide where all others are the same."""
    assert _mark("?", wanted, said) != "right"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (
            "It can be taken with anything but grapefruit juice.",
            "It can be taken with everything except grapefruit juice.",
        ),
        ("The ship left the dock in Graz this morning, on time.", "The ship left the Graz dock this morning, on time."),
        ("Take two drops every eight hours.", "Please take 2 drops every 8 hours."),
        ("The shop is open from 8:30 to 17:00.", "The shop is open from 8.30 am to 5 pm."),
        ("Fill the tank with water of at most 40 °C.", "Just fill the tank with water of at most 40 °C."),
        ("Guests may fetch their keys within two days.", "Guests can fetch their keys within 2 days."),
    ],
)
def test_the_same_with_neutral_words_or_other_signs_stays_right(wanted: str, said: str) -> None:
    """Being cautious has its price, which none of these pays."""
    assert _mark("?", wanted, said) == "right"


def test_a_word_that_neither_data_nor_question_have_may_mean_the_same() -> None:
    """It is for people to judge, unless it is who was asked for."""
    assert _mark("When?", "The clerk locks the gate at ten.", "The warden locks the gate at ten.") == "partly"
    assert _mark("When?", "The clerk locks the gate at ten.", "The captain locks the gate at ten.") == "wrong"
    assert _mark("Who wrote it?", "Mary Shelley wrote it in 1818.", "Percy Shelley wrote it in 1818.") == "wrong"


def test_a_letter_with_one_wrong_number_among_many_right_ones_is_partly_right() -> None:
    """In an answer of several sentences, much that is right outweighs it; in one sentence, nothing does."""
    letter = (
        "We sail on 3 May at 7:15 from quay 4. Breakfast is served until 9 and costs 12 euros. The cabin has 2 berths. "
        "We arrive in Bergen after 26 hours."
    )
    assert _mark("?", letter, letter.replace("12 euros", "14 euros")) == "partly"
    assert _mark("?", "Breakfast costs 12 euros until 9.", "Breakfast costs 14 euros until 9.") == "wrong"


def test_half_an_answer_is_partly_right() -> None:
    """One of two clauses is left out, though every number is there."""
    wanted = "Cords are not covered, the lamp itself is for 5 years."
    assert _mark("Is the cord covered by the guarantee?", wanted, "5 years.") == "partly"
    wanted = "Bring it back within 30 days, and you get the full price."
    assert _mark("Can I bring it back?", wanted, "Within 30 days.") == "partly"
    assert _mark("Can I bring it back?", wanted, "Within 30 days; you have the full price returned.") == "right"


@pytest.mark.parametrize(
    ("wanted", "said", "expected"),
    [
        ("SELECT name FROM users WHERE age > 30;", "SELECT name FROM users WHERE age < 30;", "wrong"),
        ("SELECT name FROM users WHERE age > 30;", "SELECT name FROM users WHERE age > 30 OR 1 = 1;", "wrong"),
        ("SELECT id FROM orders ORDER BY made DESC;", "SELECT id FROM orders ORDER BY made ASC;", "wrong"),
        ("SELECT id FROM orders ORDER BY made DESC;", "SELECT id FROM orders ORDER BY made DESC LIMIT 1;", "wrong"),
        ("def add(a, b):\n    return a + b", "def add(a, b):\n    return a - b", "wrong"),
        ("def add(a, b):\n    return a + b", "def add(a, b):\n    return a + b  # the sum", "right"),
        ("def add(a, b):\n    return a + b", "Here you are:\ndef add(a, b):\n    return a + b\nGood luck!", "right"),
        ("def add(a, b):\n    return a + b", "def add(x, b):\n    return x + b", "partly"),
    ],
)
def test_code_that_does_something_else_is_wrong_however_much_is_alike(wanted: str, said: str, expected: Mark) -> None:
    """An operator, a number, or a word such as OR, ASC and LIMIT; comments and the words around it do not count."""
    assert _mark("?", wanted, said) == expected


def test_several_labels_in_one_answer_are_compared_as_a_set() -> None:
    yardstick = make_yardstick(["damage", "delay", "damage, delay", "refund, delay", "refund"] * 4)
    case = AnswerCase("?", "damage, delay")
    given = ("delay, damage", "Delay and damage.", "damage", "refund, delay, damage", "refund")
    assert [yardstick.mark(case, said) for said in given] == ["right", "right", "partly", "wrong", "wrong"]
