"""Short definitions of everyday words: home, work, money, feelings, computers, shops, plants."""

from __future__ import annotations

from scripts.dice import Dice

from .facts import Fact
from .tables import read_table
from .words import invented_name

DEFINITIONS = read_table("definitions")


def definition(dice: Dice) -> Fact:
    """One definition as a fact."""
    term, meaning = dice.pick(DEFINITIONS)
    verb = "are" if term == "savings" else "is"
    statement = dice.write(f"{term} {verb} {meaning}.")
    bare = term.split(" ", 1)[1] if term.startswith(("a ", "an ", "the ")) else term
    question = dice.write(
        f"[what {verb} {term}?|what {verb} {term}?|what does the word {bare} mean?|"
        f"can you explain what {term} {verb}?|please explain the word {bare}.|tell me what {term} {verb}.]"
    )
    return Fact(statement, question, statement)


def unknown_word(dice: Dice) -> tuple[str, str]:
    """A word that does not exist, and the honest answer."""
    word = invented_name(dice).lower()
    return dice.write(
        f"what [is {word}|does {word} mean|does the word {word} mean]?"
    ), f"I do not know the word {word}."
