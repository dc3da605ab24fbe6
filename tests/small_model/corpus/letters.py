"""Short letters: from shops, clubs, schools, friends. They bring in “we” and “our”, dates, times and prices."""

from __future__ import annotations

from scripts.dice import Dice

from .smalltalk import slots
from .tables import read_table, split_items
from .words import person

LETTERS = [(opening, split_items(middle), closing) for opening, middle, closing in read_table("letters")]


def letter(dice: Dice) -> str:
    """Greeting, opening, two or three sentences, closing, sign-off."""
    opening, middle, closing = dice.pick(LETTERS)
    left_out = dice.below(len(middle) * 2)
    kept = [sentence for place, sentence in enumerate(middle) if place != left_out]
    words = slots(dice) | {"friend": person(dice)}
    body = dice.write(" ".join([opening, *(f"{sentence}." for sentence in kept), closing]), words)
    greeting = dice.write("[Dear|Hello] {name},", words)
    sign_off = dice.write("[Kind regards|Best wishes|Yours],", words)
    return f"{greeting}\n{body}\n{sign_off}\n{words['friend']}"
