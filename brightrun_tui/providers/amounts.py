"""Numbers in providers' answers, read with suspicion: one that is not a number counts as none, and is never reckoned with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from brightrun_tui.domain.spending import Bill

MOST = 1e12
"""Larger than any price, size or time that an answer may tell."""
FIRST_MOMENT, LAST_MOMENT = 1.5e9, 1e10
"""The years 2017 and 2286."""
DOLLARS = "USD"


def quantity(value: Any) -> float | None:
    """Return a price, size or time as a number or text holds it; None for what is not one: nothing, below zero, endless, not a
    number.
    """
    found = _number(value)
    return found if found is not None and found >= 0 else None


Quantity = Annotated[float | None, BeforeValidator(quantity)]


def moment(value: Any) -> float | None:
    """Return a time in seconds since the epoch; None for one at which nobody can have rented anything, or of which no
    calendar tells.
    """
    found = _number(value)
    return found if found is not None and FIRST_MOMENT <= found <= LAST_MOMENT else None


Moment = Annotated[float | None, BeforeValidator(moment)]


def port(value: Any) -> int | None:
    """Return a port of a machine as a number or text holds it; None for what is not one."""
    found = _number(value)
    return int(found) if found is not None and 0 < found < 1 << 16 and found == int(found) else None


Port = Annotated[int | None, BeforeValidator(port)]


def balance(value: Any) -> float | None:
    """Return the same of what is on an account, which may be in debt."""
    return _number(value)


def bill(
    rows: Iterable[Mapping[str, Any]], *, amount: str, disk: str = "", disk_rows: tuple[str, str] | None = None
) -> Bill:
    """Return the sum of the rows of a bill. A correction may be negative.

    Args:
        amount: name of the field with a row's US dollars.
        disk: name of the field with the disk's part of them.
        disk_rows: name and value of the field that marks rows which are about the disk, where those have rows of their own.

    Raises:
        ValueError: a row that is not an amount of US dollars, or a sum that cannot be one; in words.
    """
    rows = list(rows)
    currencies = {str(row.get("currency") or DOLLARS).upper() for row in rows} - {DOLLARS}
    if currencies:
        raise ValueError(f"a bill in {', '.join(sorted(currencies))[:20]}")
    usd = _sum(row.get(amount) or 0 for row in rows)
    storage: float | None = None
    if disk_rows is not None:
        storage = _sum(row.get(amount) or 0 for row in rows if row.get(disk_rows[0]) == disk_rows[1])
    elif disk and all(row.get(disk) is not None for row in rows):
        storage = _sum(row[disk] for row in rows)
    if usd < 0 or (storage is not None and storage < 0):
        raise ValueError("a bill below nothing")
    return Bill(usd=usd, storage=storage)


def distinct(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows without those that are there a second time, to the last letter: a list that is read page by page may
    repeat some.
    """
    found: list[dict[str, Any]] = []
    for row in rows:
        if row not in found:
            found.append(row)
    return found


def _sum(values: Iterable[Any]) -> float:
    numbers = [_number(value) for value in values]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers):
        raise ValueError("a bill with something that is not an amount of money")
    return math.fsum(known)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if abs(found) <= MOST else None
