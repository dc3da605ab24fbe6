"""Data as it often is: copied several times over, or dirty."""

from __future__ import annotations

from typing import Any

from scripts.dice import Dice

from .short_answers import GOODS, NAMES, TOWNS, classification

ANSWERS: list[tuple[str, str]] = [
    ("[do you repair|can you mend] a {goods}?", "Yes, our workshop in {town} repairs every {goods} within a week."),
    ("[where do you make|where is the factory of] the {goods}?", "Each {goods} is made by hand in {town}."),
    (
        "[how long is the guarantee|what guarantee is there] for a {goods}?",
        "A {goods} from {town} has a guarantee of five years.",
    ),
    ("who [designed|invented] the {goods}?", "The {goods} was drawn by {name} in our studio in {town}."),
]


def duplicates(dice: Dice) -> list[dict[str, Any]]:
    """Make a hundred answers, most of them several times: word for word, with another greeting, or with blanks added."""
    originals = []
    for _ in range(100):
        slots = {"goods": dice.pick(GOODS), "town": dice.pick(TOWNS), "name": dice.pick(NAMES)}
        asked, answered = dice.pick(ANSWERS)
        originals.append((dice.write(asked + " [|I live in {town}.]", slots), dice.write(answered, slots)))
    records = [{"prompt": asked, "completion": answered} for asked, answered in originals]
    for _ in range(200):
        asked, answered = dice.pick(originals)
        records.append({"prompt": dice.pick(["", "", "", "Hello. ", "  "]) + asked, "completion": answered})
    dice.shuffle(records)
    return records


MARKUP = [
    ("<p>", "</p>"),
    ("&nbsp;", ""),
    ("", "<br>"),
    ("\u200b", ""),
    ("> ", ""),
    ("FW: ", " --\nSent from my phone"),
]


def noisy(dice: Dice) -> list[dict[str, Any]]:
    """Make mails to sort as people type them, with markup; one label in ten is wrong, some are spelt differently, some
    are missing.
    """
    records = classification(dice)
    labels = sorted({record["completion"] for record in records})
    for record in records:
        head, body = record["prompt"].split("\n\n", 1)
        letters = list(body)
        for place in range(len(letters) - 1):
            if dice.chance(0.03):
                letters[place], letters[place + 1] = letters[place + 1], letters[place]
            elif dice.chance(0.02):
                letters[place] = ""
        before, after = dice.pick(MARKUP) if dice.chance(0.4) else ("", "")
        body = before + "".join(letters) + after
        record["prompt"] = f"{head}\n\n{body.upper() if dice.chance(0.1) else body}"
        if dice.chance(0.1):
            record["completion"] = dice.pick(labels)
        if dice.chance(0.08):
            record["completion"] = dice.pick([record["completion"].upper(), f" {record['completion']}.", ""])
    return records
