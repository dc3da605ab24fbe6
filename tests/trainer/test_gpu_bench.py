"""The bench for GPUs works: here on a toy, so that the time on a real card is not spent on its own faults."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.bench.gpu import parts_of
from scripts.bench.gpu_parts.process import Part, Process
from scripts.bench.gpu_parts.table import rows_of, wrong_in

ROOT = Path(__file__).resolve().parents[2]


def bench(file: Path, models: Path, parts: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        str(ROOT / "scripts/bench/gpu.py"),
        "--device",
        "cpu",
        "--tiny",
        "--json",
        str(file),
        "--models",
        str(models),
        "--parts",
        parts,
        "--seconds",
        "280",
    ]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
def test_its_file_holds_what_was_found_and_is_not_measured_again(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    done = bench(file, tmp_path / "models", "environment")
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(file.read_bytes())
    assert list(document["parts"]) == ["environment"] and document["machine"]["card"] == "cpu"
    again = bench(file, tmp_path / "models", "environment")
    assert again.returncode == 0 and again.stderr == ""
    assert json.loads(file.read_bytes()) == document


@pytest.mark.slow
def test_it_measures_a_toy_here_and_finds_everything_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parts without the processes that they have there, which import everything anew."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    wanted = ("correctness: llama", "speed tiny short: ours", "profile tiny")
    found = {part.name: measured(part, tmp_path) for part in parts_of(tiny=True) if part.name in wanted}
    checks = found["correctness: llama"]["checks"]
    assert len(checks) >= 13 and all(check["right"] for check in checks)
    assert found["speed tiny short: ours"]["supervised_per_second"] > 0
    assert any("share of the matmul peak" in row["what"] for row in rows_of(found)) and wrong_in(found) == []


def measured(part: Part, directory: Path) -> dict[str, Any]:
    """What a part finds."""
    module = importlib.import_module(f"scripts.bench.gpu_parts.{part.module}")
    ready = [module.prepare()] if hasattr(module, "prepare") else []
    found: dict[str, Any] = {}
    for piece in getattr(module, part.function)(*ready, directory, "cpu", *part.arguments):
        found |= piece
    return found


def test_a_part_that_fails_says_why_and_ends(tmp_path: Path) -> None:
    part = Part("a model", "models", "make", ("no such shape",), 60)
    found = Process(part, dict(os.environ)).run(tmp_path, "cpu", 60)
    assert "KeyError: 'no such shape'" in found["failed"] and found["seconds"] > 0


def test_a_part_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    part = Part("a model", "models", "make", ("tiny",), 0.0)
    process = Process(part, dict(os.environ))
    found = process.run(tmp_path, "cpu", 60)
    assert found["failed"] == "it did not end in time" and not (tmp_path / "tiny").exists()


def test_what_is_wrong_is_told_and_a_peer_that_fails_is_no_fault_of_ours() -> None:
    parts: dict[str, Any] = {
        "environment": {"faults": ["a matrix product is wrong by 50.0%"]},
        "correctness: llama": {
            "checks": [{"what": "packed", "found": 0.5, "right": False}, {"what": "padded", "right": True}]
        },
        "profile 8b": {"failed": "Traceback …\nKeyError: 'x'"},
        "speed 8b prompt: trl": {"failed": "out of memory"},
    }
    assert wrong_in(parts) == [
        "environment: a matrix product is wrong by 50.0%",
        "correctness: llama: packed: 0.5",
        "profile 8b: KeyError: 'x'",
    ]
    assert rows_of(parts) == []


def test_rows_compare_with_peers_with_the_card_and_with_the_plan() -> None:
    parts: dict[str, Any] = {
        "speed 8b prompt: ours": {"supervised_per_second": 300.0, "peak": 60e9},
        "speed 8b prompt: trl": {"supervised_per_second": 150.0, "peak": 50e9},
        "profile 8b": {
            "peak_flops": 800e12,
            "steps": {"kept activations": {"flops_per_second": 400e12, "planned": 88e9, "peak": 80e9}},
        },
    }
    found = {row["what"]: (row["ratio"], row["met"]) for row in rows_of(parts)}
    assert found == {
        "speed 8b prompt: supervised tokens": (2.0, True),
        "speed 8b prompt: peak memory": (1.2, False),
        "8b, kept activations: share of the matmul peak": (0.5, True),
        "8b, kept activations: planned memory": (1.1, True),
    }
