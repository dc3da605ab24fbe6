"""A spreadsheet's cell as a person sees it: 01234 stays so, 5 % is not 0.05, and 4.3 not 4.300000000000001."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Any

_LITERAL = re.compile(r"\"([^\"]*)\"|\\(.)|\[\$([^-\]]*)[^\]]*\]|\[[^\]]*\]|[_*].")
_NUMBER = re.compile(
    r"(?P<before>[^0#?.,%E]*)(?P<whole>[0#?,]+)(?:\.(?P<decimals>[0#?]+))?(?P<scale>,*)(?P<after>[^0#?.,E]*)"
)
_BETWEEN_SECTIONS = re.compile(r';(?=(?:[^"]*"[^"]*")*[^"]*$)')
"""A format has up to four sections: for positive and negative numbers, for zero, and for text."""
_LONGEST_FORMAT = 255
"""Characters, which is what spreadsheets keep. Longer ones are none, and matching them takes its time."""
_CONDITION = re.compile(r"\[[<>=]")
_DATE_PARTS = {
    "yyyy": "%Y",
    "mm": "%m",
    "m": "{0.month}",
    "dd": "%d",
    "d": "{0.day}",
    "hh": "%H",
    "h": "{0.hour}",
    "ss": "%S",
    "s": "{0.second}",
    "min": "%M",
}
"""Years of two digits are not among them: so is the form written whose order of day and month the reader's country decides."""
_HALF_DAY = {"h": "{1}", "hh": "{1:02}", "am/pm": "%p"}


def shown(value: Any, number_format: str) -> str:
    """Return the text of a cell, with the decimals, zeros, currency and order of day and month that its format asks for.

    Decimals have a point and thousands no mark: how these look depends on the reader's country, which the file does not say.
    Formats that are not understood (fractions, exponents, names of months, the own date of a country) give the plain number, or
    the date in ISO form.
    """
    if len(number_format) > _LONGEST_FORMAT:
        number_format = "General"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value, number_format)
    if isinstance(value, datetime | date | time):
        return _date(value, number_format)
    if isinstance(value, timedelta):
        return _duration(value, number_format)
    from openpyxl.utils.escape import unescape

    return str(unescape(value)) if isinstance(value, str) and "_x" in value else str(value)


def _number(value: float, number_format: str) -> str:
    if _CONDITION.search(number_format):
        return _plain(value)
    sections = _BETWEEN_SECTIONS.split(number_format)
    own = 1 if value < 0 else 2 if value == 0 else 0
    section = sections[own] if own < len(sections) else sections[0]
    if '"' in section and not re.search("[0#?@]|General", _LITERAL.sub("", section)):
        return "".join(match[1] or match[2] or "" for match in _LITERAL.finditer(section))
    first = sections[0]
    literals: list[str] = []

    def keep(match: re.Match[str]) -> str:
        literals.append(next((part for part in match.groups() if part), " " if match[0].startswith("_") else ""))
        return "\0"

    match = _NUMBER.fullmatch(_LITERAL.sub(keep, first))
    if match is None or first in ("General", "@"):
        return _plain(value)
    digits = match["whole"].rstrip(",")
    scale = (100 if "%" in match["after"] else 1) / 1000 ** (
        len(match["whole"]) - len(digits) + len(match["scale"] or "")
    )
    decimals = match["decimals"] or ""
    text = f"{abs(value) * scale:.{len(decimals)}f}"
    whole, point, fraction = text.partition(".")
    while fraction and len(fraction) > decimals.count("0"):
        if not fraction.endswith("0"):
            break
        fraction = fraction[:-1]
    number = whole.zfill(digits.count("0")) + (point + fraction if fraction else "")
    parts = iter(literals)
    around = [
        "".join(next(parts, "") if letter == "\0" else letter for letter in match[side]) for side in ("before", "after")
    ]
    sign = "-" if value < 0 and any(digit in "123456789" for digit in number) else ""
    return sign + f"{around[0]}{number}{around[1]}".strip()


def _plain(value: float) -> str:
    """Return a number with fifteen digits, which is what a spreadsheet keeps of it."""
    if isinstance(value, int) or value.is_integer():
        return str(int(value))
    return f"{value:.15g}"


def follows(value: Any, number_format: str) -> bool:
    """Say whether a date is shown as its format has it; others are shown as year, month and day."""
    return not isinstance(value, date | time) or bool(_form_of_date(value, number_format))


def _date(value: datetime | date | time, number_format: str) -> str:
    if form := _form_of_date(value, number_format):
        return value.strftime(form).format(value, getattr(value, "hour", 0) % 12 or 12)
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    spec = "minutes" if not (value.second or value.microsecond) else "auto"
    return value.isoformat(" ", spec) if isinstance(value, datetime) else value.isoformat(spec)


def _form_of_date(value: datetime | date | time, number_format: str) -> str:
    """Return the format as ``strftime`` and ``format`` take it one after the other; empty where it is not understood."""
    if len(number_format) > _LONGEST_FORMAT:
        return ""
    form = re.sub(r"\[[^\]]*\]|[\\\"]|;.*", "", number_format).lower()
    form = re.sub(r"(?<=h:)mm|mm(?=:s)", "min", form)
    parts = re.findall(r"am/pm|[a-z]+|[^a-z]+", form)
    known = all(part in _DATE_PARTS or not part[0].isalpha() for part in parts if part != "am/pm")
    has_hours = not isinstance(value, date) or isinstance(value, datetime)
    if not known or not any(map(str.isalpha, parts)) or (not has_hours and re.search(r"[hs]", form)):
        return ""
    of_day = _HALF_DAY if "am/pm" in parts else {}
    return "".join(of_day.get(part) or _DATE_PARTS.get(part) or _literal(part) for part in parts)


def _literal(text: str) -> str:
    """Escape ``text`` so that ``strftime`` and then ``format`` give it back."""
    return text.replace("%", "%%").replace("{", "{{").replace("}", "}}")


def _duration(value: timedelta, number_format: str) -> str:
    """Return hours and minutes, and seconds where the format has them or there are any; hours beyond a day go on counting."""
    minutes, seconds = divmod(round(value.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}" + (f":{seconds:02}" if seconds or "s" in number_format.lower() else "")
