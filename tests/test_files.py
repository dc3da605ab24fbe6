"""Files are whole or as they were, and what a kill -9 leaves beside them does not stay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from brightrun_tui.files import remove_unfinished, write_atomic

KILLED = """
import os, signal, sys
from pathlib import Path
from brightrun_tui.files import write_atomic
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
write_atomic(Path(sys.argv[1]), "new")
"""


def test_what_a_killed_process_was_writing_goes_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "control" / "spec.json"
    target.parent.mkdir()
    write_atomic(target, "old")
    for other in (".hidden", ".events.reserve", ".a.0123456", "a.01234567"):
        (tmp_path / other).write_text("theirs", "utf-8")
    subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False, timeout=60)
    before = {path.name for path in tmp_path.rglob("*")}
    assert target.read_text("utf-8") == "old" and len(before) == 7
    remove_unfinished(tmp_path)
    assert before - {path.name for path in tmp_path.rglob("*")} == before - {
        "control", "spec.json", ".hidden", ".events.reserve", ".a.0123456", "a.01234567"
    }  # fmt: skip
