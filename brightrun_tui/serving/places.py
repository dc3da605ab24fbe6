"""Which version an endpoint serves, and how another one takes its place without a request that fails.

Each version that an endpoint served lies in a place of its own below the endpoint's directory (the first one in the directory
itself). Whoever looks after the endpoint writes ``candidate`` (a place to load beside the one that serves; it answers to its
``name:version`` then, so that it can be asked before) and ``current`` (the place that serves from now on). The one that
served until then ends once its last answer is written.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from brightrun_tui.files import write_atomic

CANDIDATE = "candidate"
CURRENT = "current"
LAST_ANSWER_SECONDS = 900.0
"""For as long a version that was replaced may go on answering what it was asked before."""


_PLACES = "version-*"


def new_place(version: int) -> str:
    """Return the name of a place that no version had."""
    return f"version-{version}-{secrets.token_hex(2)}"


def every_place(directory: Path) -> list[Path]:
    """Return the endpoint's directory and the places below it."""
    return [directory, *sorted(found for found in directory.glob(_PLACES) if found.is_dir())]


def remove_left(directory: Path) -> None:
    """Remove the places of versions that neither serve nor are to serve. Only while none of them runs. Blocking."""
    used = {serving_place(directory), read_place(directory / CANDIDATE)}
    for place in every_place(directory)[1:]:
        if place.name not in used:
            shutil.rmtree(place, ignore_errors=True)


def serving_place(directory: Path) -> str:
    """Return the place below ``directory`` of the version that serves; ``.`` is the directory itself."""
    return read_place(directory / CURRENT) or "."


def load_beside(directory: Path, place: str) -> None:
    """Ask the server to load what lies prepared in ``place``."""
    write_atomic(directory / CANDIDATE, place)


def let_serve(directory: Path, place: str) -> None:
    """Have the loaded candidate serve from now on, also after a restart."""
    write_atomic(directory / CURRENT, place)
    (directory / CANDIDATE).unlink(missing_ok=True)


def give_up_candidate(directory: Path) -> None:
    """Tell the server to end what it loaded beside the version that serves."""
    (directory / CANDIDATE).unlink(missing_ok=True)


def read_place(path: Path) -> str:
    """Return a place's name; empty where there is none, or none below the directory."""
    try:
        name = path.read_text().strip()
    except OSError:
        return ""
    return name if name and "/" not in name and name != ".." else ""
