"""Answers with every number and every word of the wanted one, that say it of something else."""

from __future__ import annotations

import pytest

from brightrun_tui.domain.findings import Mark
from brightrun_tui.trainer.report.calibration import make_yardstick
from brightrun_tui.trainer.report.content import AnswerCase

NEVER_RIGHT = [
    # so much of another measure, or of a thousandth of it
    ("The dose is 8 mg per kilogram of the animal.", "The dose is 8 mg per pound of the animal."),
    ("Der Dünger reicht mit 3 Löffeln je Liter.", "Der Dünger reicht mit 3 Löffeln je Milliliter."),
    ("Le thé coûte 9 euros par kilo.", "Le thé coûte 9 euros par gramme."),
    ("One can covers 6 square metres of wall.", "One can covers 6 square feet of wall."),
    ("The capsule holds 75 micrograms of iodine.", "The capsule holds 75 milligrams of iodine."),
    ("The capsule holds 75 µg of iodine.", "The capsule holds 75 mg of iodine."),
    ("The pump has a motor of 4 kW.", "The pump has a motor of 4 hp."),
    ("Mist the fern every other day.", "Mist the fern every day."),
    # the least and the most
    ("Guests from 16 years on may use the sauna.", "Guests up to 16 years may use the sauna."),
    ("Parcels of 30 kg or more go by lorry.", "Parcels of 30 kg or less go by lorry."),
    ("Mix the syrup 1:7 with water.", "Mix the syrup 7:1 with water."),
    # who does it to whom, though each is named twice
    ("Mara trains Tom, and Tom trains Lea.", "Tom trains Mara, and Lea trains Tom."),
    ("Tim reports to Eva, and Eva reports to the council.", "Eva reports to Tim, and Tim reports to the council."),
    # one of two, or a third
    ("Guides and drivers may park here.", "Guides, drivers and visitors may park here."),
    ("Guides and drivers may park here.", "Guides may park here."),
    ("The kit is sold in oak and in walnut, in oak and pine.", "The kit is sold in oak, walnut, pine and steel."),
    ("Die Bank gibt es in Eiche und Buche.", "Die Bank gibt es in Eiche, Buche und Kiefer."),
    # the contrary, in each of its forms
    ("The fare of 25 euros includes a seat.", "The fare of 25 euros excludes a seat."),
    ("Turning it clockwise raises the flow.", "Turning it clockwise lowers the flow."),
    ("The fare of 25 euros is without a seat.", "The fare of 25 euros includes a seat."),
    ("The broth is vegan but contains celery.", "The broth is vegan and celery-free."),
    ("Drink nothing for 4 hours before the scan.", "Drink something for 4 hours before the scan."),
    ("Flats with odd numbers are read on Monday.", "Flats with even numbers are read on Monday."),
    # days of the week, in more languages
    ("Cerramos los lunes y los martes por la tarde.", "Cerramos los sábados y los domingos por la tarde."),
    ("Abrimos de segunda a sexta às oito.", "Abrimos aos sábados e domingos às oito."),
]
RIGHT = [
    ("The dose is 8 mg per kilogram of the animal.", "Give 8 mg per kg of the animal as a dose."),
    ("Tea is 9 dollars per pound here.", "Tea is $9 per lb here."),
    ("The capsule holds 75 µg of iodine.", "The capsule holds 0.075 mg of iodine."),
    ("Guests from 16 years on may use the sauna.", "Guests of 16 years or older may use the sauna."),
    ("The sauna is open from 9 until 18.", "The sauna opens at 9 and closes at 18."),
    ("Up to 5 people fit in.", "At most 5 people fit in."),
    ("Guides and drivers may park here.", "Drivers and guides may park here."),
    ("Children under 6 go free, and adults pay 4 euros.", "Adults pay 4 euros; children under 6 go free."),
    ("Cancelling is free of charge until 24 hours before.", "You can cancel free until 24 hours before."),
    ("No, the broth is celery-free.", "No, there is no celery in the broth."),
]


@pytest.mark.parametrize(("wanted", "said"), NEVER_RIGHT)
def test_what_is_said_of_another_measure_side_or_member_is_never_right(wanted: str, said: str) -> None:
    """A wrong dose, a wrong age, a wrong hand: the errors that cost most are the ones that look most like the answer."""
    assert _mark(wanted, said) != "right"


@pytest.mark.parametrize(("wanted", "said"), RIGHT)
def test_the_same_measure_side_and_members_in_other_words_are_right(wanted: str, said: str) -> None:
    assert _mark(wanted, said) == "right"


def _mark(wanted: str, said: str) -> Mark:
    return make_yardstick([one for pair in NEVER_RIGHT for one in pair] * 2).mark(AnswerCase("?", wanted), said)
