"""Amounts as people type them: ``$5``, ``2,50``."""

from __future__ import annotations

import re

THOUSANDS = re.compile(r",\d{3}(\D|$)")
"""A comma that half of the world would read as a decimal point."""
MOST = 1e9


def read_amount(value: str) -> tuple[float | None, str]:
    """Return the number, None for nothing; and what is wrong with it, empty if it can be used."""
    text = value.strip().removeprefix("$")
    if THOUSANDS.search(text):
        return None, "write 1000 or 1.50, without a comma"
    try:
        number = float(text.replace(",", ".")) if text else None
    except ValueError:
        number = -1.0
    return (number, "") if number is None or 0 < number < MOST else (None, "a number above 0")
