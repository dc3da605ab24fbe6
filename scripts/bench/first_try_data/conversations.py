"""Chats."""

from __future__ import annotations

from typing import Any

from scripts.dice import Dice

from .short_answers import NAMES

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def _chat(turns: list[tuple[str, str]]) -> dict[str, Any]:
    """Return a conversation in the shape of ShareGPT."""
    return {
        "conversations": [
            {"from": speaker, "value": said}
            for pair in turns
            for speaker, said in zip(("human", "gpt"), pair, strict=True)
        ]
    }


def bookings(dice: Dice) -> list[dict[str, Any]]:
    """Make conversations that book a table in three to five turns; the last answer needs all that was said before."""
    records = []
    for _ in range(120):
        guests, day, hour, name = 2 + dice.below(8), dice.pick(DAYS), 17 + dice.below(5), dice.pick(NAMES)
        slots = {"guests": str(guests), "day": day, "hour": str(hour), "name": name}
        turns = [
            (
                "[I would like to book a table|do you have a table for us|can I reserve a table]?",
                "with pleasure. For which day, and for how many people?",
            ),
            (
                "[on {day}, we are {guests}|for {guests} people on {day}|{day}, {guests} of us]",
                "{guests} people on {day}, noted. At what time would you like to come?",
            ),
            (
                "[at {hour}|about {hour} o'clock|{hour} would be good]",
                "{hour} o'clock is free. What name may I write down?",
            ),
        ]
        if dice.chance(0.4):
            turns.append(
                (
                    "[do you have dishes without meat|is there something for children]?",
                    "yes, there is a page of such dishes on our menu. What name may I write down?",
                )
            )
        turns.append(
            (
                "[it is {name}|{name}, please|write {name}]",
                "thank you, {name}. A table for {guests} on {day} at {hour} o'clock is booked. We look forward to you.",
            )
        )
        records.append(_chat([(dice.write(asked, slots), dice.write(answered, slots)) for asked, answered in turns]))
    return records


WISHES = [
    ("the window in my room does not close", "our caretaker will see to the window"),
    ("I need two more towels", "two fresh towels are on their way"),
    ("when is breakfast", "breakfast waits for you from seven to ten"),
    ("the room next door is loud", "we will have a quiet word with them"),
    ("can I leave later tomorrow", "you may keep your room until one o'clock"),
    ("is there a place for my bicycle", "your bicycle may sleep in our cellar"),
]


def hotel(dice: Dice) -> list[dict[str, Any]]:
    """Make the thirty answers of a small hotel, and no more."""
    records = []
    for number in range(30):
        wish, answer = WISHES[number % len(WISHES)]
        room = 100 * (1 + dice.below(3)) + 1 + dice.below(20)
        records.append(
            {
                "messages": [
                    {
                        "role": "user",
                        "content": dice.write(
                            f"[hello, |excuse me, |good evening, ]{wish}[.|, please.| (room {room})]"
                        ),
                    },
                    {
                        "role": "assistant",
                        "content": dice.write(f"[dear guest|good evening], {answer}. Sleep well at the Old Mill."),
                    },
                ]
            }
        )
    return records
