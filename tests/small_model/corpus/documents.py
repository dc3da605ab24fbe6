"""Documents of the corpus: pieces of prose and chats, in fixed proportions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scripts.dice import Dice

from . import advice, facts, howto, letters, service, smalltalk, stories
from .definitions import definition, unknown_word

_SYSTEMS = [
    "You are a helpful assistant.",
    "You are a friendly assistant.",
    "Answer in short, simple sentences.",
    "You are a kind and honest assistant.",
    "You help customers of a shop.",
    "Be brief and polite.",
    "You are a chatbot that answers with care.",
    "You are an assistant who listens first and then gives advice.",
]
_SHORT_FORMS = [
    ("I am ", "I'm "),
    ("I have ", "I've "),
    ("do not ", "don't "),
    ("does not ", "doesn't "),
    ("cannot ", "can't "),
    ("What is ", "What's "),
    ("I would ", "I'd "),
    ("it is ", "it's "),
    ("did not ", "didn't "),
]
_CHAT_SHARE = 0.82
_LINKS = ["Thank you.", "Thanks.", "One more question:", "And another thing:"]


@dataclass(frozen=True)
class Document:
    """Either prose (``text``) or a chat (``turns`` of user and assistant, and perhaps a ``system`` message)."""

    text: str = ""
    turns: tuple[tuple[str, str], ...] = ()
    system: str = ""

    def messages(self) -> list[dict[str, str]]:
        """The chat in the shape chat templates take."""
        said = [{"role": "system", "content": self.system}] if self.system else []
        for asked, answered in self.turns:
            said += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
        return said


def _prose(dice: Dice) -> str:
    kind = dice.below(10)
    if kind < 3:
        return letters.letter(dice)
    if kind == 3:
        told = stories.story(dice)
        return told.text if dice.chance(0.6) else f"{told.title.capitalize()}.\n{told.text}"
    if kind == 4:
        return howto.describe(dice)
    if kind < 7:
        return advice.as_prose(dice)
    if kind == 7:
        said = [smalltalk.sentence(dice) for _ in range(3)]
        return " ".join([*said, smalltalk.numbers_row(dice)] if dice.chance(0.2) else said)
    sources = [definition, facts.random_fact]
    return " ".join(dice.pick(sources)(dice).statement for _ in range(2 + dice.below(3)))


def _exchange(dice: Dice) -> list[tuple[str, str]]:
    """One subject of a chat: a question and an answer, sometimes two."""
    kind = dice.below(100)
    if kind < 10:
        fact = facts.random_fact(dice)
        return [(fact.question, fact.answer)]
    if kind < 12:
        return [unknown_word(dice)]
    if kind < 18:
        fact = definition(dice)
        return [(fact.question, fact.answer)]
    if kind < 48:
        return service.serve(dice)
    if kind < 57:
        return [advice.advise(dice)]
    if kind < 60:
        return [advice.tell_about(dice)]
    if kind < 64:
        return [howto.instruct(dice)]
    if kind < 68:
        return [_story_task(dice)]
    if kind < 75:
        return [smalltalk.line(dice)]
    if kind < 80:
        return [smalltalk.language_task(dice)]
    if kind < 90:
        return [smalltalk.repeat(dice)]
    return smalltalk.memory(dice)


def _story_task(dice: Dice) -> tuple[str, str]:
    told = stories.story(dice)
    if dice.chance(0.45):
        return dice.write(f"[tell me|write|please write] a [short |]story about {told.title}."), told.text
    return f"{told.text} {told.question}", told.answer


def _as_typed(dice: Dice, text: str) -> str:
    """People shorten words, and do not always write capitals and full stops."""
    if dice.chance(0.25):
        for long, short in _SHORT_FORMS:
            text = text.replace(long, short)
    if dice.chance(0.12):
        text = text[0].lower() + text[1:] if not text.startswith(("I ", "I'")) else text
        return text.rstrip(".?!") if dice.chance(0.5) else text
    return text


def _chat(dice: Dice) -> Document:
    if dice.chance(0.04):
        system, turns = smalltalk.roles(dice)
        return Document(turns=tuple(turns), system=system)
    turns = _exchange(dice)
    if dice.chance(0.3):
        more = _exchange(dice)
        if dice.chance(0.3):
            asked, answered = more[0]
            more[0] = (f"{dice.pick(_LINKS)} {asked}", answered)
        turns = turns + more
    typed = tuple((_as_typed(dice, asked), answered) for asked, answered in turns)
    return Document(turns=typed, system=dice.pick(_SYSTEMS) if dice.chance(0.2) else "")


def _drill(dice: Dice) -> Document:
    """Something to say again or to remember, mostly: the ability to look back has to be there before the rest can build on it."""
    kind = dice.below(10)
    if kind < 8:
        return Document(turns=(smalltalk.repeat(dice),) if kind < 6 else tuple(smalltalk.memory(dice)))
    return _document(dice)


def _document(dice: Dice) -> Document:
    return _chat(dice) if dice.chance(_CHAT_SHARE) else Document(text=_prose(dice))


def make_documents(seed: int, drill: int = 0) -> Iterator[Document]:
    """Endless documents, the first ``drill`` of them drill; the same arguments give the same ones on every machine."""
    dice = Dice(seed)
    for _ in range(drill):
        yield _drill(dice)
    while True:
        yield _document(dice)
