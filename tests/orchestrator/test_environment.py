"""What is sent to a rented machine is enough to train there."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from brightrun_tui.orchestrator.environment import build_archive


@pytest.mark.slow
def test_the_worker_that_is_sent_needs_nothing_else_of_ours(tmp_path: Path) -> None:
    """Every module of the trainer can be imported from the archive alone, beside the packages it declares."""
    archive = build_archive(tmp_path)
    program = f"""
import sys
sys.path[:0] = [{str(archive)!r}, {sysconfig.get_path("purelib")!r}]
import pkgutil, importlib, brightrun_tui.trainer
assert {str(archive)!r} in brightrun_tui.__file__
for module in pkgutil.walk_packages(brightrun_tui.trainer.__path__, "brightrun_tui.trainer."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
import brightrun_tui.trainer.__main__
"""
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
