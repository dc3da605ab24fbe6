"""Log files of our processes. ``BRIGHTRUN_LOG`` sets how much they say: debug, info, warning or error."""

from __future__ import annotations

import logging
import logging.handlers
import os
from pathlib import Path

from brightrun_tui.domain.errors import UsageError

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
TALKATIVE = ("httpx", "httpx2", "httpcore", "httpcore2", "asyncssh", "aiosqlite", "asyncio", "filelock")
"""Libraries that would write addresses and headers into the log."""


def log_to(path: Path) -> None:
    """Write what this process logs to ``path``, at most some megabytes of it.

    Raises:
        UsageError: BRIGHTRUN_LOG is no level.
        OSError: the file cannot be written.
    """
    word = os.environ.get("BRIGHTRUN_LOG", "").lower() or "info"
    if word not in LEVELS:
        raise UsageError(f"“{word}” is no log level", where="BRIGHTRUN_LOG", fix=f"one of: {', '.join(LEVELS)}",
                         kind="bad_config")
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=2_000_000, backupCount=2, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=LEVELS[word], handlers=[handler])
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
