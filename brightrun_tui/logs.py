"""Log files of our processes, and what becomes of errors that nobody caught. Nothing in them tells a secret.

``BRIGHTRUN_LOG`` sets how much the logs say: debug, info, warning or error.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.text import sanitize
from brightrun_tui.files import close_to_others, private_directory
from brightrun_tui.redaction import redact

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
TALKATIVE = ("httpx", "httpx2", "httpcore", "httpcore2", "asyncssh", "aiosqlite", "asyncio", "filelock")
"""Libraries that would write addresses and headers into the log."""

log = logging.getLogger("brightrun")
_AGAIN_SECONDS = 0.01


class _Record(logging.LogRecord):
    """A record that is fit to be written the moment it is made, whichever logger, handler and formatter it belongs to."""

    def __init__(
        self,
        name: str,
        level: int,
        pathname: str,
        lineno: int,
        msg: object,
        args: object,
        exc_info: object,
        func: str | None = None,
        sinfo: str | None = None,
        **more: object,
    ) -> None:
        super().__init__(name, level, pathname, lineno, msg, args, exc_info, func, sinfo, **more)  # type: ignore[arg-type]
        try:
            self.msg, self.args = _fit(self.getMessage()), ()
        except Exception as error:  # a wrong log call must not end what it was meant to tell about
            self.msg, self.args = f"(a message that cannot be written: {type(error).__name__})", ()
        if self.exc_info and self.exc_info[1] is not None:
            self.exc_text = traceback_of(self.exc_info[1])
        self.stack_info = _fit(sinfo) if sinfo else sinfo


def _fit(text: str) -> str:
    return sanitize(redact(text), kept="\n\t")


def traceback_of(error: BaseException) -> str:
    """Return the traceback without local variables, which may hold anything, and without secrets."""
    return _fit("".join(traceback.format_exception(error))).rstrip("\n")


class _OneLine(logging.Formatter):
    """For people: what happened, without the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        return record.getMessage()


def guard_process(*, watched: bool = False) -> None:
    """See to it that no record tells a secret, and that an error that nobody caught, in any thread or task, is a record.

    ``watched``: a person reads what this process writes to stderr, so a record that no log takes is one line there.
    """
    logging.setLogRecordFactory(_Record)
    logging.captureWarnings(True)
    if watched and logging.lastResort is not None:
        logging.lastResort.setFormatter(_OneLine())
    sys.excepthook = _uncaught
    threading.excepthook = lambda told: _uncaught(told.exc_type, told.exc_value, told.exc_traceback)
    sys.unraisablehook = _lost


def _lost(told: sys.UnraisableHookArgs) -> None:
    """Log what was raised where Python tidies up and can raise nothing. Ctrl-C that met it there comes again a moment later."""
    if issubclass(told.exc_type, KeyboardInterrupt | SystemExit):
        again = (threading.main_thread().ident or 0, signal.SIGINT)
        threading.Timer(_AGAIN_SECONDS, signal.pthread_kill, again).start()
    elif issubclass(told.exc_type, AttributeError) and getattr(told.object, "__name__", "") == "__del__":
        log.debug("half-made: %s", told.exc_value)  # why it could not be made whole has been told
    else:
        _uncaught(told.exc_type, told.exc_value, told.exc_traceback)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    log.critical("an error nobody foresaw (%s)", kind.__name__, exc_info=(kind, error, trace) if error else None)


def log_to(path: Path) -> None:
    """Write what this process logs to ``path``, at most some megabytes of it.

    Raises:
        UsageError: BRIGHTRUN_LOG is not a level.
        OSError: the file cannot be written.
    """
    from logging.handlers import RotatingFileHandler

    word = os.environ.get("BRIGHTRUN_LOG", "").lower() or "info"
    if word not in LEVELS:
        raise UsageError(
            f"“{word}” is not a log level",
            where="BRIGHTRUN_LOG",
            fix=f"one of: {', '.join(LEVELS)}",
            kind=ErrorKind.BAD_CONFIG,
        )
    private_directory(path.parent)
    path.touch(mode=0o600)
    close_to_others(path)
    handler = RotatingFileHandler(path, maxBytes=2_000_000, backupCount=2, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=LEVELS[word], handlers=[handler])
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def append_crash(path: Path, head: str, error: BaseException) -> None:
    """Add an error's traceback to a file that only its user can read; ``head`` is the line above it. Raises ``OSError``."""
    private_directory(path.parent)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8", errors="replace") as file:
        file.write(f"{_fit(head)}\n{traceback_of(error)}\n")
