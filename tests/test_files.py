"""Files are whole or as they were, and what a kill -9 leaves beside them does not stay."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from brightrun_tui.files import remove_unfinished, write_atomic, write_for_user

KILLED = """
import os, signal, sys
from pathlib import Path
from brightrun_tui.files import write_atomic
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
write_atomic(Path(sys.argv[1]), "new")
"""


def test_a_file_that_somebody_asked_for_is_as_their_own_programs_write_files(tmp_path: Path) -> None:
    """What we keep is for its user alone; a comparison or a card is to be read and mailed."""
    before = os.umask(0o077)
    try:
        write_for_user(tmp_path / "card.html", "x", 0o022)
        write_atomic(tmp_path / "ours", "x")
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("card.html", "ours")] == [0o644, 0o600]


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
