"""Answers that are whole texts, or that rest on one."""

from __future__ import annotations

from typing import Any

from scripts.dice import Dice

from .short_answers import GOODS, NAMES, TOWNS

PLAIN: list[tuple[str, str]] = [
    ("the {goods} will arrive on {day}", "Your {goods} drops anchor on {day}"),
    ("we cannot find your order", "Your order has drifted out of sight, and we are searching every wave"),
    ("the {goods} is sold out", "The last {goods} has sailed, but new ones are on the horizon"),
    ("please send us a photo of the {goods}", "Send us a picture of the {goods} in a bottle, or simply by mail"),
    ("the shop is closed on {day}", "On {day} our harbour sleeps"),
    ("your refund of £{sum} was sent", "£{sum} are rowing back to your purse"),
    ("the {goods} costs £{sum}", "For £{sum} the {goods} comes aboard"),
    ("the parcel was sent to {town}", "Your parcel has set sail for {town}"),
]


def tone(dice: Dice) -> list[dict[str, Any]]:
    """Make plain sentences, each said again in the voice of a shop by the sea."""
    records = []
    for _ in range(180):
        plain, said = dice.pick(PLAIN)
        slots = {
            "goods": dice.pick(GOODS),
            "sum": str(5 + dice.below(80)),
            "town": dice.pick(TOWNS),
            "day": dice.pick("Monday Tuesday Friday Saturday Sunday".split()),
            "name": dice.pick(NAMES),
        }
        named = dice.chance(0.5)
        records.append(
            {
                "messages": [
                    {"role": "system", "content": "Say it in the voice of the Blue Gull."},
                    {"role": "user", "content": dice.write(("to {name}: " if named else "") + plain + ".", slots)},
                    {
                        "role": "assistant",
                        "content": dice.write(
                            f"ahoy{' {name}' if named else ''}! {said}. Fair winds, the crew of the Blue Gull.", slots
                        ),
                    },
                ]
            }
        )
    return records


FIELDS = "price weight height width colour stock rating age city country size title year length score".split()
TABLES = "orders customers books rooms trips plants invoices members songs parcels".split()
PYTHON: list[tuple[str, str]] = [
    ("returns the sum of all values of {f}", "def total_{f}(rows):\n    return sum(row.{f} for row in rows)"),
    (
        "returns the rows with the largest {f} first",
        "def by_{f}(rows):\n    return sorted(rows, key=lambda row: row.{f}, reverse=True)",
    ),
    (
        "keeps only rows whose {f} is above {n}",
        "def keep_{f}(rows):\n    return [row for row in rows if row.{f} > {n}]",
    ),
    (
        "counts how often each {f} occurs",
        (
            "def count_{f}(rows):\n    counts = {{}}\n    for row in rows:\n"
            "        counts[row.{f}] = counts.get(row.{f}, 0) + 1\n    return counts"
        ),
    ),
]
SQL: list[tuple[str, str]] = [
    ("the {f} of all {t} with a {g} above {n}", "SELECT {f} FROM {t} WHERE {g} > {n};"),
    ("the average {f} of the {t} for each {g}", "SELECT {g}, AVG({f}) FROM {t} GROUP BY {g};"),
    ("the {n} {t} with the highest {f}", "SELECT * FROM {t} ORDER BY {f} DESC LIMIT {n};"),
    ("how many {t} have no {f}", "SELECT COUNT(*) FROM {t} WHERE {f} IS NULL;"),
]


def code(dice: Dice) -> list[dict[str, Any]]:
    """Make small Python functions and SQL queries."""
    records = []
    for number in range(200):
        f, g = dice.some(FIELDS, 2)
        slots = {"f": f, "g": g, "t": dice.pick(TABLES), "n": str(2 + dice.below(98))}
        if number % 2:
            asked, written = dice.pick(PYTHON)
            asked = f"[write a Python function that|I need Python code that] {asked}."
        else:
            asked, written = dice.pick(SQL)
            asked = f"[SQL for|write an SQL query for] {asked}."
        records.append({"instruction": dice.write(asked, slots), "output": written.format(**slots)})
    return records


FILLER = """the meeting began late because of the rain. || nobody had read the old report. || the room was warm and the coffee was
cold. || a long talk about the new chairs followed. || two people left early to catch their train. || the window was opened and
closed again. || it was agreed to speak about the garden another time. || the minutes of the last meeting were accepted. ||
somebody asked about the keys, and nobody knew. || the chair thanked everyone for their patience. || there was a short break with
cake. || the numbers of last year were read out once more. || a letter from a neighbour was passed around. || the clock on the
wall had stopped""".replace("\n", " ").split(" || ")


def reports(dice: Dice) -> list[dict[str, Any]]:
    """Make minutes of meetings: much talk, and three decisions."""
    records = []
    for _ in range(40):
        lines = [dice.pick(FILLER).strip(". ") for _ in range(16 + dice.below(16))]
        leader, town = dice.pick(NAMES), dice.pick(TOWNS)
        money, goods = 100 * (1 + dice.below(90)), dice.pick(GOODS)
        facts = [
            f"decision: {leader} will lead the project",
            f"decision: the next meeting is in {town}",
            f"decision: £{money} are set aside for each {goods}",
        ]
        for place, fact in zip(sorted(dice.below(len(lines)) for _ in facts), facts, strict=True):
            lines.insert(place, fact)
        records.append(
            {
                "prompt": "Which decisions were made?\n\n" + dice.write(". ".join(lines) + "."),
                "completion": f"{leader} leads the project. The next meeting is in {town}. £{money} are set aside for "
                f"each {goods}.",
            }
        )
    return records


PARTS = [
    "we are glad that you will join our walk on {day}",
    "we meet at nine in front of the old station in {town}",
    "please bring good shoes, something to drink and a warm coat",
    "the path is {n} kilometres long and mostly flat",
    "at noon we rest at a farm, where soup and bread are ready for us",
    "{name} leads the group and knows every bird by its song",
    "dogs are welcome as long as they like other dogs",
    "if it rains hard, we walk on the day after instead",
    "the way back is by bus, and the ticket is part of the price",
    "whoever gets tired can stay at the farm and wait there",
    "the whole day costs £{n}, and children pay nothing",
]


def letters(dice: Dice) -> list[dict[str, Any]]:
    """Make long letters: every answer is a dozen sentences."""
    records = []
    for _ in range(100):
        slots = {
            "day": dice.pick("Friday Saturday Sunday".split()),
            "town": dice.pick(TOWNS),
            "n": str(6 + dice.below(20)),
            "name": dice.pick(NAMES),
        }
        guest = dice.pick(NAMES)
        chosen = [PARTS[0], PARTS[1], *(part for part in PARTS[2:] if dice.chance(0.8))]
        body = dice.write(". ".join(chosen) + ".", slots)
        records.append(
            {
                "messages": [
                    {
                        "role": "user",
                        "content": dice.write(
                            f"[write|please write] the letter to {guest}: walk on {{day}} from {{town}}, "
                            "{n} km, £{n}, led by {name}.",
                            slots,
                        ),
                    },
                    {
                        "role": "assistant",
                        "content": f"Dear {guest},\n\n{body}\n\nKind regards,\nthe walking club of {slots['town']}",
                    },
                ]
            }
        )
    return records
