"""Finding and ending what a test's installation has started: engines, workers, servers, builders."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil


def of_home(home: Path, module: str = "brightrun_tui") -> list[psutil.Process]:
    """Live processes of ours that belong to the installation in ``home``; ``module`` narrows it to one kind."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            ours = any(word.startswith("brightrun_tui") and word.startswith(module) for word in process.cmdline())
            if (
                ours
                and process.environ().get("BRIGHTRUN_HOME") == str(home)
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
    return found


def words_of(process: psutil.Process) -> list[str]:
    """Its command line; none once it has ended, which it may do at any moment."""
    try:
        words: list[str] = process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []
    return words


def end_all(home: Path) -> None:
    """Kill every process of that installation, the engine first, so that it starts nothing again."""
    for process in of_home(home, "brightrun_tui.orchestrator") + of_home(home):
        with suppress(psutil.NoSuchProcess):
            process.kill()
