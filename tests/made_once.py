"""What many tests need and nobody changes is made once, for all the processes of a test session."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]
SESSION = "BRIGHTRUN_TEST_SESSION"
"""Names the session's directory to the processes that share its tests."""


def begin() -> bool:
    """Make the session's directory; False where the process that shares out the tests has made it."""
    if SESSION in os.environ:
        return False
    os.environ[SESSION] = tempfile.mkdtemp(prefix="brightrun-tests-")
    return True


def finish() -> None:
    """Remove it with all that was made."""
    shutil.rmtree(os.environ.pop(SESSION), ignore_errors=True)


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """The directory ``name``, filled by ``make`` for whoever asks first; the others wait for it and must not write to it.

    A script that borrows it is a session of its own, which ends with its process.
    """
    if begin():
        atexit.register(finish)
    target = Path(os.environ[SESSION]) / name
    done = target.with_name(f"{name}.done")
    with FileLock(f"{target}.lock"):
        if not done.exists():
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            make(target)
            done.touch()
    return target


QUICKLY = (
    "from brightrun_tui.importing import without_garbage_collection\n"
    "with without_garbage_collection(): import peft, transformers\n"
    "import runpy, sys; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)
"""A program: the module that is named, with the large imports of those who make models done as a worker does them."""


def by_module(module: str) -> Callable[[Path], None]:
    """For `made_once`: what ``python -m module TARGET`` makes. This process so needs neither torch nor its memory."""

    def make(target: Path) -> None:
        quiet = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", QUICKLY, module, str(target)],
            cwd=ROOT,
            env=os.environ | quiet,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr[-2000:]

    return make
