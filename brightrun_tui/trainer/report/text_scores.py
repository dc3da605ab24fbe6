"""Measures of answers as texts: how near they are to the wanted ones, and what of them stands in the training data."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from brightrun_tui.trainer.report.facts import UNSPACED

PHRASE = 8
"""Words in a row that hardly ever come about twice by chance."""
SCANNED_CHARACTERS = 12_000_000
"""Of the training answers at most, evenly chosen: reading them takes about a second then."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PIECES = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")
_WORDS = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")


def token_f1(answer: str, reference: str) -> float:
    """Return the harmonic mean of precision and recall over the words of both, 0 to 1; order does not matter.

    The formula and the normalisation (lower case, no punctuation, no English articles) are those of the official SQuAD
    evaluation (Rajpurkar et al. 2016, arXiv:1606.05250, ``evaluate-v1.1.py``); beyond English, as that of MLQA has it
    (Lewis et al. 2020, arXiv:1910.07475), punctuation is all that Unicode calls so, and scripts without spaces are
    compared by characters.
    """
    said, wanted = _normalised(answer), _normalised(reference)
    if not said or not wanted:
        return float(said == wanted)
    common = sum((Counter(said) & Counter(wanted)).values())
    return 2 * common / (len(said) + len(wanted))


def _normalised(text: str) -> list[str]:
    bare = "".join(
        c for c in text.lower() if c not in string.punctuation and not unicodedata.category(c).startswith("P")
    )
    return _PIECES.findall(_ARTICLES.sub(" ", bare))


@dataclass(frozen=True)
class Overlap:
    """Phrases (8 words in a row) of some answers, and how many of them stand word for word in a training answer."""

    phrases: int
    copied: int

    @property
    def share(self) -> float:
        return self.copied / self.phrases if self.phrases else 0.0


def verbatim_overlap(
    prompts: Sequence[str], references: Sequence[str], answers: Mapping[str, Sequence[str]], training: Sequence[str]
) -> dict[str, Overlap]:
    """Return what each model's answers copy from the training answers, and as ``reference`` what the wanted answers do.

    What stands in the prompt counts for nobody, nor what stands in the wanted answer for a model. The wanted answers were
    not trained on: what they share with those that were is the usual wording of the data.

    Args:
        answers: by model, one answer for each prompt.
        training: the answers that were trained on.
    """
    asked, wanted = ([_phrases(text) for text in texts] for texts in (prompts, references))
    own = {
        model: [_phrases(text) - prompt - right for text, prompt, right in zip(said, asked, wanted, strict=True)]
        for model, said in answers.items()
    }
    own["reference"] = [right - prompt for right, prompt in zip(wanted, asked, strict=True)]
    sought = set().union(*(phrases for said in own.values() for phrases in said))
    found: set[tuple[str, ...]] = set()
    stride = 1 + sum(map(len, training)) // SCANNED_CHARACTERS
    for text in training[::stride] if sought else ():
        found |= sought.intersection(_windows(text))
    return {
        model: Overlap(sum(map(len, said)), sum(len(phrases & found) for phrases in said))
        for model, said in own.items()
    }


def _windows(text: str) -> Iterable[tuple[str, ...]]:
    words = _WORDS.findall(text.casefold())
    return zip(*(words[start:] for start in range(PHRASE)), strict=False)


def _phrases(text: str) -> set[tuple[str, ...]]:
    return set(_windows(text))
