#!/usr/bin/env python3
"""Write presets/examples/support-desk.jsonl: conversations of an invented plant shop's support desk.

    python scripts/make_example_dataset.py [FILE]

The content lies in scripts/example_dataset/*.toml: what customers ask, and the facts and habits of the shop.
Here it is only put together. The same code and content give the same file, byte for byte.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from brightrun_tui.trainer.starter.corpus.dice import Dice, with_article

CONTENT = Path(__file__).resolve().parent / "example_dataset"
TARGET = ROOT / "presets" / "examples" / "support-desk.jsonl"
SEED = 7
PER_TOPIC = 38
NAMED = 0.45  # share of customers who give their name
TWO_MATTERS, THANKS = 14, 20  # of a hundred conversations: a second question follows, or a thank-you


def read_content() -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """The shop, and the intents by topic in the order of the files."""
    shop = tomllib.loads((CONTENT / "shop.toml").read_text(encoding="utf-8"))
    topics: dict[str, list[dict[str, Any]]] = {}
    for name in ("orders", "shop_visits", "care"):
        for intent in tomllib.loads((CONTENT / f"{name}.toml").read_text(encoding="utf-8"))["intent"]:
            topics.setdefault(intent["topic"], []).append(intent)
    return shop, topics


def make_slots(dice: Dice, shop: dict[str, Any], intent: dict[str, Any]) -> dict[str, str]:
    """One customer, one order and one plant that suits the intent."""
    suiting = [name for name, facts in shop["plants"].items()
               if intent.get("pets") in (None, facts["pets"]) and name in intent.get("plants", shop["plants"])]
    plant = dice.pick(suiting)
    facts = shop["plants"][plant]
    return {"name": dice.pick(shop["names"]), "town": dice.pick(shop["towns"]), "item": dice.pick(shop["items"]),
            "day": dice.pick(shop["days"]), "order": str(2000 + dice.below(8000)), "plant": plant,
            "a_plant": with_article(plant), "water": facts["water"], "light": facts["light"]}


def with_name(dice: Dice, asked: str) -> str:
    """The question with the customer's name, before or after it."""
    if dice.chance(0.6):
        return "[Hello, this is {name}|Hi, my name is {name}|Good morning, {name} here|Hello! I am {name}]. " + asked
    end = "" if asked[-1] in ".?!" else "."
    return asked + end + dice.pick([" Best wishes, {name}", " Thanks, {name}", " Kind regards, {name}"])


def answer(dice: Dice, shop: dict[str, Any], intent: dict[str, Any], greeting: str) -> str:
    """Greeting, taking up, facts, next step, and the sign-off on its own line."""
    lead_in = dice.pick(shop["tones"][intent["tone"]])
    return f"{greeting}{lead_in} {dice.pick(intent['facts'])} {dice.pick(intent['next'])}\n{shop['sign_off']}"


def converse(dice: Dice, shop: dict[str, Any], intent: dict[str, Any], asked: str, general: list[dict[str, Any]]) -> list[str]:
    """The turns of one conversation, customer first."""
    slots = make_slots(dice, shop, intent)
    named = "{name}" in asked or dice.chance(NAMED)
    if named and "{name}" not in asked:
        asked = with_name(dice, asked)
    turns = [asked, answer(dice, shop, intent, shop["greetings_named" if named else "greetings"])]
    kind = dice.below(100)
    if kind < TWO_MATTERS:
        other = dice.pick([candidate for candidate in general if candidate is not intent])
        turns += [f"{dice.pick(shop['second_matter'])} {dice.pick(other['ask'])}", answer(dice, shop, other, "")]
    elif kind < TWO_MATTERS + THANKS:
        turns += [dice.pick(shop["thanks"]), f"{dice.pick(shop['you_are_welcome'])}\n{shop['sign_off']}"]
    return [as_typed(dice, turn, slots) if place % 2 == 0 else dice.write(turn, slots) for place, turn in enumerate(turns)]


def as_typed(dice: Dice, pattern: str, slots: dict[str, str]) -> str:
    """What a customer writes: a pattern that begins with a small letter is left that way."""
    text = dice.write(pattern, slots)
    return text[0].lower() + text[1:] if pattern[0].islower() else text


def make_records() -> list[dict[str, Any]]:
    """`PER_TOPIC` records a topic, its intents and their questions in turn; nothing is said twice in the same words."""
    shop, topics = read_content()
    general = [intent for intents in topics.values() for intent in intents if intent.get("general")]
    dice = Dice(SEED)
    records: list[dict[str, Any]] = []
    seen: set[str] = set()
    for topic, intents in topics.items():
        asks = [dice.some(intent["ask"], len(intent["ask"])) for intent in intents]
        for place in range(PER_TOPIC):
            turn, which = divmod(place, len(intents))
            intent, asked = intents[which], asks[which][turn % len(asks[which])]
            turns = fresh_turns(dice, shop, intent, asked, general, seen)
            messages = [{"role": ("user", "assistant")[place % 2], "content": turn} for place, turn in enumerate(turns)]
            records.append({"messages": messages, "topic": topic})
    dice.shuffle(records)
    return records


def fresh_turns(dice: Dice, shop: dict[str, Any], intent: dict[str, Any], asked: str, general: list[dict[str, Any]],
                seen: set[str]) -> list[str]:
    """A conversation whose first question and first answer nobody has had yet; both are added to ``seen``."""
    for _ in range(50):
        turns = converse(dice, shop, intent, asked, general)
        if not seen.intersection(turns[:2]):
            seen.update(turns[:2])
            return turns
    raise SystemExit(f"{intent['topic']}: too few ways to say “{asked}”")


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    records = make_records()
    target.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    target.write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(records)} conversations → {target}", file=sys.stderr)


if __name__ == "__main__":
    main()
