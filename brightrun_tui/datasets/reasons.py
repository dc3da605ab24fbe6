"""What a reason is: what was found in so many records, and what to do about it."""

from __future__ import annotations

import re
from typing import NamedTuple

NOTHING_TO_DO = "usually nothing to do"
"""How the fix of a remark begins that is there to be known."""
_NUMBERS = re.compile(r"\[([^|\]]*)\|([^\]]*)\]")


class Reason(NamedTuple):
    """``what`` continues a sentence that starts with a count of records; ``{detail}`` is the first one's detail.

    ``[are|is]``: words for several, and for one.
    """

    what: str
    fix: str

    def said(self, count: int, detail: str) -> str:
        """Return ``what`` in the singular or plural for so many."""
        return _NUMBERS.sub(lambda words: words[2 if count == 1 else 1], self.what).format(detail=detail)
