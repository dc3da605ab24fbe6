"""What in a text can be compared as such: numbers with their units, yes and no, names, what is denied."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
"""Thai, Lao, Burmese, Khmer, Japanese, Chinese: no spaces between words."""
MOST_NUMBERS = 40
"""Numbers of a text that are compared, its first."""
DENIED_WORDS = 3
"""Words behind a “not” that it may deny."""

WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+(?:['’][^\W\d_]+)?")
_NUMBER = re.compile(r"(?<![\w.,])[-−]?\d+(?:[.,:]\d+)*|\d+(?:[.,:]\d+)*")
_DATE = re.compile(r"(?<!\d)(\d{1,4})[-./](\d{1,2})[-./](\d{1,4})(?!\d)")
_SENTENCE_END = re.compile(r"[.!?:;。！？…\n“\"(]\s*$")
_POLARITY = {
    "yes": True,
    "no": False,
    "yeah": True,
    "nope": False,
    "ja": True,
    "nein": False,
    "oui": True,
    "non": False,
    "sí": True,
    "si": True,
    "sim": True,
    "não": False,
    "да": True,
    "нет": False,
    "はい": True,
    "いいえ": False,
    "是": True,
    "是的": True,
    "不是": False,
    "不": False,
}
_OPENS = re.compile(
    r"\W*(" + "|".join(sorted(_POLARITY, key=len, reverse=True)) + r")(?=\s*[^\w\s'’]|\s*$)", re.IGNORECASE
)
_DENIALS = frozenset(
    "not no never cannot without nor nicht kein keine keinen keinem keiner nie ohne pas jamais sans sin nunca "
    "ingen ikke inte niet geen".split()
)
_LIGHT = frozenset(
    "a an the is are was were be been to of in on at it its that this you your we our i my for and or as do does "
    "der die das den dem ein eine einen ist sind zu und oder sie ihr wir es le la les un une est el los las "
    "any so very really".split()
)
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january januar janvier enero",
            "february februar février febrero",
            "march märz mars marzo",
            "april avril abril",
            "may mai mayo",
            "june juni juin junio",
            "july juli juillet julio",
            "august août agosto",
            "september septembre septiembre",
            "october oktober octobre octubre",
            "november novembre noviembre",
            "december dezember décembre diciembre",
        ),
        1,
    )
    for name in names.split()
}
_UNITS = {
    name: unit
    for unit, names in {
        "second": "second seconds sec sekunde sekunden seconde secondes 秒",
        "minute": "minute minutes min minuten 分",
        "hour": "hour hours stunde stunden heure heures hora horas 時",
        "day": "day days tag tage tagen jour jours día días 日",
        "week": "week weeks woche wochen semaine semaines semana semanas 週",
        "month": "month months monat monate monaten mois mes meses 月",
        "year": "year years jahr jahre jahren ans années año años 年",
        "%": "% percent prozent",
        "am": "am",
        "pm": "pm",
        "£": "£ pounds pound gbp",
        "$": "$ dollars dollar usd",
        "€": "€ euro euros eur",
        "¥": "¥ yen 円",
    }.items()
    for name in names.split()
}
_COUNTS = {
    name: number
    for number, names in enumerate(
        (
            "",
            "one ein eine einen einer un une",
            "two zwei deux dos",
            "three drei trois tres",
            "four vier quatre cuatro",
            "five fünf cinq cinco",
            "six sechs seis",
            "seven sieben sept siete",
            "eight acht huit ocho",
            "nine neun neuf nueve",
            "ten zehn dix diez",
            "eleven elf onze once",
            "twelve zwölf douze doce",
        )
    )
    for name in names.split()
} | {
    "fourteen": 14,
    "vierzehn": 14,
    "fifteen": 15,
    "twenty": 20,
    "zwanzig": 20,
    "thirty": 30,
    "dreißig": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "ninety": 90,
    "hundred": 100,
}


@dataclass(frozen=True, order=True)
class Number:
    """A number as it is meant: ``4,50 €`` and ``€4.50`` are the same. ``unit`` is empty where none is said."""

    value: str
    unit: str = ""

    def agrees(self, other: Number) -> bool:
        """Equal, and not in different units; 6 pm is 18, and may be meant by 6."""
        if self.unit and other.unit:
            return (self.value, self.unit) == (other.value, other.unit)
        if {self.unit, other.unit} & {"am", "pm"} and self.value.isdigit() and other.value.isdigit():
            return int(self.value) % 12 == int(other.value) % 12
        return self.value == other.value


@dataclass(frozen=True)
class Facts:
    """Facts of one text; words are folded.

    ``names``: words with a capital inside a sentence. ``denied``: words that a “not” stands before; ``stated``: the others.

    ``agrees``: whether it opens with yes or with no; None where it does with neither.
    """

    numbers: frozenset[Number]
    names: frozenset[str]
    agrees: bool | None
    denied: frozenset[str]
    stated: frozenset[str]


@lru_cache(maxsize=4096)
def read_facts(text: str) -> Facts:
    """The facts of a text without its greeting."""
    text = unicodedata.normalize("NFKC", text)
    denied, stated = _denied(text)
    return Facts(
        frozenset(_numbers(text)[:MOST_NUMBERS]),
        frozenset(_names(text)),
        _agrees(text),
        frozenset(denied),
        frozenset(stated - denied),
    )


def is_answer_word(word: str) -> bool:
    """Whether a word alone may be the answer: yes, no, or a number."""
    return word.casefold() in _POLARITY or any(c.isdigit() for c in word) or word.casefold() in _COUNTS


def _agrees(text: str) -> bool | None:
    found = _OPENS.match(text)
    return _POLARITY[found[1].casefold()] if found else None


def _numbers(text: str) -> list[Number]:
    numbers = [Number(part.lstrip("0") or "0") for date in _DATE.findall(text) for part in date]
    text = _DATE.sub(" ", text)
    for found in _NUMBER.finditer(text):
        before, after = text[: found.start()].rstrip()[-1:], text[found.end() :].lstrip()
        following = WORD.match(after)
        word = following[0].casefold() if following else ""
        unit = _UNITS.get(before) or _UNITS.get(after[:1]) or _UNITS.get(word, "")
        written = found[0]
        if ":" in written:
            parts = [part.lstrip("0") or "0" for part in re.split(r"[:.,]", written)]
            numbers += [
                Number(part, unit if unit in ("am", "pm") and not place else "")
                for place, part in enumerate(parts)
                if part != "0" or not place
            ]
        else:
            numbers.append(Number(_value(written), unit))
        preceding = text[: found.start()].rstrip(" .,").rpartition(" ")[2].casefold()
        if month := _MONTHS.get(word) or _MONTHS.get(preceding):
            numbers.append(Number(str(month)))
    words = [*map(str.casefold, WORD.findall(text)), "", ""]
    for word, next_word, third in zip(words, words[1:], words[2:], strict=False):
        counted = _UNITS.get(next_word) or _UNITS.get(third, "")  # two hours, three working days
        if word in _COUNTS and (counted or _COUNTS[word] > 1):  # “one” and its like are mostly no numbers
            numbers.append(Number(str(_COUNTS[word]), counted))
    return numbers


def _value(written: str) -> str:
    """A number without separators of thousands and with a decimal point; codes such as 0044 and 2024-01 stay as they are."""
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
    """Words with a capital inside a sentence, folded."""
    return [
        found[0].casefold().removesuffix("'s").removesuffix("’s")
        for found in WORD.finditer(text)
        if found[0][0].isupper()
        and len(found[0]) > 2
        and found[0].casefold() not in _MONTHS
        and found.start() > 0
        and not _SENTENCE_END.search(text[: found.start()])
    ]


def _denied(text: str) -> tuple[set[str], set[str]]:
    denied: set[str] = set()
    stated: set[str] = set()
    for clause in re.split(r"[.!?,;:。！？、\n]|\b(?:but|because|aber|weil|mais)\b", text.casefold()):
        left = 0
        for found in WORD.finditer(clause):
            word = found[0].replace("’", "'")
            if word in _DENIALS or word.endswith("n't"):
                left = DENIED_WORDS
            elif word not in _LIGHT:
                (denied if left else stated).add(word)
                left = max(0, left - 1)
    return denied, stated
