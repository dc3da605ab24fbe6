"""What is measured on a GPU is first tried on a CPU: all of the logic, on a toy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_gpu_benchmark_finds_our_arithmetic_right_and_a_leak_wrong(tmp_path: Path) -> None:
    """And what one call found is kept for the next, so that a short lease can be used in pieces."""
    found = tmp_path / "gpu.json"
    command = [sys.executable, str(ROOT / "scripts/bench/gpu.py"), "--device", "cpu", "--tiny", "--json", str(found), "--models",
               str(tmp_path / "models"), "--seconds", "250"]
    first = subprocess.run([*command, "--parts", "correctness,profile 1b"], capture_output=True, text=True)
    assert first.returncode == 0, first.stdout + first.stderr
    parts = json.loads(found.read_bytes())["parts"]
    gradients = {row["what"]: row["right"] for row in parts["correctness"]["gradients"]}
    assert gradients["nf4: records that see each other (must fail)"] and gradients["nf4: packed, a call for each record"]
    assert parts["profile 1b"]["packed"] and parts["profile 1b"]["teraflops"] > 0
    again = subprocess.run([*command, "--parts", "correctness"], capture_output=True, text=True)
    assert again.returncode == 0 and "correctness" not in again.stderr
