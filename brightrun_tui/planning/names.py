"""Names of runs and models."""

from __future__ import annotations

import re
import secrets
import time
import unicodedata
from pathlib import Path

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError

LONGEST = 48
_VALID = re.compile(r"[a-z0-9][a-z0-9._-]*")


def name_from(data: str) -> str:
    """Return a name after a data file: “Kunden Fragen (neu).jsonl” → “kunden-fragen-neu”; “model” where nothing is left."""
    plain = unicodedata.normalize("NFKD", Path(data).stem).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST].strip("-") or "model"


def check_name(name: str) -> None:
    """Raise `UsageError` unless it can stand in ``name:version``, in a path and on a command line."""
    if not _VALID.fullmatch(name) or len(name) > LONGEST or ".." in name:
        raise UsageError(
            f"“{name}” cannot be a name",
            where="name",
            kind=ErrorKind.BAD_NAME,
            fix=f"small letters, digits, “-”, “_” and “.”, at most {LONGEST}; for example: {name_from(name)}",
        )


def new_run_id() -> str:
    """Return an id that sorts by time and does not repeat: ``20261122-133418-9f3a``."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + "-" + secrets.token_hex(2)
