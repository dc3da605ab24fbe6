"""Which language a text is in, where it is long enough to tell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from threading import Lock
from typing import Any, NamedTuple

from brightrun_tui.datasets.sampling import Sampled
from brightrun_tui.domain.dataset import LanguageShares, Record
from brightrun_tui.domain.languages import plain_code

LEAST_LETTERS = 24
"""A shorter text is not judged."""
_LOOKED_AT = 400
_SURE = 0.75
_CODE = re.compile(r"```.*?(?:```|\Z)|https?://\S+", re.DOTALL)
_NOT_ONE = "zxx"
_MAIN = 0.8
_FEW = 0.1
_LEAST_STRANGERS = 2
_loading = Lock()


class Judged(NamedTuple):
    """What the records of a sample are in; ``strangers`` are the few that are in another language than nearly all."""

    languages: LanguageShares
    strangers: list[Sampled]


def language_of(text: str) -> str:
    """Return the ISO 639 code; empty where the text is too short, is not a language, or might be one of several."""
    text = _CODE.sub(" ", text[: 4 * _LOOKED_AT])[:_LOOKED_AT]
    if sum(map(str.isalpha, text)) < LEAST_LETTERS:
        return ""
    code, sureness = _identifier().classify(text)
    return "" if code == _NOT_ONE or sureness < _SURE else plain_code(code)


def judge_languages(sample: Sequence[Sampled]) -> Judged:
    """Judge each record by its answers, which are what is learnt; by its questions, too, where these say too little."""
    found = [(each, _language_of_record(each.record)) for each in sample]
    counts = Counter(language for _, language in found if language)
    judged = counts.total()
    shares = {language: count / judged for language, count in counts.most_common()}
    main = next(iter(shares), "")
    strangers = [each for each, language in found if language and language != main]
    mistaken = shares.get(main, 0) >= _MAIN and _LEAST_STRANGERS <= len(strangers) <= _FEW * judged
    return Judged(LanguageShares(shares=shares, judged=judged, of=len(sample)), strangers if mistaken else [])


def _language_of_record(record: Record) -> str:
    learnt = "\n".join(message.content for message in record.messages if message.role == "assistant" and message.train)
    return language_of(learnt) or language_of(
        "\n".join(message.content for message in record.messages if message.role in ("user", "assistant"))
    )


def _identifier() -> Any:
    with _loading:
        return _loaded()


@cache
def _loaded() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
