"""Plain customer-service talk for shops in general: no house style, no shop's own rules."""

from __future__ import annotations

from scripts.dice import Dice, with_article

from .tables import read_table
from .words import DAYS, HOUSE_PLANTS, PARCELS, person

ROWS = read_table("service")
_TOWNS = [
    "Paris",
    "Rome",
    "Vienna",
    "Berlin",
    "Madrid",
    "Oslo",
    "Dublin",
    "Warsaw",
    "London",
    "Leeds",
    "York",
    "Bristol",
]


def _slots(dice: Dice) -> dict[str, str]:
    plant = dice.pick(HOUSE_PLANTS)
    return {
        "item": dice.pick(PARCELS),
        "order": str(1000 + dice.below(9000)),
        "name": person(dice),
        "day": dice.pick(DAYS),
        "plant": plant,
        "a_plant": with_article(plant),
        "town": dice.pick(_TOWNS),
    }


def serve(dice: Dice) -> list[tuple[str, str]]:
    """One exchange, or two about the same things; a name that the customer gives is taken up in the answer."""
    slots = _slots(dice)
    turns: list[tuple[str, str]] = []
    for asked, answered in dice.some(ROWS, 1 + (dice.below(3) == 0)):
        if not turns and dice.chance(0.35):
            hello = "[hello, |hi, |good morning, ][this is|I am|my name is] {name}."
            asked = f"[{hello} {asked}|{asked} [thanks|best wishes], {{name}}]"
            answered = "[hello|good day] {name}. " + answered
        turns.append((dice.write(asked, slots), dice.write(answered, slots)))
    return turns
