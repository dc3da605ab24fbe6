"""The secrets of this process, and text without them.

Whoever reads a key from where it lies says so here, once; logs, crash logs and errors are then written without it, in
whatever form a library quotes it. What looks like a key is blanked even where nobody has said so.
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote

from brightrun_tui.domain.service_keys import PART_OF_KEY

BLANK = "…"
SHORTEST = 6
"""Characters; a shorter secret would blank parts of words all over, and protects nothing."""
_PIECE = re.compile(r"[A-Za-z0-9_\-]{8,}")
"""What every way of quoting leaves as it is, a quotation within a quotation too."""

_LOOKS_SECRET = re.compile(
    rf"(?-i:{PART_OF_KEY})"  # in its own case: HF_ENDPOINT is a name, not a secret
    r"|\bbr-[A-Za-z0-9_\-]{43}(?![A-Za-z0-9_\-])"  # the key of an endpoint; names of leases begin alike
    r"|(?<=://)[^/@:\s]*:[^/@\s]+(?=@)"  # user and password in an address
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"""|(?<=authorization)["']?\s*[:=,]\s*b?["']?[^"'\r\n]+"""
    r"""|(?<=bearer)(?:\s|%20|\+)+[^\s"']+""",
    re.IGNORECASE | re.DOTALL,
)

_known: set[str] = set()
_pattern: re.Pattern[str] | None = None


def keep_secret(value: str) -> None:
    """Blank ``value`` from now on, also as ``repr``, JSON, URLs and the bytes of a header write it."""
    global _pattern
    if len(value) < SHORTEST or value in _known:
        return
    raw = value.encode("utf-8", "surrogatepass")
    _known.update(
        {value, ascii(value)[1:-1], repr(raw)[2:-1], json.dumps(value)[1:-1], quote(raw), quote(raw, safe="")},
        _PIECE.findall(value),
    )
    _pattern = re.compile("|".join(re.escape(form) for form in sorted(_known, key=len, reverse=True)))


def redact(text: str) -> str:
    """Return ``text`` with “…” for every known secret, and for what looks like one."""
    if _pattern is not None:
        text = _pattern.sub(BLANK, text)
    return _LOOKS_SECRET.sub(lambda found: f" {BLANK}" if found[0][:1] in " :=,\"'%+" else BLANK, text)
