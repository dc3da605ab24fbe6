"""What in a text can be compared as such: numbers with their units, yes and no, names, what is denied."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from brightrun_tui.trainer.report.dates import same_date, take_dates
from brightrun_tui.trainer.report.fact_words import (
    COUNTS,
    DENIALS,
    LARGER_UNITS,
    LIGHT,
    MONTHS,
    POLARITY,
    PRODUCTS,
    SCALES,
    UNITS,
    WEEKDAYS,
)

UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
"""Thai, Lao, Burmese, Khmer, Japanese, Chinese: no spaces between words, so a character stands for one."""
MOST_NUMBERS = 40
"""Numbers of a text that are compared, its first."""
DENIED_WORDS = 3
"""Words behind a “not” that it may deny."""

WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+(?:['’][^\W\d_]+)?")
_NUMBER = re.compile(r"(?<![\w.,])[-−]?\d+(?:[.,:]\d+)*|\d+(?:[.,:]\d+)*")
_TELEPHONE = re.compile(r"(?<![\w.,/+-])(?:\+|0)\d{1,5}(?:[ /–-]\(?\d{2,8}\)?){1,6}(?![\w-])")
_LEAST_DIALLED = 7
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+|(?:https?://|www\.)\S+")
_BEFORE_UNITS = frozenset("degrees degree grad working business calendar full whole square cubic".split())
_SENTENCE_END = re.compile(r"[.!?:;。！？…\n“\"(]\s*$")
_FREE = re.compile(r"\b([^\W\d_]+)[-‑]free\b|\bfree (?:of|from) (?!charge|cost|fees?\b|dut|tax)([^\W\d_]+)")
"""What there is none of: gluten-free, free from nuts."""
EXCEPT = re.compile(
    r"\b(?:unless|except(?:ing)?(?: for)?|excluding|other than|apart from|(?:everything|everyone|everybody|anything|anyone|all|"
    r"always|any|every \w+|each \w+) but(?! not)|außer|ausgenommen"
    r"|bis auf|es sei denn|sauf|hormis|à moins|excepto|salvo|a menos|tranne|eccetto|behalve|tenzij|кроме|除了|除く|以外)\b",
    re.IGNORECASE,
)
"""What is behind it is denied: all but the lamps, unless it rains."""
_OPENS = re.compile(
    r"\W*(" + "|".join(sorted(POLARITY, key=len, reverse=True)) + r")(?=\s*[^\w\s'’]|\s*$)", re.IGNORECASE
)


@dataclass(frozen=True, order=True)
class Number:
    """A number as it is meant: ``4,50 €`` and ``€4.50`` are the same. ``unit`` is empty if none is said."""

    value: str
    unit: str = ""

    def agrees(self, other: Number) -> bool:
        """Say whether both are equal and not in different units; 6 pm is 18, and may be meant by 6."""
        if "date" in (self.unit, other.unit):
            return self.unit == other.unit and same_date(self.value, other.value)
        if self.unit and other.unit:
            return (self.value, self.unit) == (other.value, other.unit) or self._is_as_much(other)
        if {self.unit, other.unit} & {"am", "pm"} and self.value.isdigit() and other.value.isdigit():
            return int(self.value) % 12 == int(other.value) % 12
        return self.value == other.value

    def _is_as_much(self, other: Number) -> bool:
        """Say whether it is the same in a larger or a smaller unit: two years and 24 months."""
        for larger, smaller in ((self, other), (other, self)):
            if factor := LARGER_UNITS.get((larger.unit, smaller.unit)):
                with suppress(InvalidOperation):
                    return Decimal(larger.value) * factor == Decimal(smaller.value)
        return False


@dataclass(frozen=True)
class Facts:
    """Facts of one text; words are folded.

    ``names``: words with a capital inside a sentence. ``denied``: words that a “not” stands before; ``stated``: the others;
    ``affirmed``: those of them in whose clause nothing is denied.

    ``addresses``: of the web and of mail. ``agrees``: whether it opens with yes or with no; None if it does with neither.
    """

    numbers: frozenset[Number]
    names: frozenset[str]
    agrees: bool | None
    denied: frozenset[str]
    stated: frozenset[str]
    affirmed: frozenset[str]
    addresses: frozenset[str] = frozenset()


@lru_cache(maxsize=4096)
def read_facts(text: str) -> Facts:
    """Return the facts of a text without its greeting."""
    text = unicodedata.normalize("NFKC", text)
    denied, stated, affirmed = _denied(text)
    return Facts(
        frozenset(_numbers(text)[:MOST_NUMBERS]),
        frozenset(_names(text)),
        _agrees(text),
        frozenset(denied),
        frozenset(stated - denied),
        frozenset(affirmed - denied),
        frozenset(found[0].casefold().rstrip(".,;:!?)/") for found in _ADDRESS.finditer(text)),
    )


def is_answer_word(word: str) -> bool:
    """Say whether a word alone may be the answer: yes, no, or a number."""
    return word.casefold() in POLARITY or any(c.isdigit() for c in word) or word.casefold() in COUNTS


def _agrees(text: str) -> bool | None:
    found = _OPENS.match(text)
    return POLARITY[found[1].casefold()] if found else None


def _numbers(text: str) -> list[Number]:
    dates, text = take_dates(text)
    text = _TELEPHONE.sub(_joined, text)
    numbers = [Number(date, "date") for date in dates]
    for found in _NUMBER.finditer(text):
        before, after = text[: found.start()].rstrip()[-1:], text[found.end() :].lstrip()
        factor, after = _scaled(after)
        word = _first_word(after)
        unit = _sign(before) or _sign(after[:2].casefold()) or _sign(after[:1]) or UNITS.get(word, "")
        written = found[0]
        if ":" in written:
            parts = [part.lstrip("0") or "0" for part in re.split(r"[:.,]", written)]
            numbers += [
                Number(part, unit if unit in ("am", "pm") and not place else "")
                for place, part in enumerate(parts)
                if part != "0" or not place
            ]
        preceding = text[: found.start()].rstrip(" .,").rpartition(" ")[2].casefold()
        if ":" not in written:
            numbers.append(Number(written) if preceding in PRODUCTS else Number(_times(_value(written), factor), unit))
        if month := MONTHS.get(word) or MONTHS.get(preceding):
            numbers.append(Number(str(month)))
    words = [*map(str.casefold, WORD.findall(text)), "", ""]
    for word, next_word, third in zip(words, words[1:], words[2:], strict=False):
        counted = UNITS.get(next_word) or UNITS.get(third, "")  # two hours, three working days
        if word in COUNTS and (counted or COUNTS[word] > 1):  # “one” and its like are mostly no numbers
            numbers.append(Number(_times(str(COUNTS[word]), SCALES.get(next_word, 1)), counted))
    return numbers


def _joined(found: re.Match[str]) -> str:
    """Return a telephone number without what separates its digits, which everybody puts elsewhere; any other number as
    it is.
    """
    digits = re.sub(r"[^\d+]", "", found[0])
    return digits if len(digits) >= _LEAST_DIALLED else found[0]


def _first_word(text: str) -> str:
    found = WORD.match(text)
    return found[0].casefold() if found else ""


def _scaled(after: str) -> tuple[int, str]:
    """Return by how much the number before this text is multiplied, and the text without that word or one that says
    nothing.
    """
    factor = SCALES.get(_first_word(after), 1)
    if factor > 1 or _first_word(after) in _BEFORE_UNITS:
        after = after[len(_first_word(after)) :].lstrip()
    return factor, after


def _sign(mark: str) -> str:
    """Return the unit that a sign stands for; a letter of some word is not a sign."""
    return "" if mark[:1].isascii() and mark[:1].isalpha() else UNITS.get(mark, "")


def _times(value: str, factor: int) -> str:
    """Return a number with the word for thousands or millions behind it, in digits."""
    return value if factor == 1 else f"{Decimal(value) * factor:f}".removesuffix(".0")


def _value(written: str) -> str:
    """Return a number without separators of thousands and with a decimal point; codes such as 0044 and 2024-01 stay as they
    are.
    """
    sign = "-" if written[0] in "-−" else ""
    digits = written.lstrip("-−")
    if digits[0] == "0" and digits.isdigit():
        return digits
    separators = [c for c in digits if c in ".,"]
    if separators:
        last = max(digits.rfind("."), digits.rfind(","))
        whole, decimals = digits[:last], digits[last + 1 :]
        thousands = len(set(separators)) == 1 and len(decimals) == 3 and (len(separators) > 1 or whole != "0")
        whole, decimals = (digits, "") if thousands else (whole, decimals)
        whole, decimals = re.sub(r"\D", "", whole), decimals.rstrip("0")
        digits = f"{whole}.{decimals}" if decimals else whole
    return ("" if digits == "0" else sign) + digits


def _names(text: str) -> list[str]:
    """Return words with a capital inside a sentence, folded."""
    return [
        found[0].casefold().removesuffix("'s").removesuffix("’s")
        for found in WORD.finditer(text)
        if found[0][0].isupper()
        and (len(found[0]) > 2 or _is_code(text, found))
        and found[0].casefold() not in MONTHS
        and found[0].casefold() not in WEEKDAYS  # a day is compared as such, and proves little
        and found[0].casefold() not in UNITS
        and found.start() > 0
        and not _SENTENCE_END.search(text[: found.start()])
    ]


def _is_code(text: str, found: re.Match[str]) -> bool:
    """Say whether a letter or two are a name, as in Room B; not I, and no unit behind a number."""
    before = text[: found.start()].rstrip()[-1:]
    return found[0].isupper() and found[0] != "I" and not before.isdigit() and before != "°"


def _denied(text: str) -> tuple[set[str], set[str], set[str]]:
    denied: set[str] = set()
    stated: set[str] = set()
    affirmed: set[str] = set()
    text = EXCEPT.sub(" without ", _FREE.sub(_without, text.casefold()))
    for clause in re.split(r"[.!?,;:。！？、\n]|\b(?:but|because|though|although|aber|weil|mais|pero|ma|maar)\b", text):
        left = 0
        said: list[str] = []
        denies = False
        for found in WORD.finditer(clause):
            word = found[0].replace("’", "'")
            if word in DENIALS or word.endswith("n't"):
                left, denies = DENIED_WORDS, True
            elif word not in LIGHT:
                if left:
                    denied.add(word)
                else:
                    said.append(word)
                left = max(0, left - 1)
        if left == DENIED_WORDS and said:  # the bread is not
            denied.update(word for word in said[-DENIED_WORDS:] if word not in stated)
        stated.update(said)
        if not denies:
            affirmed.update(said)
    return denied, stated, affirmed


def _without(found: re.Match[str]) -> str:
    return f"without {found[1] or found[2]}"
