"""People tell what troubles or pleases them; the answer takes it up and gives one or two plain suggestions."""

from __future__ import annotations

from scripts.dice import Dice

from .tables import read_table, split_items

TROUBLES = [(says, takes_up, split_items(suggestions)) for says, takes_up, suggestions in read_table("troubles")]
TIPS = [(subject, split_items(sentences)) for subject, sentences in read_table("tips")]
JOYS = [(says, takes_up, split_items(wishes)) for says, takes_up, wishes in read_table("joys")]


def advise(dice: Dice) -> tuple[str, str]:
    """What a person says, and an answer. Where someone needs help at once, the answer always holds all of it."""
    if dice.chance(0.15):
        says, takes_up, wishes = dice.pick(JOYS)
        return dice.write(f"{says}[!|.| and I am so happy.]"), dice.write(f"{takes_up}[!|.] {dice.pick(wishes)}.")
    says, takes_up, suggestions = dice.pick(TROUBLES)
    asked = dice.write(f"{says}.[| what can I do?| can you help me?| what should I do?| do you have any advice?]")
    if any("crisis line" in suggestion for suggestion in suggestions):
        return asked, dice.write(f"{takes_up}. {'. '.join(suggestions)}.")
    first, second = sorted(dice.some(suggestions, 2), key=suggestions.index)
    answer = f"{takes_up}. {first}. {second}."
    if "sorry" not in takes_up:
        answer = f"[I understand. |I see. |||]{answer}[| I hope this helps.|| take it one step at a time.]"
    return asked, dice.write(answer)


def as_prose(dice: Dice) -> str:
    """General advice without a person: a paragraph of tips about one thing, or all that helps against one trouble."""
    if dice.chance(0.3):
        _, takes_up, suggestions = dice.pick(TROUBLES)
        return dice.write(f"{takes_up}. " + " ".join(f"{suggestion}." for suggestion in suggestions))
    _, tips = dice.pick(TIPS)
    return dice.write(" ".join(f"{tip}." for tip in dice.some(tips, 3 + dice.below(2))))


def tell_about(dice: Dice) -> tuple[str, str]:
    """Someone asks about a subject of the tips."""
    subject, tips = dice.pick(TIPS)
    asked = dice.write(
        f"[tell me something about {subject}.|what should I know about {subject}?|any tips about {subject}?]"
    )
    return asked, dice.write(" ".join(f"{tip}." for tip in dice.some(tips, 1 + dice.below(2))))
