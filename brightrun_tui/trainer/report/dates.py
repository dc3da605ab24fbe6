"""Dates in texts, however they are written, as one fact each: day, month and year belong together."""

from __future__ import annotations

import re

from brightrun_tui.trainer.report.fact_words import MONTHS

_MONTH = "|".join(sorted(map(re.escape, MONTHS), key=len, reverse=True))
_FORMS = (
    re.compile(r"(?<!\d)(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})(?!\d)"),
    re.compile(
        r"(?<![\d.])(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?:(?P<year>\d{4}|\d{2})(?!\d)|(?=\s*[a-zäöüß0-9,;)–-])(?!\d{3}))"
    ),
    re.compile(
        r"(?:(?<=\bam )|(?<=\bab )|(?<=\bvom )|(?<=\bzum )|(?<=\bbis )|(?<=\bden ))(?P<day>\d{1,2})\.(?P<month>\d{1,2})\."
    ),
    # a day and a month at the end of a sentence may as well be a decimal number
    re.compile(r"(?<![\d/])(?P<day>\d{1,2})[/-](?P<month>\d{1,2})[/-](?P<year>\d{4}|\d{2})(?![\d/])"),
    re.compile(
        rf"(?<!\d)(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+|de\s+)?(?P<name>{_MONTH})\b\.?(?:,?\s+(?:de\s+)?(?P<year>\d{{4}}))?",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b(?P<name>{_MONTH})\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?!:)(?:,?\s+(?P<year>\d{{4}}))?",
        re.IGNORECASE,
    ),
)


def take_dates(text: str) -> tuple[list[str], str]:
    """Return the dates of a text as ``year-month-day``, and the text without them.

    A year that is not written is empty; where day and month may have changed places (3/5/2026), there is a ``?`` behind.
    """
    dates: list[str] = []

    def take(found: re.Match[str]) -> str:
        parts = found.groupdict()
        month = MONTHS[parts["name"].casefold()] if parts.get("name") else int(parts["month"])
        day, year = int(parts["day"]), parts.get("year") or ""
        unsure = "?" if "/" in found[0] and day <= 12 and month <= 12 else ""
        if month > 12 >= day:
            day, month = month, day
        if not (1 <= month <= 12 and 1 <= day <= 31):
            return found[0]
        dates.append(f"{year if len(year) != 2 else f'20{year}'}-{month:02}-{day:02}{unsure}")
        return " "

    for form in _FORMS:
        text = form.sub(take, text)
    return dates, text


def same_date(one: str, other: str) -> bool:
    """Say whether two dates may be the same day; years that are not written may be any."""
    (year, *day), (other_year, *other_day) = one.rstrip("?").split("-"), other.rstrip("?").split("-")
    unsure = "?" in one + other
    return (not year or not other_year or year == other_year) and (
        day == other_day or (unsure and sorted(day) == sorted(other_day))
    )
