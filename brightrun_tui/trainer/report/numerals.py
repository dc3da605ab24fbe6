"""Numbers that are written in other digits or in signs, as digits: ٣٠, 四十八, half a litre, an hour and a half."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache, partial

_CJK_SIGNS = ("零〇", "一", "二两兩", "三", "四", "五", "六", "七", "八", "九")
_CJK_DIGITS = {sign: value for value, signs in enumerate(_CJK_SIGNS) for sign in signs}
_CJK_PLACES = {"十": 10, "百": 100, "千": 1000}
_CJK_LARGE = {"万": 10_000, "萬": 10_000, "亿": 10**8, "億": 10**8}
_CJK = "".join((*_CJK_DIGITS, *_CJK_PLACES, *_CJK_LARGE))
_COUNTED = "天日月年周週个個小时時分秒元円圆块人名次回件本枚杯只支条张歳岁点點割度％%公里米斤千瓦升か层階楼号號"
_CJK_NUMBER = re.compile(rf"(?<![{_CJK}])([{_CJK}]*[十百千万萬亿億][{_CJK}]*|[{_CJK}](?=[{_COUNTED}]))(?![{_CJK}])")
_NO_NUMBERS = frozenset(("十分", "万一", "一些", "一下", "一般", "一定", "一样", "一起", "千万", "一度", "万分"))
_SIGNS = {"½": ".5", "¼": ".25", "¾": ".75", "٫": ".", "٬": ","}
_HALVES = (
    (re.compile(r"\b(\d+|an?|one|two|three) (\w+) and a half\b(?! \w+s\b)", re.IGNORECASE), 0.5),
    (re.compile(r"\b(\d+|one|two|three) and a half (\w+)", re.IGNORECASE), 0.5),
    (re.compile(r"\b()half an? (\w+)", re.IGNORECASE), 0.5),
    (re.compile(r"\b()ein(?:e|en|em|er)? halbe[nrsm]? (\w+)", re.IGNORECASE), 0.5),
    (re.compile(r"\b(ein)einhalb (\w+)", re.IGNORECASE), 0.5),
    (re.compile(r"\b(ander)thalb (\w+)", re.IGNORECASE), 0.5),
    (re.compile(r"\b(zwei)einhalb (\w+)", re.IGNORECASE), 0.5),
    (re.compile(r"\b()a quarter of an? (\w+)", re.IGNORECASE), 0.25),
    (re.compile(r"\b()une? demi-(\w+)", re.IGNORECASE), 0.5),
)
_HOURS_AND_MINUTES = re.compile(
    r"\b(\d{1,3}) ?(?:h|hrs?|hours?|std\.?|stunden?|heures?|horas?|ore),?(?: and | und | et | y | e | "
    r")?(\d{1,2}) ?(?:min|m|minut\w+)\b\.?",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"\b(\d{1,2})(?:\.(?=\d\d ?(?:[ap]\.?m\b|uhr\b|h\b))| ?h(?=\d\d\b))(\d\d)", re.IGNORECASE)
_OFTEN = {"twice": 2, "thrice": 3, "zweimal": 2, "dreimal": 3, "viermal": 4, "tweemaal": 2, "driemaal": 3}
_TIMES = re.compile(rf"\b(?:{'|'.join(_OFTEN)})\b", re.IGNORECASE)
_WHOLE = {"": 0, "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "ein": 1, "ander": 1, "zwei": 2}


@lru_cache(maxsize=4096)
def with_digits(text: str) -> str:
    """Return the text with its numbers in European digits, as far as they are known."""
    if not text.isascii():
        text = "".join(map(_as_digit, text))
        text = _CJK_NUMBER.sub(lambda found: _counted(found, text), text)
    text = _CLOCK.sub(r"\1:\2", text)
    text = _TIMES.sub(lambda found: f"{_OFTEN[found[0].casefold()]} times", text)
    for form, part in _HALVES:
        text = form.sub(partial(_with_part, part=part), text)
    return _HOURS_AND_MINUTES.sub(lambda found: f"{int(found[1]) * 60 + int(found[2])} minutes", text)


def _as_digit(sign: str) -> str:
    return str(unicodedata.decimal(sign)) if sign.isdecimal() else _SIGNS.get(sign, sign)


def _with_part(found: re.Match[str], part: float) -> str:
    whole = found[1].casefold()
    return f"{(int(whole) if whole.isdigit() else _WHOLE[whole]) + part:g} {found[2]}"


def _counted(found: re.Match[str], text: str) -> str:
    """Return a number of Chinese or Japanese signs in digits; words that only have such a sign in them stay."""
    signs = found[1]
    around = (text[found.start() : found.end() + 1], text[found.start() : found.start() + 2], signs)
    if any(word in _NO_NUMBERS for word in around):
        return signs
    total, section, digit = 0, 0, 0
    for sign in signs:
        if sign in _CJK_DIGITS:
            digit = digit * 10 + _CJK_DIGITS[sign]
        elif sign in _CJK_PLACES:
            section, digit = section + (digit or 1) * _CJK_PLACES[sign], 0
        else:
            total, section, digit = total + (section + digit or 1) * _CJK_LARGE[sign], 0, 0
    return str(total + section + digit)
