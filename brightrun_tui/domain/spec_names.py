"""What the parts of an extension may be called."""

from __future__ import annotations

import re

_JOINTS = {"-": "dashes", "_": "underscores"}


def flaw_of_name(name: str, *, joint: str = "-", most: int = 32) -> str:
    """Say what is wrong with the name of a spec, as the rest of a sentence; empty where nothing is.

    It has lower-case letters, digits and ``joint``, “-” or “_”, begins with a letter, and has at most ``most`` characters.
    """
    if re.fullmatch(rf"[a-z][a-z0-9{joint}]{{0,{most - 1}}}", name):
        return ""
    return f"its name should be lower-case letters, digits and {_JOINTS[joint]}, at most {most}"
