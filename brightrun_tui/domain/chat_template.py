"""What a chat template says of the model it belongs to."""

from __future__ import annotations

import re

_THINKS = re.compile(r"<think>|enable_thinking|reasoning_content")


def takes_tools(template: str) -> bool:
    """Whether functions that may be called have a place in it."""
    return "tools" in template


def thinks(template: str) -> bool:
    """Whether what the model thinks before it answers has a place in it."""
    return _THINKS.search(template) is not None
