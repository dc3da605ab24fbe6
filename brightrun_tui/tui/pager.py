"""Reading files in a program of the person's own, a pager or an editor, while the app stands aside."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textual.app import App, SuspendNotSupported

from brightrun_tui.process import environment_without_secrets


def page(app: App[Any], paths: Sequence[Path]) -> str:
    """Open these in $PAGER, else in less or more, and come back when that has ended. Returns why it could not, or nothing."""
    command = shlex.split(os.environ.get("PAGER", "")) or ["less" if shutil.which("less") else "more"]
    return give_way(app, [*command, *map(str, paths)], "PAGER", {"LESSSECURE": "1"})


def edit(app: App[Any], paths: Sequence[Path]) -> str:
    """Open the same in $VISUAL or $EDITOR, else in the first editor that is there."""
    wanted = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    known = next((name for name in ("sensible-editor", "nano", "vim", "vi") if shutil.which(name)), "vi")
    return give_way(app, [*(shlex.split(wanted) or [known]), *map(str, paths)], "EDITOR")


def give_way(
    app: App[Any], command: Sequence[str], variable: str, more: dict[str, str] | None = None, where: Path | None = None
) -> str:
    """Hand the terminal to a program until it ends. ``variable`` may name another one. Returns why it could not, or nothing."""
    if shutil.which(command[0]) is None:
        return f"{command[0]} is not installed; {variable} may name another program."
    try:
        with app.suspend():
            subprocess.run(command, env={**environment_without_secrets(), **(more or {})}, cwd=where, check=False)
    except SuspendNotSupported:
        return "This terminal cannot be handed to another program."
    except OSError as error:
        return f"{command[0]} could not be started ({error.strerror})."
    return ""
