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
)
"""Keys that are told as a whole only: other words begin alike."""

SIGNS = (
    *("sk-", "rpa_", "hf_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "k_live_"),
    *("AKIA", "ASIA", "AIza", "SG.", "npm_", "eyJ"),
)
"""Every text with a key holds one of these: looking for them first takes a tenth of the time."""
WHOLE_KEY = re.compile(
    rf"(?<![\w-])(?:{'|'.join([*(start + rest for start, rest in _PREFIXED.items()), *_WHOLE])})(?![\w-])"
)
PART_OF_KEY = rf"\b(?:(?:{'|'.join(_PREFIXED)})[A-Za-z0-9_-]{{8,}}|{'|'.join(_WHOLE)})"
"""An expression for a key, or for so much of one that nobody should read it. The case of its letters counts."""
