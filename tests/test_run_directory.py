"""The run directory has one owner: nobody else spells its names, and only what a worker writes may come home."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from brightrun_tui.domain import run_directory
from brightrun_tui.domain.run_directory import (
    CHECKPOINTS,
    EVENTS,
    MANIFEST,
    MANIFEST_LIMIT,
    WORKER,
    RunDirectory,
    arrival_limit,
    checkpoint_name,
    step_of,
)

PACKAGE = Path(__file__).resolve().parents[1] / "brightrun_tui"
OTHERS_USE = {"ADAPTER", "BASE", "CARD", "DATA", "STATE", "WORKER"}
"""Words, and names of files, that mean other things elsewhere, too."""
NAMES = {
    value
    for name, value in vars(run_directory).items()
    if name.isupper() and not name.startswith("_") and isinstance(value, str) and name not in OTHERS_USE
}
GUARD = PACKAGE / "hosts" / "guard.py"


def literals(source: Path) -> set[str]:
    """Every text in a module that is not a docstring."""
    tree = ast.parse(source.read_text("utf-8"))
    lone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in lone
    }


def test_every_name_of_the_run_directory_is_looked_for() -> None:
    """A file that only a property spells would not be."""
    spelt = {
        text
        for text in literals(PACKAGE / "domain" / "run_directory.py")
        if text.endswith((".json", ".jsonl", ".log")) and text != ".log"
    }
    assert spelt - run_directory.ADAPTER_FILES <= NAMES | {run_directory.STATE} and len(NAMES) > 15


def test_nobody_but_the_owner_spells_a_name_of_the_run_directory() -> None:
    def spells(text: str) -> bool:
        return re.match(r"step-(\d|\W|\Z)", text) is not None or any(
            text == name or f"/{name}" in text or f"{name}/" in text for name in NAMES
        )

    spelt = {
        (path.relative_to(PACKAGE).as_posix(), text)
        for path in PACKAGE.rglob("*.py")
        for text in literals(path)
        if path.name != "run_directory.py" and path != GUARD and spells(text)
    }
    assert not spelt


def test_the_guard_which_travels_alone_reads_the_same_names() -> None:
    any_checkpoint = f"{CHECKPOINTS}/{checkpoint_name(0).removesuffix('0')}*"
    assert {"run", EVENTS, MANIFEST, any_checkpoint, f"{WORKER}.pid", f"{WORKER}.rc"} <= literals(GUARD)


@pytest.mark.parametrize(
    "path",
    [
        "report.json",
        "manifest.json",
        "adapter/adapter_model.safetensors",
        "adapter/tokenizer.json",
        "checkpoints/step-20/optimizer.safetensors",
        "checkpoints/step-0/manifest.json",
    ],
)
def test_results_and_checkpoints_may_come_home(path: str) -> None:
    assert arrival_limit(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "..",
        "/",
        "../report.json",
        "/etc/passwd",
        "adapter",
        "adapter/",
        "adapter/../report.json",
        "adapter//merges.txt",
        "adapter/sub/tokenizer.json",
        "adapter/pytorch_model.bin",
        "adapter/evil.py",
        "checkpoints/step-20",
        "checkpoints/step-/x",
        "checkpoints/step-1/../step-2/state.json",
        "checkpoints/step-01/state.json",
        "checkpoints/step-1\n/state.json",
        "checkpoints/step-²/state.json",
        "checkpoints/step-9999999999999/state.json",
        "checkpoints/baseline.json",
        "spec.json",
        "events.jsonl",
        "ssh.json",
        "data/train.jsonl",
        "report.json\0",
        "REPORT.JSON",
        "report.json/",
        "./report.json",
        "x/checkpoints/step-1/state.json",
    ],
)
def test_nothing_else_may_come_home(path: str) -> None:
    """Not the key, not the data, nothing by a detour, nothing under a name that a worker does not write."""
    assert arrival_limit(path) is None


def test_a_manifest_is_small() -> None:
    assert arrival_limit("manifest.json") == arrival_limit("checkpoints/step-1/manifest.json") == MANIFEST_LIMIT


def test_only_complete_checkpoints_are_steps(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    assert directory.steps() == []
    for name in ("step-10", "step-2", ".step-20.part", "step-x", "step-030"):
        (directory.checkpoints / name).mkdir(parents=True)
    (directory.checkpoints / "step-5").touch()
    (directory.checkpoints / "step-6").symlink_to(directory.checkpoints / "step-10")
    assert directory.steps() == [2, 10]
    assert step_of(directory.checkpoint(7).name) == 7
