"""How the command line ends when something went wrong: one message, one exit code, never a traceback."""

from __future__ import annotations

import errno
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import typer

from brightrun_tui.commands.shared.output import print_json, say
from brightrun_tui.domain.errors import BrightrunError, ExitCode, UsageError
from brightrun_tui.paths import get_paths


def explain(error: Exception, arguments: list[str]) -> BrightrunError:
    """The error in words a person can act on; the unforeseen gets a log file and its path."""
    if isinstance(error, BrightrunError):
        return error
    if isinstance(error, typer.Abort):
        return UsageError("nothing was done: not confirmed", fix="add --yes to agree beforehand", kind="not_confirmed")
    if isinstance(error, typer.TyperException):
        path = getattr(getattr(error, "ctx", None), "command_path", "brightrun")
        return UsageError(error.format_message().rstrip("."), where=path, fix=f"see: {path} --help", kind="usage")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return BrightrunError("the disk is full", where=str(error.filename or get_paths().data), kind="disk_full",
                              fix="free some space, or set BRIGHTRUN_HOME to a larger disk")
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return BrightrunError(f"not allowed ({error.strerror})", where=str(error.filename or ""), kind="not_permitted",
                              fix="choose a place you may read and write")
    return BrightrunError(f"an error nobody foresaw ({type(error).__name__})", kind="internal_error",
                          where=str(_write_log(error, arguments)), fix="that file holds the details; please report it")


def report(error: BrightrunError, *, as_json: bool, **beside: Any) -> ExitCode:
    """Print the error, on stdout as JSON and on stderr in words; returns its exit code.

    ``beside`` are further parts of the JSON document. A terminal that shows both gets the JSON only.
    """
    if as_json:
        print_json({"error": error.as_dict(), **beside})
    if not (as_json and sys.stdout.isatty()):
        say(("✗", "bold red"), f" {error.what}")
        if error.where:
            say(("  where", "dim"), f" {error.where}")
        if error.fix:
            say(("  fix", "dim"), f"   {error.fix}")
    return error.exit_code


def _write_log(error: Exception, arguments: list[str]) -> Path:
    """The traceback without local variables: those may hold a secret."""
    text = "".join(traceback.format_exception(error))
    name = f"error-{time.strftime('%Y%m%d-%H%M%S')}.log"
    verb = next((word for word in arguments if not word.startswith("-")), "")
    for directory in (get_paths().logs, Path(tempfile.gettempdir())):
        try:
            directory.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(f"brightrun {verb}\n{text}", "utf-8")
        except OSError:
            continue
        return directory / name
    return Path("(no place to write the details)")
