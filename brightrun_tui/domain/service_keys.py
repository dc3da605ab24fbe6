"""The forms of the keys that services give out: by these they are found in a dataset, and kept out of logs and errors."""

from __future__ import annotations

import re

_PREFIXED = {
    "sk-": "(?:proj-|ant-|or-|svcacct-)?[A-Za-z0-9_-]{20,}",
    "rpa_": "[A-Za-z0-9]{30,}",
    "hf_": "[A-Za-z0-9]{30,}",
    "gh[pousr]_": "[A-Za-z0-9]{30,}",
    "github_pat_": r"\w{30,}",
    "glpat-": r"[\w-]{20,}",
    "xox[abeoprs]-": r"[\w-]{10,}",
    "[rs]k_live_": "[A-Za-z0-9]{16,}",
}
"""How a key begins, which tells it even where it is cut short, and how a whole one goes on."""
_WHOLE = (
    "(?:AKIA|ASIA)[A-Z0-9]{16}",
    r"AIza[\w-]{35}",
    r"SG\.[\w-]{16,}\.[\w-]{16,}",
    "npm_[A-Za-z0-9]{36}",
    r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{16,}",
    "shp(?:at|ca|pa|ss)_[a-f0-9]{32}",
    r"ya29\.[\w-]{20,}",
    r"pypi-AgE[\w-]{20,}",
    "dop_v1_[a-f0-9]{64}",
    "SK[a-f0-9]{32}",
    r"\d{8,10}:AA[\w-]{30,36}",
)
"""Keys that are told as a whole only: other words begin alike."""
_WITHIN = (
    r"hooks\.slack\.com/(?:services|workflows)/T\w{6,}/\w{6,}/\w{16,}",
    r"discord(?:app)?\.com/api/webhooks/\d{16,}/[\w-]{40,}",
    r"(?:AccountKey|SharedAccessKey|sig)=[A-Za-z0-9+/%]{40,}={0,2}",
    r"Authorization:\s*(?:Basic|Bearer|Token)\s+[A-Za-z0-9+/._~-]{16,}={0,2}",
)
"""Keys without a form of their own, in an address or behind their name."""

SIGNS = {
    "-": ("sk-", "glpat-", "xox", "pypi-"),
    "_": ("rpa_", "hf_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "k_live_", "npm_", "shp", "dop_v1"),
    "A": ("AKIA", "ASIA", "AIza", ":AA"),
    ".": ("SG.", "ya29.", "hooks.sl", "/webhooks/"),
    "=": ("Key=", "sig="),
    "J": ("eyJ",),
    "K": ("SK",),
    ":": ("uthorization:",),
}
"""Every text with a key holds one of these, by one of its characters: looking for them first takes a tenth of the time."""
WHOLE_KEY = re.compile(
    rf"(?<![\w-])(?:{'|'.join([*(start + rest for start, rest in _PREFIXED.items()), *_WHOLE])})(?![\w-])"
    rf"|\b(?:{'|'.join(_WITHIN)})"
)
PART_OF_KEY = rf"\b(?:(?:{'|'.join(_PREFIXED)})[A-Za-z0-9_-]{{8,}}|{'|'.join((*_WHOLE, *_WITHIN))})"
"""An expression for a key, or for so much of one that nobody should read it. The case of its letters counts."""
