"""Where a person was when the app was last open: the screen and the run they looked at."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from brightrun_tui.files import write_atomic
from brightrun_tui.paths import Paths


@dataclass(frozen=True)
class Session:
    """``mode`` is one of the app's screens, ``run_id`` the run chosen in Monitor; both may be empty."""

    mode: str = ""
    run_id: str = ""


def last_session(paths: Paths) -> Session:
    """What was saved; a file that is missing or cannot be read says nothing."""
    try:
        document = json.loads(paths.app_state.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Session()
    if not isinstance(document, dict):
        return Session()
    return Session(str(document.get("mode", "")), str(document.get("run_id", "")))


def save_session(paths: Paths, session: Session) -> None:
    """Remember it for the next start. Raises ``OSError``."""
    paths.app_state.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(paths.app_state, json.dumps(asdict(session)))
