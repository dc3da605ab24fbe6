"""Whether a text holds a telephone number, as people of its language write them."""

from __future__ import annotations

import re
from functools import lru_cache

from brightrun_tui.datasets.languages import language_of

REGIONS = {
    "bg": ("BG",), "cs": ("CZ",), "da": ("DK",), "de": ("DE", "AT", "CH"), "el": ("GR",), "en": ("US", "GB", "IE", "AU"),
    "es": ("ES", "MX"), "et": ("EE",), "fi": ("FI",), "fr": ("FR", "BE", "CH"), "ga": ("IE",), "he": ("IL",),
    "hi": ("IN",), "hr": ("HR",), "hu": ("HU",), "it": ("IT", "CH"), "ja": ("JP",), "ko": ("KR",), "lt": ("LT",),
    "lv": ("LV",), "nl": ("NL", "BE"), "no": ("NO",), "pl": ("PL",), "pt": ("PT", "BR"), "ro": ("RO",), "ru": ("RU",),
    "sk": ("SK",), "sl": ("SI",), "sr": ("RS",), "sv": ("SE", "FI"), "tr": ("TR",), "uk": ("UA",), "zh": ("CN",),
}  # fmt: skip
"""Where people who write in a language mostly live."""
_DIALS_00 = "DE"
"""Of a number that begins with + it does not matter."""
ANYWHERE = ("DE", "AT", "CH", "GB", "US", "FR", "NL", "BE", "ES", "IT", "PL", "SE", "DK", "PT")
"""For a text whose language cannot be told, behind a word for a telephone."""

_CANDIDATE = re.compile(r"(?<![\w#€$£.,:/-])[+(]?\d(?:[ \u00a0()/.–-]{0,3}\d){6,16}(?![\w€$£])")
_WORD = re.compile(
    r"\b(?:tel|telef|telé|télé|tlf|fon\b|phone|mobil|móvil|cell|handy|fax|call|ring|dial|hotline|whatsapp|sms|gsm|appel|portable"
    r"|llam|chiam|bel\b|belt|ruf|anruf|erreich|numer telefon|dzwo|zadzwo|ligue|liga\b|telemóvel|звон|тел|моб)\w*[^\d\n]{0,20}$"
    r"|[☎📞📱]\W{0,3}$",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"(?:\b(?:order|invoice|ticket|case|part|article|item|serial|tracking|lot|sku|ean|isbn|imei|iban|account|ref)"
    r"|customer (?:no|number)|bestell|auftrag|rechnung|artikel|serien|sendung|vorgang|kundennummer|aktenzeichen"
    r"|\bpedido|\bfactura|\bcommande|\bfacture"
    r"|\bordine|\bfattura)\w*[\s:#-]*(?:(?:no|nr|num|number|nummer|n°|id|code)\b\.?[\s:#-]*)?$",
    re.IGNORECASE,
)
_BEFORE = 32
_DATE = re.compile(r"\d{1,4}([./-])\d{1,2}\1\d{2,4}(?:[ –-].*)?")
_THOUSANDS = re.compile(r"\d{1,3}(?:([ .\u00a0])\d{3})(?:\1\d{3})*")
_USUAL_DIGITS = 9
"""A number with fewer is taken for one only behind such a word."""


def holds_telephone_number(text: str, context: str = "") -> bool:
    """Say whether the text holds an international telephone number, or a national one of a country where the language
    of ``context`` or of the text is spoken.

    A number that could as well be an amount, a date or a reference, or is called one, counts only behind a word for a
    telephone.
    """
    regions: tuple[str, ...] | None = None
    for match in _CANDIDATE.finditer(text):
        number = match[0]
        abroad = number.startswith(("+", "00"))
        named = bool(_WORD.search(text, max(0, match.start() - _BEFORE), match.start()))
        if not (abroad or named) and (
            _is_something_else(number) or _REFERENCE.search(text, max(0, match.start() - _BEFORE), match.start())
        ):
            continue
        if regions is None and not abroad:
            regions = REGIONS.get(language_of(context or text), ())
        there = (_DIALS_00,) if abroad else regions or (ANYWHERE if named else ())
        around = text[match.start() - 1 if match.start() else 0 : match.end() + 1]
        plain = not (abroad or named) and number.isdigit()
        if any(_is_one(around, region, plain) for region in there):
            return True
    return False


def _is_something_else(number: str) -> bool:
    """Say whether it looks like a date, an amount or a reference."""
    digits = sum(map(str.isdigit, number))
    unmarked = number.isdigit() and not number.startswith("0")
    return digits < _USUAL_DIGITS or unmarked or bool(_DATE.fullmatch(number)) or bool(_THOUSANDS.fullmatch(number))


@lru_cache(maxsize=1 << 15)
def _is_one(around: str, region: str, plain: bool) -> bool:
    """Say whether there is a valid number of this region; ``plain`` digits must be those of a mobile, which nothing
    else has.
    """
    from phonenumbers import Leniency, PhoneNumberMatcher, PhoneNumberType, number_type

    found = PhoneNumberMatcher(around, region, leniency=Leniency.VALID)
    mobile = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
    return any(not plain or number_type(match.number) in mobile for match in found)
