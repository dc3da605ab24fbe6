"""Reading a file in the person's own pager, while the app stands aside."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

from textual.app import App, SuspendNotSupported

from brightrun_tui.process import environment_without_secrets


def page(app: App[Any], path: Path) -> str:
    """Open ``path`` in $PAGER, else in less or more, and come back when that has ended. Returns why it could not, or nothing."""
    if not path.exists():
        return "There is no log yet."
    command = shlex.split(os.environ.get("PAGER", "")) or ["less" if shutil.which("less") else "more"]
    if shutil.which(command[0]) is None:
        return f"{command[0]} is not installed; PAGER may name another program."
    try:
        with app.suspend():
            subprocess.run([*command, str(path)], env={**environment_without_secrets(), "LESSSECURE": "1"}, check=False)
    except SuspendNotSupported:
        return "This terminal cannot be handed to another program."
    except OSError as error:
        return f"{command[0]} could not be started ({error.strerror})."
    return ""
