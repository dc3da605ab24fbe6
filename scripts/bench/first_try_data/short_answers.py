"""Tasks with short, exact answers."""

from __future__ import annotations

import json
from typing import Any

from scripts.dice import Dice

NAMES = """Agnes Bernard Clemens Dora Edgar Florence Gregor Harriet Imogen Jasper Kirsten Lionel Mabel Nathan Ottilie Percy
Quentin Rosalind Stuart Thelma Ursula Vincent Wanda Yvonne""".split()
GOODS = [
    "desk lamp",
    "garden hose",
    "coffee grinder",
    "rain coat",
    "bread knife",
    "office chair",
    "bicycle bell",
    "wall clock",
    "picnic blanket",
    "tea set",
    "camping stove",
    "door mat",
    "shower curtain",
    "paint brush",
    "tool box",
    "bird house",
]
TOWNS = "Ashford Birkdale Coldwell Dunmore Elmsby Foxton Grantley Harwick Inverby Kelso Lynmouth Marlow Norbury".split()

QUEUES: dict[str, list[str]] = {
    "billing": [
        "I was charged twice for the {goods}",
        "my invoice shows the wrong amount",
        "the card payment of £{sum} failed",
        "why is there a fee of £{sum} on my bill",
        "I need a corrected invoice for the {goods}",
    ],
    "delivery": [
        "the {goods} has not come yet",
        "the driver left my parcel in the rain",
        "the tracking page has not moved since {day}",
        "can the {goods} be brought on {day}",
        "the parcel went to the wrong house in {town}",
    ],
    "returns": [
        "I want to send the {goods} back",
        "how do I get a return label",
        "the {goods} is too small, I would like my money back",
        "may I swap the {goods} for another colour",
        "I changed my mind about the {goods}",
    ],
    "technical": [
        "the website shows an error when I pay",
        "the app closes as soon as I open it",
        "the {goods} does not switch on",
        "the search page stays empty",
        "the reset link does not work",
    ],
    "account": [
        "please change my email address",
        "I cannot log in any more",
        "delete my account and all my data",
        "I forgot my password",
        "my new address in {town} is not saved",
    ],
    "praise": [
        "thank you, the {goods} is wonderful",
        "your driver in {town} was so kind",
        "I love the new shop in {town}",
        "just wanted to say that {name} on the phone was great",
        "best {goods} I ever had",
    ],
}


def _slots(dice: Dice) -> dict[str, str]:
    return {
        "goods": dice.pick(GOODS),
        "sum": str(3 + dice.below(90)),
        "town": dice.pick(TOWNS),
        "name": dice.pick(NAMES),
        "day": dice.pick("Monday Tuesday Wednesday Thursday Friday Saturday".split()),
    }


def classification(dice: Dice) -> list[dict[str, Any]]:
    """Make mails to a shop, sorted into six queues."""
    records = []
    for number in range(240):
        queue = list(QUEUES)[number % len(QUEUES)]
        body = dice.write(
            "[|hello, |hi there, |good morning, |dear team, ]"
            + dice.pick(QUEUES[queue])
            + "[.|!|, can you help?|. Thanks.|. Regards, {name}]",
            _slots(dice),
        )
        records.append({"prompt": f"Which queue is this message for?\n\n{body}", "completion": queue})
    dice.shuffle(records)
    return records


def extraction(dice: Dice) -> list[dict[str, Any]]:
    """Make orders in plain words, with what they order as JSON."""
    records = []
    for _ in range(200):
        slots, count = _slots(dice), 1 + dice.below(9)
        order = {"name": slots["name"], "item": slots["goods"], "count": count, "town": slots["town"]}
        text = dice.write(
            "[{name} from {town} wants {count} of the {goods}.|please send {count} times the {goods} to {name} in "
            "{town}.|{town}: order of {name}, {goods}, {count} pieces[, urgent|].|"
            "this is {name}. I live in {town} and would like to order the {goods}. I need {count}.]",
            {**slots, "count": str(count)},
        )
        records.append(
            {
                "instruction": "Give the order as JSON with name, item, count and town.",
                "input": text,
                "output": json.dumps(order),
            }
        )
    return records


PUMPS = {
    "Orla 2": ("40", "red", "six weeks", "a paper filter"),
    "Orla 5": ("65", "blue", "two months", "a steel filter"),
    "Tarn": ("22", "white", "four weeks", "no filter"),
    "Tarn Pro": ("30", "black", "three months", "a double filter"),
    "Beck": ("110", "green", "one year", "a sand filter"),
    "Beck Mini": ("55", "yellow", "half a year", "a foam filter"),
}
ABOUT: list[tuple[str, str]] = [
    (
        "[how much water does the {pump} move|what is the flow of the {pump}|how many litres a minute does the {pump} give]?",
        "The {pump} moves {0} litres a minute.",
    ),
    (
        "[which colour is the switch of the {pump}|what colour does the switch of a {pump} have]?",
        "The switch of the {pump} is {1}.",
    ),
    (
        (
            "[how often must I clean the {pump}|when does the {pump} want to be cleaned|"
            "how long can the {pump} run without cleaning]?"
        ),
        "Clean the {pump} every {2}, or sooner if the water is dirty.",
    ),
    (
        "[which filter does the {pump} need|what filter goes into the {pump}|does the {pump} have a filter]?",
        "The {pump} works with {3}.",
    ),
    (
        "[is the {pump} safe for fish|can I use the {pump} in a pond with fish]?",
        "Yes, the {pump} is safe for fish as long as {3} is in place.",
    ),
]


def handbook(dice: Dice) -> list[dict[str, Any]]:
    """Make questions about six garden pumps that nobody has heard of."""
    records = []
    for _ in range(220):
        pump = dice.pick(list(PUMPS))
        asked, answered = dice.pick(ABOUT)
        opening = "[||hello, |a question: |please tell me, |we have bought one. ]"
        records.append(
            {
                "question": dice.write(opening + asked, {"pump": pump}),
                "answer": answered.format(*PUMPS[pump], pump=pump),
            }
        )
    return records


STATES = [
    (
        "fine",
        92,
        ["all lights work", "the belt runs smoothly", "no noise, no dust", "pressure is normal", "door closes well"],
    ),
    ("check", 6, ["a soft noise from the motor", "the belt is a little loose", "some oil on the floor"]),
    ("stop", 2, ["smoke from the motor", "the emergency switch is broken"]),
]


def inspections(dice: Dice) -> list[dict[str, Any]]:
    """Make notes on machines; nine in ten are fine, and one in fifty is not at all."""
    records = []
    for number in range(250):
        place = number % 100
        state, _, notes = next(each for each in STATES if place < each[1] or (place := place - each[1]) < 0)
        parts = dice.some(notes, min(len(notes), 1 + dice.below(2)))
        if state != "fine" and dice.chance(0.5):
            parts.insert(0, dice.pick(STATES[0][2]))
        text = f"Machine {1 + dice.below(60)}, hall {dice.pick(list('ABCD'))}: {'; '.join(parts)}."
        records.append(
            {
                "messages": [
                    {"role": "system", "content": "Answer with one word: fine, check or stop."},
                    {"role": "user", "content": text},
                    {"role": "assistant", "content": state},
                ]
            }
        )
    dice.shuffle(records)
    return records
