"""A worker in waiting: its imports, which take seconds, are done before there is a run for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from brightrun_tui.domain.run_directory import LOG


def wait_for_run() -> Path | None:
    """Wait until a run directory is named on standard input, and become its worker: its directory, its log.

    Returns None when nobody is left who could name one, or who would look after the run.

    Raises:
        OSError: the directory is gone or cannot be written.
    """
    engine = os.getppid()
    named = sys.stdin.readline().rstrip("\n")
    if not named or os.getppid() != engine:
        return None
    os.chdir(named)
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, stream in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, stream)
    os.close(log)
    os.close(nothing)
    return Path(named)
