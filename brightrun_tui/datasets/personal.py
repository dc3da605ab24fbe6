"""Signs of personal data in texts: kinds whose form says what they are, confirmed by the libraries that know their rules.

What is not found here may be there all the same: names and addresses have no form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from brightrun_tui.datasets.telephone import holds_telephone_number

EMAIL, IBAN, CARD, IDENTITY, TELEPHONE = (
    "e-mail addresses",
    "bank accounts (IBAN)",
    "credit card numbers",
    "identity or tax numbers",
    "telephone numbers",
)
_EMAIL = re.compile(r"(?<![\w.+/@-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}(?:[^\W\d_]{2,63}|xn--[\w-]{2,59})(?![\w+-])")
_EXAMPLES = re.compile(r"@(?:[\w-]+\.)*example\.(?:com|org|net)|\.(?:example|test|invalid)$|^git@", re.IGNORECASE)
_MANY_DIGITS = re.compile(r"\d(?:[^\n\d]{0,3}\d){6}")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
_ISSUED = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|(?:6011|65\d\d|35\d\d)\d{12}"
)
"""Beginning and length of the cards that there are; one number in ten has the right checksum by chance."""
_IDENTITIES = (
    ("us", "ssn", re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")),
    ("fr", "nir", re.compile(r"(?<!\w)[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}(?!\w)")),
    ("it", "codicefiscale", re.compile(r"\b[A-Z]{6}\d{2}[A-EHLMPR-T]\d{2}[A-Z]\d{3}[A-Z]\b")),
    ("es", "dni", re.compile(r"\b(?:dni|nif)\W{0,4}(\d{8}-?[A-HJ-NP-TV-Z])\b", re.IGNORECASE)),
    ("es", "nie", re.compile(r"\b[XYZ]-?\d{7}-?[A-HJ-NP-TV-Z]\b")),
    ("ch", "ssn", re.compile(r"\b756\.\d{4}\.\d{4}\.\d{2}\b")),
    ("be", "nn", re.compile(r"\b\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}\b")),
    ("nl", "bsn", re.compile(r"(?:\bbsn|burgerservicenummer)\W{0,4}(\d{9})\b", re.IGNORECASE)),
    ("pl", "pesel", re.compile(r"\bpesel\W{0,4}(\d{11})\b", re.IGNORECASE)),
    (
        "de",
        "idnr",
        re.compile(
            r"\b(?:steuer-?id\w*|idnr|identifikationsnummer|tax id)\W{0,4}(\d{2} ?\d{3} ?\d{3} ?\d{3})\b", re.IGNORECASE
        ),
    ),
    ("se", "personnummer", re.compile(r"\bpersonnummer\W{0,4}(\d{6,8}[-+]?\d{4})\b", re.IGNORECASE)),
    ("eu", "vat", re.compile(r"\b(?:AT ?U|BE|CY|CZ|DE|DK|EE|EL|ES|FI|FR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK)"
                             r" ?[A-Z]?\d[\dA-Z]{6,11}\b")),
)  # fmt: skip
"""Country, number as `stdnum` calls them, and its form. Plain digits are taken for one only behind its name."""


def personal_data(texts: Sequence[str]) -> list[str]:
    """Say which kinds of it are in these texts of one record, in words."""
    found: dict[str, None] = {}
    for text in texts:
        if "@" in text and any(not _EXAMPLES.search(match[0]) for match in _EMAIL.finditer(text)):
            found[EMAIL] = None
        if not _MANY_DIGITS.search(text):
            continue
        if any(map(_is_iban, _IBAN.findall(text))):
            found[IBAN] = None
        text = _IBAN.sub(" ", text)  # what is part of one, or looks like one, is not another number
        if any(map(_is_card, _CARD.findall(text))):
            found[CARD] = None
        if any(_is_identity(country, name, each) for country, name, form in _IDENTITIES for each in form.findall(text)):
            found[IDENTITY] = None
        if TELEPHONE not in found and holds_telephone_number(_CARD.sub(" ", text), "\n".join(texts)):
            found[TELEPHONE] = None
    return list(found)


@lru_cache(maxsize=4096)
def _is_iban(text: str) -> bool:
    from stdnum import iban

    return iban.is_valid(text)


@lru_cache(maxsize=4096)
def _is_card(text: str) -> bool:
    from stdnum import luhn

    digits = re.sub(r"\D", "", text)
    return bool(_ISSUED.fullmatch(digits)) and luhn.is_valid(digits) and len(set(digits)) > 1


@lru_cache(maxsize=4096)
def _is_identity(country: str, name: str, text: str) -> bool:
    from stdnum import get_cc_module

    rules = get_cc_module(country, name)
    return rules is not None and rules.is_valid(text)
