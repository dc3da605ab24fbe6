"""Signs of passwords and keys in texts: what a model has learnt, it tells anybody who asks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

PRIVATE_KEY, SERVICE_KEY, PASSWORD = "private keys", "keys of services", "passwords"
_KEY = re.compile(
    r"(?<![\w-])(?:sk-(?:proj-|ant-|or-|svcacct-)?[A-Za-z0-9_-]{20,}|(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{30,}"
    r"|github_pat_\w{30,}|glpat-[\w-]{20,}|xox[abeoprs]-[\w-]{10,}|AIza[\w-]{35}|hf_[A-Za-z0-9]{30,}|[rs]k_live_[A-Za-z0-9]{16,}"
    r"|shp(?:at|ca|pa|ss)_[a-f0-9]{32}|ya29\.[\w-]{20,}|pypi-AgE[\w-]{20,}|dop_v1_[a-f0-9]{64}|SK[a-f0-9]{32}|\d{8,10}:AA[\w-]{30,36}"
    r"|SG\.[\w-]{16,}\.[\w-]{16,}|npm_[A-Za-z0-9]{36}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{16,})(?![\w-])"
    r"|\b(?:hooks\.slack\.com/(?:services|workflows)/T\w{6,}/\w{6,}/\w{16,}|discord(?:app)?\.com/api/webhooks/\d{16,}/[\w-]{40,})"
    r"|\b(?:AccountKey|SharedAccessKey|sig)=[A-Za-z0-9+/%]{40,}={0,2}"
    r"|\bAuthorization:\s*(?:Basic|Bearer|Token)\s+[A-Za-z0-9+/._~-]{16,}={0,2}"
)
"""Beginnings that services give their keys, so that they can be found."""
_SIGNS = {
    "-": ("sk-", "glpat-", "xox", "pypi-"),
    "_": ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "hf_", "k_live_", "npm_", "shp", "dop_v1"),
    "A": ("AKIA", "ASIA", "AIza", ":AA"),
    ".": ("SG.", "ya29.", "hooks.sl", "/webhooks/"),
    "=": ("Key=", "sig="),
    "J": ("eyJ",),
    "K": ("SK",),
    ":": ("uthorization:",),
}
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
    (SERVICE_KEY, _KEY, _SIGNS),
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
    """Which kind of them is in these texts, the worst first; empty where there is none."""
    text = "\n".join(texts)
    for kind, form, signs in _KINDS:
        if _holds(text, signs) and form.search(text):
            return kind
    return ""
