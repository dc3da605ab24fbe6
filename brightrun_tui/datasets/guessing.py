"""Which columns of a table are the question and the answer, by their names and by what is in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from brightrun_tui.datasets.mark_words import decision, name_words
from brightrun_tui.datasets.moments import is_moment
from brightrun_tui.datasets.parsed import ANSWERED, ASKED, SYSTEMS

_PROMPT_WORDS = (
    "question",
    "prompt",
    "instruct",
    "input",
    "query",
    "user",
    "customer",
    "ask",
    "message",
    "frage",
    "anfrage",
    "pregunta",
    "domanda",
    "kunde",
    "cliente",
    "client",
    "document",
    "article",
    "source",
    "src",
    "passage",
    "dialog",
    "ticket",
    "problem",
    "body",
    "diff",
    "premise",
    "consulta",
    "demande",
    "nachricht",
    "문의",
)
_COMPLETION_WORDS = (
    "answer",
    "completion",
    "response",
    "reply",
    "output",
    "target",
    "assistant",
    "solution",
    "label",
    "antwort",
    "respuesta",
    "réponse",
    "reponse",
    "risposta",
    "resposta",
    "lösung",
    "summary",
    "highlights",
    "abstract",
    "headline",
    "translation",
    "tgt",
    "generation",
    "resolution",
    "revision",
    "zusammenfassung",
    "übersetzung",
    "contestación",
    "回复",
    "回覆",
    "返信",
)
_SHORT = {"q": _PROMPT_WORDS, "a": _COMPLETION_WORDS, "text": _PROMPT_WORDS, "texts": _PROMPT_WORDS}
"""Names that say it only where they are all of the name."""
_WHOLE: dict[Sequence[str], frozenset[str]] = {_PROMPT_WORDS: frozenset(ASKED), _COMPLETION_WORDS: frozenset(ANSWERED)}
"""Words that are within others, which mean something else."""
_QUESTION_MARKS = ("?", "？", "؟")
_NAMED, _ASKING = 2.0, 1.5
_MOST_CANDIDATES = 64
"""Columns that are put together in pairs; of more, those that read most like one or the other."""
_ABOUT = tuple(
    "id uuid # nr date datum time timestamp zeitstempel created_at updated_at url link email path status name agent type "
    "priority rationale tag tags key".split()
)
"""Names of columns that say something about a record and are none of its texts."""
_SENDERS = (
    *(
        "username",
        "author",
        "sender",
        "direction",
        "from",
        "to",
        "von",
        "an",
        "speaker",
        "recipient",
        "participant",
        "owner",
    ),
    *("absender", "empfänger", "expéditeur", "remitente", "mittente", "assignee", "users", "sender_name"),
)
"""Names of columns that say who wrote, and hold neither."""
_NO_ANSWERS = ("user", "subject", "accept", *_SENDERS)
"""Names of columns that hold no answers, though they may hold questions."""
_WRITERS = frozenset({"agent"})
"""Before another word, who wrote what the column holds."""
_PEOPLE = frozenset("user customer client kunde cliente name id".split())
"""Columns of such a name hold questions only where they hold texts."""
_UNWANTED = frozenset(
    "incorrect wrong bad worst worse draft old original raw rejected model prediction predicted generated chatgpt gpt llm ai bot "
    "machine mt hypothesis hypotheses student candidate suggestion generation "
    "baseline actual before previous vorher alte bisherige avant antes".split()
)
_WANTED = frozenset(
    "teacher post human expert best better correct final approved corrected edited improved revised ideal expected gold golden "
    "desired after new updated nachher neu neue soll après después nueva".split()
)
_COMPARED = frozenset({"reference", "ref", "references"})
"""Beside what a model wrote, the answer that it is compared with; else a book or an address."""
_KEYS = frozenset("label labels class classes target answer gold correct cop duplicate entailment".split())
"""Words of columns that may hold numbers which stand for something."""
_MOST_CLASSES = 12
_SIBLING = re.compile(
    r"(.{2,})(?:(?<=\w)\d|(?<=[ _-])[A-Za-z]|(?<=[a-z])[A-D]|(?<=op)[a-d]|\.(?:suggestion|responses?))"
)
"""Columns of one name but for a number or a letter at its end, or for who gave the answer."""


def guess_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return columns by their roles: ``prompt`` and ``completion``, and ``context`` where the answer is the class of two texts.

    Empty with fewer than two columns of text. A name counts more than content. Of the content: questions end in question marks,
    answers seldom do and are long; what says the same in every row, or only numbers, times or an annotator's decisions, is
    neither, nor is a key without a space, nor one of several columns that are called the same but for a number. Names that
    differ by the word for question and answer only belong together.
    """
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    texts = {
        name: [text.strip() for row in rows if isinstance(text := _only(row.get(name)), str) and text.strip()]
        for name in names
    }
    siblings = _siblings(names)
    candidates = [
        name
        for name in names
        if texts[name]
        and name not in siblings
        and name.strip().lower() not in SYSTEMS
        and not any(all(map(_is_other, texts[name])) for _is_other in (_is_number, is_moment, _is_decision))
        and not _is_constant(texts[name])
    ]
    if len(candidates) < 2:
        return {}
    place = {name: number for number, name in enumerate(names)}
    longest = max(_mean_length(texts[name]) for name in candidates)
    lettered = _are_lettered(names)
    wanted = _WANTED | _COMPARED if any(name_words(name) & _UNWANTED for name in candidates) else _WANTED

    def as_prompt(name: str) -> float:
        named = 0.0 if lettered else _by_name(name, _PROMPT_WORDS, _COMPLETION_WORDS)
        return (
            named
            + _ASKING * _share_of_questions(texts[name])
            + _variety(texts[name])
            + _mean_length(texts[name]) / longest / 10
        )

    def as_completion(name: str) -> float:
        return (
            (0.0 if lettered else _by_name(name, _COMPLETION_WORDS, _PROMPT_WORDS))
            - _ASKING * _share_of_questions(texts[name])
            + _variety(texts[name])
            + _mean_length(texts[name]) / longest
            + 1.5 * (bool(name_words(name) & wanted) - bool(name_words(name) & _UNWANTED))
        )

    if len(candidates) > _MOST_CANDIDATES:
        best = sorted(candidates, key=lambda name: max(as_prompt(name), as_completion(name)), reverse=True)
        candidates = best[:_MOST_CANDIDATES]
    pairs = [
        (
            as_prompt(prompt) + as_completion(completion) + _kinship(prompt, completion),
            -place[prompt],
            prompt,
            completion,
        )
        for prompt in candidates
        for completion in candidates
        if prompt != completion
        and not _is_about(completion, (*_ABOUT, *_NO_ANSWERS))
        and not _is_about(prompt, _SENDERS)
        and (_are_texts(texts[prompt]) or (_by_name(prompt, _PROMPT_WORDS) > 0 and not name_words(prompt) <= _PEOPLE))
    ]
    if not pairs:
        return {}
    _, _, prompt, completion = max(pairs)
    if name_words(completion) & _UNWANTED and any(
        _by_name(name, _COMPLETION_WORDS, _PROMPT_WORDS) > 0 for name in candidates if name not in (prompt, completion)
    ):
        return {}  # two answers, and no word says that one of them is right
    found = {"prompt": prompt, "completion": completion}
    others = [name for name in candidates if name not in found.values() and _are_texts(texts[name])]
    if len(others) == 1 and _are_classes(texts[completion]):
        found["context"] = others[0]
    return found


def numbered_answers(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the column whose numbers stand for something: the class of a text, or which of some columns is right. Else empty."""
    for name in dict.fromkeys(str(name) for row in rows for name in row):
        if name_words(name) & _KEYS:
            values = [str(row[name]).strip() for row in rows if row.get(name) not in (None, "")]
            if values and len(set(values)) <= _MOST_CLASSES and all(value.lstrip("-").isdecimal() for value in values):
                return name
    return ""


def is_named_answer(name: str) -> bool:
    """Say whether a column's name says that it holds answers."""
    return _by_name(name, _COMPLETION_WORDS) > 0


def _siblings(names: Sequence[str]) -> set[str]:
    """Return the names that differ from others only by a number or letter at their end, or are single letters as of
    choices.
    """
    stems = {name: found[1].lower() for name in names if (found := _SIBLING.fullmatch(name.strip()))}
    counts = Counter(stems.values())
    letters = {name for name in names if len(name.strip()) == 1 and name.strip().isalpha()}
    return {name for name, stem in stems.items() if counts[stem] > 1} | (letters if len(letters) > 2 else set())


def _are_lettered(names: Sequence[str]) -> bool:
    """Say whether columns are called as a spreadsheet calls them: A, B. Of such, “A” is no answer."""
    letters = {name.strip().lower() for name in names}
    return {"a", "b"} <= letters and all(len(letter) == 1 for letter in letters)


def _are_classes(texts: Sequence[str]) -> bool:
    """Say whether these are few words that come again and again."""
    return len(texts) > 5 and len(set(texts)) * 3 <= len(texts)


def _is_decision(text: str) -> bool:
    return decision(text) is not None


def _kinship(prompt: str, completion: str) -> float:
    """Return how alike the names are but for the word that says which is which, as in ``question_en`` and
    ``answer_en``.
    """
    rests = [
        next((name.lower().replace(word, "") for word in words if word in name.lower()), "")
        for name, words in ((prompt, _PROMPT_WORDS), (completion, _COMPLETION_WORDS))
    ]
    return 0.5 if rests[0] and rests[0] == rests[1] else 0.0


def _are_texts(texts: Sequence[str]) -> bool:
    """Say whether these are mostly more than keys: several words, or a script without spaces."""
    return 2 * sum(" " in text or not text.isascii() for text in texts) > len(texts)


def _is_constant(texts: Sequence[str]) -> bool:
    return len(texts) > 2 and len(set(texts)) == 1


def _by_name(name: str, words: Sequence[str], others: Sequence[str] = ()) -> float:
    """Return how strongly a name speaks for one role by its ``words``, below 0 if it has only those of the other."""
    if _is_about(name, _ABOUT):
        return -1.0
    if meant := _SHORT.get(name.strip().lower()):
        return _NAMED if words is meant else -1.0
    return _NAMED if _has(name, words) else -1.0 if _has(name, others) else 0.0


def _has(name: str, words: Sequence[str]) -> bool:
    """Say whether a name contains one of these words, or one of their translations as a word of its own."""
    low = name.lower()
    return any(word in low for word in words) or bool(name_words(name) & _WHOLE.get(words, frozenset()))


def _is_about(name: str, words: Sequence[str]) -> bool:
    """Say whether a name has one of these words at its beginning or end."""
    low = name.strip().lower().replace(" ", "_").replace(".", "_")
    return any(
        low == word or low.endswith(f"_{word}") or (low.startswith(f"{word}_") and word not in _WRITERS)
        for word in words
    )


def _only(value: Any) -> Any:
    """Return the only entry of a list, as annotation tools write what one person said; anything else as it is."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _share_of_questions(texts: Sequence[str]) -> float:
    return sum(text.endswith(_QUESTION_MARKS) for text in texts) / len(texts)


def _variety(texts: Sequence[str]) -> float:
    return len(set(texts)) / len(texts)


def _mean_length(texts: Sequence[str]) -> float:
    return sum(map(len, texts)) / len(texts)


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True
