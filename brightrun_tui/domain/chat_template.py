"""What a chat template says of the model it belongs to."""

from __future__ import annotations

import re

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError

ENDLESS = "its chat template never ends"
GREEDY = "its chat template takes more memory than there is"
_THINKS = re.compile(r"<think>|enable_thinking|reasoning_content")


def takes_tools(template: str) -> bool:
    """Say whether functions that may be called have a place in it."""
    return "tools" in template


def thinks(template: str) -> bool:
    """Say whether what the model thinks before it answers has a place in it."""
    return _THINKS.search(template) is not None


def damaged_template(what: str = ENDLESS, *, where: str = "base model") -> BaseModelError:
    """Return the error for a template with which no conversation can be written: `ENDLESS` or `GREEDY`."""
    return BaseModelError(
        what,
        where=where,
        fix="choose another base model: this one is damaged, or meant to do harm",
        kind=ErrorKind.BASE_DAMAGED,
    )
