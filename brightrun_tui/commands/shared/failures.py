"""How the command line ends when something went wrong: one message, one exit code, never a traceback."""

from __future__ import annotations

import errno
import os
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import typer

from brightrun_tui.commands.shared.output import AGREE, print_json, say
from brightrun_tui.domain.disk import disk_full, is_disk_full, no_temporary_place
from brightrun_tui.domain.error_kinds import ErrorKind, ExitCode
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.limits import shortage
from brightrun_tui.logs import append_crash
from brightrun_tui.paths import get_paths
from brightrun_tui.redaction import redact

PACKAGE = Path(__file__).parents[2]
_PRINTING = ("brightrun_tui/commands/shared/output.py", "rich/console.py")
_OF_THE_WORLD = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP, errno.EIO, errno.ESTALE, errno.ENXIO)
"""What is wrong with a path and not with us, wherever it is met."""


def explain(error: Exception, arguments: list[str]) -> BrightrunError:
    """Return the error in words a person can act on; the unforeseen gets a log file and its path."""
    if isinstance(error, BrightrunError):
        return error
    if _met_half_a_module(error):
        return BrightrunError(
            "Python's own copy of a module is only half there: the disk was full when it was written",
            where=str(PACKAGE),
            fix=f"find {PACKAGE.parent} -name __pycache__ -prune -exec rm -r {{}} +",
            kind=ErrorKind.FILE_DAMAGED,
        )
    if isinstance(error, typer.Abort):
        return UsageError("nothing was done: not confirmed", fix=AGREE, kind=ErrorKind.NOT_CONFIRMED)
    if isinstance(error, typer.TyperException):
        path = getattr(getattr(error, "ctx", None), "command_path", "brightrun")
        return UsageError(
            error.format_message().rstrip("."), where=path, fix=f"see: {path} --help", kind=ErrorKind.USAGE
        )
    if isinstance(error, ValueError) and (odd := next((word for word in arguments if not _is_text(word)), None)):
        return UsageError(
            "what was typed is no text in UTF-8",
            where=ascii(odd),
            fix="type it anew, or rename the file",
            kind=ErrorKind.BAD_NAME,
        )
    if isinstance(error, OSError) and _was_printing(error):
        _print_nothing_more()
        return BrightrunError(
            f"what is printed cannot be written ({error.strerror})",
            where="standard output",
            fix="print into a file on another disk, or to the terminal",
            kind=ErrorKind.DISK_FULL if is_disk_full(error) else ErrorKind.NOT_PERMITTED,
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
    if placeless := no_temporary_place(error):
        return placeless
    if isinstance(error, FileNotFoundError) and error.filename is None:
        return UsageError(
            "the directory in which this was called is gone", fix="call it in another directory", kind=ErrorKind.USAGE
        )
    if isinstance(error, OSError) and error.errno in _OF_THE_WORLD:
        return BrightrunError(
            f"the system does not allow it ({error.strerror})",
            where=str(error.filename or ""),
            kind=ErrorKind.NOT_PERMITTED,
            fix="check the path and its disk",
        )
    if short := shortage(error):
        return short.error(BrightrunError, str(getattr(error, "filename", None) or ""))
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
    on_screen = sys.stdout.isatty()
    if as_json:
        try:
            print_json({"error": told, **beside})
        except OSError:
            _print_nothing_more()
    if not (as_json and on_screen):
        say(("✗", "bold red"), f" {told['what']}")
        if told["where"]:
            say(("  where", "dim"), f" {told['where']}")
        if told["fix"]:
            say(("  fix", "dim"), f"   {told['fix']}")
    return error.exit_code


def _is_text(word: str) -> bool:
    """Say whether a word of the command line can be written down: the shell hands on any bytes, and the names of files may be."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _met_half_a_module(error: BaseException) -> bool:
    """Say whether an import met half a module: it ends as input does that ends, and would be taken for a question that nobody
    answered.
    """
    met = error.__cause__ if isinstance(error, typer.Abort) else error
    return isinstance(met, EOFError) and str(met).startswith(("marshal data", "EOF read where"))


def _was_printing(error: BaseException) -> bool:
    """Say whether it was raised by writing what is printed; the system's own error tells no place."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return isinstance(error, OSError) and trace is not None and trace.tb_frame.f_code.co_filename.endswith(_PRINTING)


def _print_nothing_more() -> None:
    """Drop what could not be printed: it is not tried again when the process ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


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
