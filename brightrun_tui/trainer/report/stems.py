"""Texts as they are compared: values folded, and words cut to what tells them apart."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from brightrun_tui.trainer.report.facts import UNSPACED

STEM = 6
"""Letters by which words are told apart, so that ``days`` is ``day``."""
_TOKEN = re.compile(rf"[{UNSPACED}]+|[^\W{UNSPACED}]+")


def folded(text: str) -> str:
    """Return the text as labels and values are compared: without case, surrounding space, and punctuation at the ends."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(" .!?。！？\"'“”‘’`*")


@lru_cache(maxsize=8192)
def stems(text: str) -> tuple[str, ...]:
    """Return words cut to their first letters; in scripts without spaces, pairs of characters."""
    stems: list[str] = []
    for token in _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold()):
        if re.match(f"[{UNSPACED}]", token):
            stems += [token[n : n + 2] for n in range(max(1, len(token) - 1))]
        else:
            stems.append(token[:STEM])
    return tuple(stems)
