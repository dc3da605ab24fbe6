"""Short instructions: how to do everyday things, step by step."""

from __future__ import annotations

from scripts.dice import Dice

from .tables import read_table, split_items

HOWTOS = [(task, split_items(steps)) for task, steps in read_table("howtos")]
_LINKS = ["first", "then", "after that,", "next", "finally"], ["first", "next", "then", "after that,", "at the end,"]


def as_sentences(dice: Dice, steps: list[str]) -> str:
    """``First boil fresh water. Then …``"""
    links = dice.pick(_LINKS)
    links = [*links[: len(steps) - 1], links[-1]]
    return dice.write(" ".join(f"{link} {step}." for link, step in zip(links, steps, strict=True)))


def as_list(dice: Dice, task: str, steps: list[str]) -> str:
    """A numbered list, one step a line."""
    lines = "\n".join(f"{number}. {step}." for number, step in enumerate(steps, 1))
    return dice.write(f"[here are the steps|you can do it like this|here is how to {task}]:\n{lines}")


def instruct(dice: Dice) -> tuple[str, str]:
    """A question and its answer, as sentences or as a list."""
    task, steps = dice.pick(HOWTOS)
    asked = dice.write(
        f"[[how do I|how can I|what is the best way to|can you tell me how to|how should I] {task}?|"
        f"please explain how to {task}.]"
    )
    return asked, as_list(dice, task, steps) if dice.chance(0.35) else as_sentences(dice, steps)


def describe(dice: Dice) -> str:
    """The same as a piece of prose."""
    task, steps = dice.pick(HOWTOS)
    head = dice.write(f"[how to {task}.|this is how you {task}.|if you want to {task}, you can do it like this.]")
    return f"{head} {as_sentences(dice, steps)}"
