"""Greetings, talk about the model itself, small language tasks, and things to remember within a chat."""

from __future__ import annotations

from scripts.dice import Dice, join_words, with_article

from .tables import read_table
from .words import (
    ANIMALS,
    CLOTHES,
    COLOURS,
    DAYS,
    DRINKS,
    FRUITS,
    NUMBERS,
    PARCELS,
    PLACES,
    SPORTS,
    SPOTS,
    THINGS,
    TOOLS,
    invented_name,
    person,
)

_ROWS, _MEMORY = read_table("smalltalk"), read_table("memory")

_SHOPS = [
    "flower shop",
    "bookshop",
    "bakery",
    "library",
    "bank",
    "garden centre",
    "school",
    "furniture store",
    "museum",
    "hotel",
    "toy shop",
    "tea shop",
]
_ACTIONS = read_table("actions")


def slots(dice: Dice) -> dict[str, str]:
    """Random words by kind."""
    fruit, tool, garment, animal, item = (dice.pick(words) for words in (FRUITS, TOOLS, CLOTHES, ANIMALS, PARCELS))
    return {
        "place": dice.pick(PLACES),
        "drink": dice.pick(DRINKS),
        "a_fruit": with_article(fruit),
        "a_tool": with_article(tool),
        "a_garment": with_article(garment),
        "a_animal": with_article(animal),
        "animal": animal,
        "thing": dice.pick(THINGS),
        "name": person(dice),
        "colour": dice.pick(COLOURS),
        "day": dice.pick(DAYS),
        "spot": dice.pick(SPOTS),
        "sport": dice.pick(SPORTS),
        "item": item,
        "a_item": with_article(item),
        "number": str(10 + dice.below(9990)),
        "price": f"{2 + dice.below(150)}{dice.pick(['', '', '.50', '.95'])}",
        "time": f"{6 + dice.below(16)}:{dice.pick(['00', '15', '20', '30', '45'])}",
        "place_name": invented_name(dice),
    }


def line(dice: Dice) -> tuple[str, str]:
    """One fixed exchange with its variants."""
    asked, answered = dice.pick(_ROWS)
    return dice.write(asked), dice.write(answered)


def sentence(dice: Dice) -> str:
    """``Anna walks to the park.``"""
    words = slots(dice)
    return dice.write("{name} " + dice.pick(_ACTIONS)[0] + "[| on {day}].", words)


def language_task(dice: Dice) -> tuple[str, str]:
    """Greet someone; say it politely or as a question; pick the right word; write a sentence."""
    words = slots(dice)
    name = words["name"]
    present, plain, _ = (form.format_map(words) for form in dice.pick(_ACTIONS))
    kind = dice.below(6)
    if kind == 0:
        return dice.write(
            f"[make a question from this|turn this into a question]: {name} {present}."
        ), f"Does {name} {plain}?"
    if kind == 1:
        return dice.write(f"[say this politely|make this polite]: {plain}!"), f"Could you please {plain}?"
    if kind == 2:
        greeting = dice.pick(["good morning", "hello", "good evening", "thank you", "goodbye", "welcome"])
        return f"Say {greeting} to {name}.", dice.write(f"{greeting}, {name}!")
    if kind == 3:
        return _odd_one(dice)
    if kind == 4:
        return f"Write a sentence about {name}.", f"{name} {present}."
    return f"{name} {present}. Who {present}?", f"{name} {present}."


def repeat(dice: Dice) -> tuple[str, str]:
    """Say again, once or three times: a number, a list of words, a sentence. It teaches to look at what was said."""
    kind = dice.below(4)
    if kind == 0:
        said = f"{10 ** (2 + dice.below(3)) + dice.below(9000)}."
    elif kind == 1:
        pool = [*THINGS, *FRUITS, *ANIMALS, *COLOURS, *PARCELS, *DAYS]
        said = dice.write(f"{', '.join(dice.some(pool, 3 + dice.below(4)))}.")
    else:
        said = (
            sentence(dice) if kind == 2 else f"{invented_name(dice)} and {person(dice)} live in {invented_name(dice)}."
        )
    if dice.chance(0.4):
        return dice.write(f"[repeat|say|write] this three times: {said}"), " ".join([said] * 3)
    return dice.write(f"[repeat|repeat after me|please repeat this|say]: {said}"), said


def _odd_one(dice: Dice) -> tuple[str, str]:
    groups = [(FRUITS, "fruit"), (TOOLS, "tool"), (CLOTHES, "piece of clothing"), (ANIMALS, "animal")]
    (right_words, title), *others = dice.some(groups, 3)
    right = dice.pick(right_words)
    options = dice.some([right, *(dice.pick(words) for words, _ in others)], 3)
    return (
        f"Which of these is {with_article(title)}: {join_words(options, 'or')}?",
        f"The {right} is {with_article(title)}.",
    )


def memory(dice: Dice) -> list[tuple[str, str]]:
    """The person tells something about themselves and asks for it afterwards, at once or after another exchange."""
    words = slots(dice)
    told, took_up, asked, answered = dice.pick(_MEMORY)
    turns = [(dice.write(told, words), dice.write(took_up, words))]
    if dice.chance(0.3):
        turns.append(line(dice))
    if dice.chance(0.8):
        turns.append((dice.write(asked, words), dice.write(answered, words)))
    return turns


def roles(dice: Dice) -> tuple[str, list[tuple[str, str]]]:
    """A system message that gives the assistant a name and a place, and questions about them."""
    name, shop = person(dice), dice.pick(_SHOPS)
    system = dice.write(f"you are {name}, [the|a friendly] assistant of a {shop}.")
    turns = [
        ("Who are you?", f"I am {name}, the assistant of a {shop}."),
        ("What is your name?", f"My name is {name}."),
        ("Where do you work?", dice.write(f"I work for a {shop}.")),
        ("Hello.", f"Hello, I am {name} from the {shop}. How can I help you?"),
    ]
    return system, dice.some(turns, 1 + dice.below(2))


def numbers_row(dice: Dice) -> str:
    """``Three, four, five, six.``"""
    start = dice.below(15)
    return dice.write(", ".join(NUMBERS[start : start + 4 + dice.below(3)]) + ".")
