#!/usr/bin/env python3
"""Write the example dataset: conversations of an invented plant shop's support desk, and questions to try the result with.

    python scripts/make_example_dataset.py [DIRECTORY]

The content lies in scripts/example_dataset/*.toml: what customers ask, and the one fact that the desk answers with. Every fact is
asked for in ten wordings or more, so that a small model learns it and not only the tone. ``support-desk.questions.json`` asks
for facts in wordings that no record has. The same code and content give the same files, byte for byte.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.dice import Dice

CONTENT = Path(__file__).resolve().parent / "example_dataset"
TARGET = ROOT / "presets" / "examples"
SEED = 7
NAMED = 0.3
"""Share of customers who give their name, and are greeted by it."""
THANKS = 0.06
"""Share of conversations that go on with a thank-you."""


def read_content() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the shop, and its intents in the order of the files."""
    shop = tomllib.loads((CONTENT / "shop.toml").read_text(encoding="utf-8"))
    intents = [
        intent
        for name in ("orders", "shop_visits", "care")
        for intent in tomllib.loads((CONTENT / f"{name}.toml").read_text(encoding="utf-8"))["intent"]
    ]
    return shop, intents


def converse(dice: Dice, shop: dict[str, Any], intent: dict[str, Any], asked: str) -> list[str]:
    """Return the turns of one conversation, customer first."""
    slots = {name[:-1]: dice.pick(shop[name]) for name in ("names", "towns", "plants")}
    greeting = shop["greeting"]
    if dice.chance(NAMED):
        greeting = shop["greeting_named"]
        end = "" if asked[-1] in ".?!" else "."
        asked = (
            dice.pick(shop["introductions"]) + asked if dice.chance(0.6) else asked + end + dice.pick(shop["farewells"])
        )
    turns = [as_typed(dice, asked, slots), dice.write(f"{greeting} {intent['fact']}\n{shop['sign_off']}", slots)]
    if dice.chance(THANKS):
        turns += [dice.pick(shop["thanks"]), f"{shop['welcome']}\n{shop['sign_off']}"]
    return turns


def as_typed(dice: Dice, pattern: str, slots: dict[str, str]) -> str:
    """Return what a customer writes: a pattern that begins with a small letter is left that way."""
    text = dice.write(pattern, slots)
    return text[0].lower() + text[1:] if pattern[0].islower() else text


def make_records() -> list[dict[str, Any]]:
    """Make one record for every wording of every intent."""
    shop, intents = read_content()
    dice = Dice(SEED)
    records = []
    for intent in intents:
        for asked in intent["ask"]:
            turns = converse(dice, shop, intent, asked)
            messages = [{"role": ("user", "assistant")[place % 2], "content": turn} for place, turn in enumerate(turns)]
            records.append({"messages": messages, "topic": intent["topic"]})
    dice.shuffle(records)
    return records


def make_questions() -> list[dict[str, Any]]:
    """Make questions that no record asks in these words; an answer is right when it holds one of the texts under
    ``fact``.
    """
    held_out = [intent["held_out"] for intent in read_content()[1] if "held_out" in intent]
    return [{"question": one["ask"], "fact": one["fact"]} for one in held_out]


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.mkdir(parents=True, exist_ok=True)
    records, questions = make_records(), make_questions()
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    (target / "support-desk.jsonl").write_text(lines, encoding="utf-8", newline="\n")
    text = json.dumps(questions, ensure_ascii=False, indent=1) + "\n"
    (target / "support-desk.questions.json").write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(records)} conversations and {len(questions)} questions → {target}", file=sys.stderr)


if __name__ == "__main__":
    main()
