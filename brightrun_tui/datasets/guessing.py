"""Which columns of a table are the question and the answer, by their names and by what is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from brightrun_tui.datasets.parsed import SYSTEMS

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
)
_NAMED = 2.0
_MOST_CANDIDATES = 64
"""Columns that are put together in pairs; of more, those that read most like one or the other."""
_ABOUT = ("id", "date", "datum", "time", "url", "link", "email", "status", "name", "#", "nr")


def guess_columns(rows: Sequence[Mapping[str, Any]]) -> tuple[str, str] | None:
    """Names of the columns that read most like questions and like their answers; None with fewer than two columns of text.

    A name counts more than content. Of the content: questions end in question marks, answers seldom do and are long; what
    says the same in every row, or only numbers, is neither, nor is a key without a space. Names that differ by the word for
    question and answer only belong together.
    """
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    texts = {
        name: [text.strip() for row in rows if isinstance(text := row.get(name), str) and text.strip()]
        for name in names
    }
    candidates = [
        name
        for name in names
        if texts[name]
        and name.strip().lower() not in SYSTEMS
        and not all(map(_is_number, texts[name]))
        and not _is_constant(texts[name])
    ]
    if len(candidates) < 2:
        return None
    place = {name: number for number, name in enumerate(names)}
    longest = max(_mean_length(texts[name]) for name in candidates)

    def as_prompt(name: str) -> float:
        return _by_name(name, _PROMPT_WORDS) + _share(texts[name], "?") + _variety(texts[name])

    def as_completion(name: str) -> float:
        return (
            _by_name(name, _COMPLETION_WORDS)
            - _share(texts[name], "?")
            + _variety(texts[name])
            + _mean_length(texts[name]) / longest
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
        if prompt != completion and (_by_name(prompt, _PROMPT_WORDS) > 0 or _are_texts(texts[prompt]))
    ]
    if not pairs:
        return None
    _, _, prompt, completion = max(pairs)
    return prompt, completion


def _kinship(prompt: str, completion: str) -> float:
    """Whether the names are the same but for the word that says which is which, as ``question_en`` and ``answer_en``."""
    rests = [
        next((name.lower().replace(word, "") for word in words if word in name.lower()), "")
        for name, words in ((prompt, _PROMPT_WORDS), (completion, _COMPLETION_WORDS))
    ]
    return 0.5 if rests[0] and rests[0] == rests[1] else 0.0


def _are_texts(texts: Sequence[str]) -> bool:
    """Whether these are mostly more than keys: several words, or a script without spaces."""
    return 2 * sum(" " in text or not text.isascii() for text in texts) > len(texts)


def _is_constant(texts: Sequence[str]) -> bool:
    return len(texts) > 2 and len(set(texts)) == 1


def _by_name(name: str, words: Sequence[str]) -> float:
    low = name.lower()
    if any(low == word or low.endswith(f"_{word}") or low.startswith(f"{word}_") for word in _ABOUT):
        return -1.0
    return _NAMED if any(word in low for word in words) else 0.0


def _share(texts: Sequence[str], end: str) -> float:
    return sum(text.endswith(end) for text in texts) / len(texts)


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
