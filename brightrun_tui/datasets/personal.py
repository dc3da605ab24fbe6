"""Signs of personal data in texts: few kinds, each with a pattern that is seldom wrong, and a checksum where there is one.

What is not found here may be there all the same: names and addresses have no pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{2,63})+")
_EXAMPLES = re.compile(r"@(?:[\w-]+\.)*example\.(?:com|org|net)|\.(?:example|test|invalid)$", re.IGNORECASE)
_PHONE = re.compile(r"(?<![\w.+-])(?:\+|00)[1-9][\d ()/.-]{7,18}\d(?![\w-])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
_LEAST_DIGITS = 9


def personal_data(texts: Iterable[str]) -> list[str]:
    """Which kinds of it are in these texts, in words."""
    found: dict[str, None] = {}
    for text in texts:
        if "@" in text and any(not _EXAMPLES.search(match[0]) for match in _EMAIL.finditer(text)):
            found["e-mail addresses"] = None
        if sum(map(str.isdigit, text)) < _LEAST_DIGITS:
            continue
        if any(_is_iban(match[0]) for match in _IBAN.finditer(text)):
            found["bank accounts (IBAN)"] = None
        text = _IBAN.sub(" ", text)  # what is part of one, or looks like one, is no other number
        if any(_is_card(match[0]) for match in _CARD.finditer(text)):
            found["credit card numbers"] = None
        text = _CARD.sub(" ", text)
        if any(_LEAST_DIGITS <= sum(map(str.isdigit, match[0])) <= 15 for match in _PHONE.finditer(text)):
            found["telephone numbers"] = None
    return list(found)


def _is_iban(text: str) -> bool:
    """ISO 7064: the number that its characters make, the first four behind the rest, leaves 1 when divided by 97."""
    plain = text.replace(" ", "")
    digits = "".join(str(int(character, 36)) for character in plain[4:] + plain[:4])
    return 15 <= len(plain) <= 34 and int(digits) % 97 == 1


def _is_card(text: str) -> bool:
    """The checksum of Luhn, which one number in ten has by chance; those that begin as no card does are left out."""
    digits = [int(character) for character in text if character.isdigit()]
    doubled = [digit if index % 2 == 0 else sum(divmod(2 * digit, 10)) for index, digit in enumerate(reversed(digits))]
    return digits[0] in (3, 4, 5, 6) and sum(doubled) % 10 == 0 and len(set(digits)) > 1
