"""Opening the app, and what is seen to in the data directory before anything else.

``brightrun`` without a word behind it comes here at once: the library that reads arguments is a tenth of what opening takes.
"""

from __future__ import annotations

import sys

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.importing import without_garbage_collection
from brightrun_tui.paths import close_home, get_paths


def see_to_home(*, read_only: bool) -> None:
    """Keep it for its user alone, and take over files that earlier versions wrote. Raises `UsageError`."""
    close_home(get_paths())
    if not read_only:
        with without_garbage_collection():
            from brightrun_tui.config_file import adopt_former_files

        adopt_former_files(get_paths())


def open_app(*, read_only: bool = False, plain_glyphs: bool = False, run_name: str = "") -> int:
    """Open it and stay until it is closed; returns the exit code.

    Raises:
        UsageError: there is no terminal.
        BrightrunError: as `tui.app.run_app`.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "the app needs a terminal, and this is not one",
            kind=ErrorKind.NO_TERMINAL,
            fix="run it in a terminal, or use a verb: brightrun --help",
        )
    with without_garbage_collection():
        from brightrun_tui.tui.app import run_app
    return run_app(read_only=read_only, plain_glyphs=plain_glyphs, run_name=run_name)
