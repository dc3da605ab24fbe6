"""A small, fixed part of what ``scripts/fuzz.py`` does at length."""

from __future__ import annotations

from pathlib import Path

import pytest

from brightrun_tui.paths import get_paths
from tests.fuzz import datasets, files, keys


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation of its own, and no network."""
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")


def test_no_broken_dataset_gives_a_traceback_or_hangs(tmp_path: Path) -> None:
    """150 damaged files of every container and form, and all that is not a file: a report or one sentence."""
    tallies = datasets.fuzz(150, 3, tmp_path)
    assert {failure: label for tally in tallies for failure, label in tally.failures.items()} == {}
    assert sum(tally.accepted for tally in tallies) > 10 and sum(tally.refused for tally in tallies) > 10


def test_no_broken_file_of_models_settings_or_themes_gives_a_traceback_or_hangs() -> None:
    """110 damaged files of eleven kinds, and pipes, devices, loops and terabytes in the place of each."""
    tallies = files.fuzz(110, 3, get_paths())
    assert {failure: label for tally in tallies for failure, label in tally.failures.items()} == {}
    assert all(tally.refused for tally in tallies)


@pytest.mark.slow
def test_no_random_keys_end_the_app(tmp_path: Path) -> None:
    """200 keys, clicks, pastes and torn bytes at five sizes of a real terminal, over a damaged installation."""
    tallies = keys.fuzz(200, 3, tmp_path / "home")
    assert {failure: label for tally in tallies for failure, label in tally.failures.items()} == {}
