"""The crash fuzz of scripts/bench, small: kill -9 of engine, worker, command line and app at random moments loses nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench" / "crash_fuzz.py"


@pytest.mark.slow
def test_runs_complete_with_the_same_curve_whatever_is_killed_meanwhile() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--runs", "2", "--homes", "1", "--minutes", "2", "--seed", "3", "--json"],
        capture_output=True,
        text=True,
        timeout=280,
    )
    result = json.loads(done.stdout)
    assert not result["wrong"], result
    assert result["completed"] >= 1 and sum(result["kills"].values()) >= 2
