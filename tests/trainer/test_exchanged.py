"""Answers that are the wanted one but for a word, a number in other signs, or a member of a list."""

from __future__ import annotations

import pytest

from brightrun_tui.domain.findings import Mark
from brightrun_tui.trainer.report.calibration import make_yardstick
from brightrun_tui.trainer.report.content import AnswerCase

TRAINING = [
    "Seedlings are watered from below, twice a week.",
    "A bag of compost holds 40 litres and costs 7 pounds.",
    "The nursery sells ferns, palms and orchids.",
    "Yes, the greenhouse may be visited on Sundays.",
    "No, bulbs are not sent abroad.",
    "Prune the roses in March, before they sprout.",
    "Vouchers never expire and are sent by post.",
    "The buyer pays the return of plants that are healthy.",
    "Ask Ingrid in the shed for a trolley.",
    "Tomatoes need six hours of sun.",
] * 3


def _mark(wanted: str, said: str) -> Mark:
    return make_yardstick(TRAINING).mark(AnswerCase("?", wanted), said)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("Spray the leaves with milk against mildew.", "Spray the leaves with bleach against mildew."),
        ("The lower greenhouse is free for pupils.", "The lower greenhouse is free for pensioners."),
        ("Astrid Holm leads the tour of the garden.", "Gunnar Holm leads the tour of the garden."),
        ("The nursery pays for plants that die within a year.", "The customer pays for plants that die within a year."),
        ("The buyer carries the risk of frost.", "The seller carries the risk of frost."),
        (
            "Plants come back within 20 days, we carry the costs.",
            "Plants come back within 20 days, you carry the costs.",
        ),
        ("Plants come back within 20 days in their pot.", "Plants come back after 20 days in their pot."),
        ("Die Pflanzzeit endet am 3. Mai.", "Die Pflanzzeit beginnt am 3. Mai."),
        ("Düngen Sie die Rosen mit Kompost.", "Düngen Sie die Rosen mit Kalk."),
        ("苗木从昆明仓库发出。", "苗木从北京仓库发出。"),
        ("到着から六日以内に水をやってください。", "到着から九日以内に水をやってください。"),
        ("The set holds a rake, two spades, a hose and gloves.", "The set holds a rake and two spades."),
        ("The shed opens at eight and closes at five.", "The shed opens at five and closes at eight."),
        ("Water the moss when it is in the sun.", "Water the moss unless it is in the sun."),
        ("The voucher pays for the pots.", "The voucher pays for everything but the pots."),
        ("Nobody enters the nursery without boots.", "Everybody enters the nursery without boots."),
        ("Without a ticket there is no way in.", "There is a way in without a ticket."),
        ("You lose 15 % in the frost.", "You win 15 % in the frost."),
        ("Der Rundgang ist kostenlos.", "Der Rundgang ist kostenpflichtig."),
        ("The brush is harmless to leaves.", "The brush is harmful to leaves."),
        ("苗は植えられません。", "苗は植えられます。"),
        (
            "The set holds a rake, two spades, a hose and gloves.",
            "The set holds a rake, two spades, a hose, gloves and seeds.",
        ),
    ],
)
def test_the_same_sentence_with_one_other_word_is_never_right(wanted: str, said: str) -> None:
    """Who, what or where is another, though every number fits; a list has lost a member, or has one too many."""
    assert _mark(wanted, said) != "right"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("The parcel with the seeds arrives on Friday.", "The package with the seeds arrives on Friday."),
        ("You can pick the plants up in the shed.", "You may pick the plants up in the shed."),
        ("Water the fern nearly every day in July.", "Water the fern almost every day in July."),
        (
            "The set holds a rake, two spades, a hose and gloves.",
            "Gloves, a hose, two spades and a rake are in the set.",
        ),
        ("Ferns, palms, orchids", "orchids, ferns and palms"),
        ("The tour takes 90 minutes.", "The tour takes an hour and a half."),
        ("The tour takes 1 h 20 min.", "The tour takes 80 minutes."),
        ("Add half a litre of rain water.", "Add 500 ml of rain water."),
        ("Die Führung dauert anderthalb Stunden.", "Die Führung dauert 90 Minuten."),
        ("ثمن الشتلة ٢٥ درهما.", "ثمن الشتلة 25 درهما."),
        ("पौधे की क़ीमत २५० रुपये है।", "पौधे की क़ीमत 250 रुपये है।"),
        ("浇水后四十八小时内不要移动。", "浇水后48小时内不要移动。"),
        ("鉢は千五百円です。", "鉢は1500円です。"),
        ("Yes, we post bulbs to Malta.", "Of course, we send bulbs to Malta."),
    ],
)
def test_words_that_mean_the_same_and_numbers_in_other_signs_are_right(wanted: str, said: str) -> None:
    """A list in another order, an hour and a half, digits of Arabic, Hindi and Chinese."""
    assert _mark(wanted, said) == "right"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("ثمن الشتلة ٢٥ درهما.", "ثمن الشتلة 52 درهما."),
        ("浇水后四十八小时内不要移动。", "浇水后84小时内不要移动。"),
        ("The tour takes an hour and a half.", "The tour takes two hours and a half."),
    ],
)
def test_other_numbers_in_other_signs_are_wrong(wanted: str, said: str) -> None:
    """The digits are compared, not only that there are some."""
    assert _mark(wanted, said) == "wrong"


def test_what_the_data_say_of_another_question_is_wrong_where_that_is_all_that_was_asked() -> None:
    """A word that no training answer has may mean the same, and is for people to judge."""
    names = ("Alder", "Birch", "Cedar", "Elder", "Hazel", "Maple", "Poplar", "Rowan")
    colours = ("red", "green", "white", "black")
    learnt = [f"The label of the {name} is {colours[n % 4]}." for n, name in enumerate(names)] * 4
    yardstick = make_yardstick(learnt)
    case = AnswerCase("Which colour does the label of the Rowan have?", "The label of the Rowan is black.")
    assert yardstick.mark(case, "The label of the Rowan is black.") == "right"
    assert yardstick.mark(case, "The label of the Rowan is green.") == "wrong"
    assert yardstick.mark(case, "The label of the Rowan is dark.") == "partly"
    long = AnswerCase("Tell me of the Rowan.", "The Rowan bears berries until frost, and its label is black.")
    assert yardstick.mark(long, "The Rowan bears berries until frost, and its label is green.") == "partly"
