"""Signs of passwords and keys in texts: what a model has learnt, it tells anybody who asks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from brightrun_tui.domain.service_keys import SIGNS, WHOLE_KEY

PRIVATE_KEY, SERVICE_KEY, PASSWORD = "private keys", "keys of services", "passwords"
_PRIVATE = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")
_SAID = re.compile(
    r"\b(?:password|passwort|kennwort|passphrase|pwd|contraseña|mot de passe|parola d['’]ordine|senha|wachtwoord|hasło)\b"
    r"(?:\s*[:=]\s*|\s+(?:is|ist|lautet|es|est|è)\s*:?\s+)[\"'“„`*]{0,3}"
    r"(?=[^\s\"'”`]*\d)(?=[^\s\"'”`]*[A-Za-z])(?P<said>[^\s\"'“”`<>{}\[\]]{6,40})",
    re.IGNORECASE,
)
"""A password has letters and digits, as hardly a word of a sentence has."""
_IN_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]{2,20}://[^\s:/@]{1,60}:(?P<said>[^\s:/@<>{}\[\]$*]{3,60})@[\w.-]+")
"""Of a database or a server, with the user before it."""
_SET = re.compile(
    r"\b(?:[A-Z0-9]+_)*(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|SECRET_?KEY)\s?=\s?[\"']?"
    r"(?=[^\s\"']*\d)(?=[^\s\"']*[A-Za-z])(?P<said>[^\s\"'<>{}\[\]$*]{6,})"
)
"""As programs are given it."""
_OF_NETWORK = re.compile(
    r"\b(?:wi-?fi|wlan|wpa2?)[ -]?(?:key|schlüssel|code|pass\w*)\b(?:\s*[:=]\s*|\s+(?:is|ist|lautet)\s*:?\s+)[\"'“„`*]{0,3}"
    r"(?=[^\s\"'”`]*\d)(?=[^\s\"'”`]*[A-Za-z])[^\s\"'“”`<>{}\[\]]{6,40}",
    re.IGNORECASE,
)
_WORDS = {
    "w": ("assw", "pwd", "achtw", "ennw", "Pwd"),
    "W": ("PASSW", "PWD", "ASSW"),
    "p": ("assph", "ot de pa"),
    "o": ("ontras", "arola"),
    "h": ("enha",),
    "ł": ("asło",),
}
_KINDS = (
    (PRIVATE_KEY, _PRIVATE, {"-": ("-----BEGIN",)}),
    (SERVICE_KEY, WHOLE_KEY, SIGNS),
    (PASSWORD, _SAID, _WORDS),
    (PASSWORD, _IN_ADDRESS, {"@": ("://",)}),
    (PASSWORD, _SET, {"=": ("KEY", "TOKEN", "PASSW", "SECRET")}),
    (PASSWORD, _OF_NETWORK, {"W": ("Wi", "WLAN", "WPA")}),
)
"""Each with what stands in every such text, by one of its characters: looking for these takes a tenth of the time."""


def _holds(text: str, signs: Mapping[str, Sequence[str]]) -> bool:
    for character, found in signs.items():
        if character in text:
            for sign in found:
                if sign in text:
                    return True
    return False


def credentials_in(texts: Sequence[str]) -> str:
    """Return the worst kind of credential in these texts; empty where there is none."""
    text = "\n".join(texts)
    for kind, form, signs in _KINDS:
        if _holds(text, signs) and form.search(text):
            return kind
    return ""
