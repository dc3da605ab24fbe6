"""What an extra needs is read from the package itself, so nothing that a run needs at its end can be forgotten."""

from __future__ import annotations

import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from brightrun_tui.integrations import packages
from brightrun_tui.integrations.packages import CORE, missing_packages, needed_by
from brightrun_tui.planning.shipping import worker_packages

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


@pytest.mark.parametrize("extra", ["train", "serve", "gpu"])
def test_an_extra_needs_what_the_package_declares(extra: str) -> None:
    declared = tomllib.loads(PROJECT.read_text("utf-8"))["project"]["optional-dependencies"][extra]
    assert len(needed_by(extra)) == len(declared)
    assert all(any(line.startswith(one.name) for line in declared) for one in needed_by(extra))


def test_the_core_holds_no_package_of_an_extra() -> None:
    core = {one.name for one in needed_by(CORE)}
    assert "textual" in core and not core & {"torch", "pytest", "liger-kernel"}


def test_a_package_that_only_the_report_needs_is_missed_before_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that finds out after hours of training that its answers cannot be scored has cost them for nothing."""
    there = find_spec
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name in ("sacrebleu", "jinja2") else there(name))
    assert {"sacrebleu", "jinja2"} <= set(missing_packages("train"))


def test_an_interpreter_of_another_machine_must_have_them_too() -> None:
    assert {"sacrebleu", "numpy", "jinja2", "pyarrow", "gguf", "torch", "pydantic"} <= set(worker_packages())
