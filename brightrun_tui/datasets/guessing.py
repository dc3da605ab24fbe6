"""Which columns of a table are the question and the answer, by their names and by what is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
_ABOUT = ("id", "date", "datum", "time", "url", "link", "email", "status", "name", "#", "nr")


def guess_columns(rows: Sequence[Mapping[str, Any]]) -> tuple[str, str] | None:
    """Names of the columns that read most like questions and like their answers; None with fewer than two columns of text.

    A name counts more than content. Of the content: questions end in question marks, answers seldom do and are long; what
    says the same in most rows, or numbers only, is neither.
    """
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    texts = {
        name: [text.strip() for row in rows if isinstance(text := row.get(name), str) and text.strip()]
        for name in names
    }
    candidates = [name for name in names if texts[name] and not all(_is_number(text) for text in texts[name])]
    if len(candidates) < 2:
        return None
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

    pairs = [
        (as_prompt(prompt) + as_completion(completion), -names.index(prompt), prompt, completion)
        for prompt in candidates
        for completion in candidates
        if prompt != completion
    ]
    _, _, prompt, completion = max(pairs)
    return prompt, completion


def _by_name(name: str, words: Sequence[str]) -> float:
    low = name.lower()
    if any(word in low for word in words):
        return _NAMED
    return (
        -1.0 if any(low == word or low.endswith(f"_{word}") or low.startswith(f"{word}_") for word in _ABOUT) else 0.0
    )


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
