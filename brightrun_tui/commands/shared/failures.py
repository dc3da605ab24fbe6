"""How the command line ends when something went wrong: one message, one exit code, never a traceback."""

from __future__ import annotations

import errno
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import typer

from brightrun_tui.commands.shared.output import AGREE, print_json, say
from brightrun_tui.domain.disk import disk_full, is_disk_full
from brightrun_tui.domain.error_kinds import ErrorKind, ExitCode
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.logs import append_crash
from brightrun_tui.paths import get_paths
from brightrun_tui.redaction import redact

_PATH, _LIMITS = "check the path and its disk", "raise the limits of this shell: see ulimit -a"
_OF_THE_WORLD = {
    **dict.fromkeys((errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP, errno.EIO, errno.ESTALE, errno.ENXIO), _PATH),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE, errno.EFBIG, errno.EAGAIN, errno.ENOMEM), _LIMITS),
}
"""What is wrong around us and not with us, wherever it is met; and what to do about it."""


def explain(error: Exception, arguments: list[str]) -> BrightrunError:
    """Return the error in words a person can act on; the unforeseen gets a log file and its path."""
    if isinstance(error, BrightrunError):
        return error
    if isinstance(error, typer.Abort):
        return UsageError("nothing was done: not confirmed", fix=AGREE, kind=ErrorKind.NOT_CONFIRMED)
    if isinstance(error, typer.TyperException):
        path = getattr(getattr(error, "ctx", None), "command_path", "brightrun")
        return UsageError(
            error.format_message().rstrip("."), where=path, fix=f"see: {path} --help", kind=ErrorKind.USAGE
        )
    if isinstance(error, OSError) and is_disk_full(error):
        return disk_full(error.filename or get_paths().data)
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return BrightrunError(
            f"not allowed ({error.strerror})",
            where=str(error.filename or ""),
            kind=ErrorKind.NOT_PERMITTED,
            fix="choose a place you may read and write",
        )
    if isinstance(error, FileNotFoundError) and error.filename is None:
        return UsageError(
            "the directory in which this was called is gone", fix="call it in another directory", kind=ErrorKind.USAGE
        )
    if isinstance(error, OSError) and error.errno in _OF_THE_WORLD:
        return BrightrunError(
            f"the system does not allow it ({error.strerror})",
            where=str(error.filename or ""),
            kind=ErrorKind.NOT_PERMITTED,
            fix=_OF_THE_WORLD[error.errno],
        )
    return BrightrunError(
        f"an error nobody foresaw ({type(error).__name__})",
        kind=ErrorKind.INTERNAL_ERROR,
        where=str(_write_log(error, arguments)),
        fix="that file holds the details; please report it",
    )


def report(error: BrightrunError, *, as_json: bool, **beside: Any) -> ExitCode:
    """Print the error, on stdout as JSON and on stderr in words; returns its exit code.

    ``beside`` are further parts of the JSON document. A terminal that shows both gets the JSON only.
    """
    told = {name: redact(part) for name, part in error.as_dict().items()}
    if as_json:
        print_json({"error": told, **beside})
    if not (as_json and sys.stdout.isatty()):
        say(("✗", "bold red"), f" {told['what']}")
        if told["where"]:
            say(("  where", "dim"), f" {told['where']}")
        if told["fix"]:
            say(("  fix", "dim"), f"   {told['fix']}")
    return error.exit_code


def _write_log(error: Exception, arguments: list[str]) -> Path:
    """Write the traceback to a file that is new; returns its path."""
    name = f"error-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}.log"
    verb = next((word for word in arguments if not word.startswith("-")), "")
    # a name that others can foretell in a directory of everybody may be theirs already
    for of_everybody in (False, True):
        try:
            directory = Path(tempfile.mkdtemp(prefix="brightrun-")) if of_everybody else get_paths().logs
            path = directory / name
            append_crash(path, f"brightrun {verb}", error)
        except OSError:
            continue
        return path
    return Path("(no place to write the details)")
