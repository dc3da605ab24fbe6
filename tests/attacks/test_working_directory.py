"""Whatever lies in the directory that somebody happens to be in, none of it is run."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from brightrun_tui.orchestrator.warm_worker import worker_command
from brightrun_tui.serving.process import command as server_command
from tests.cli.conftest import CommandLine, brightrun

__all__ = ["brightrun"]

PACKAGE = Path(__file__).parents[2] / "brightrun_tui"
NAMES = (
    "torch",
    "textual",
    "json",
    "sitecustomize",
    "usercustomize",
    "typer",
    "pydantic",
    "psutil",
    "rich",
    "asyncio",
    "keyring",
    "transformers",
    "peft",
    "bitsandbytes",
    "safetensors",
    "filelock",
    "aiosqlite",
    "asyncssh",
    "httpx",
)


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """A directory that leaves a mark as soon as anything in it is imported."""
    place = tmp_path / "download"
    place.mkdir()
    for name in NAMES:
        (place / f"{name}.py").write_text(f"open({str(place / 'EXECUTED')!r}, 'a').write({name!r})\n")
    return place


@pytest.mark.parametrize(
    "words", [("doctor", "--json"), ("engine", "start"), ("connect", "vast", "--untested"), ("runs",)]
)
def test_no_verb_runs_what_lies_where_it_is_called(brightrun: CommandLine, evil: Path, words: tuple[str, ...]) -> None:
    """`brightrun doctor` ran a torch.py of the current directory; keyring process, engine and all others are looked at too."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("brightrun")), *words],
        cwd=evil,
        env=brightrun.environment(),
        input="a" * 40,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert not (evil / "EXECUTED").exists(), (evil / "EXECUTED").read_text()


def test_called_as_a_module_it_runs_none_of_it_either(brightrun: CommandLine, evil: Path) -> None:
    """Python itself puts that directory first: an http.py in it took the place of the library's."""
    for name in ("http", "signal", "sqlite3"):
        (evil / f"{name}.py").write_text(f"open({str(evil / 'EXECUTED')!r}, 'a').write({name!r})\n")
    subprocess.run(brightrun.command("models"), cwd=evil, env=brightrun.environment(), check=True, timeout=120)
    assert not (evil / "EXECUTED").exists(), (evil / "EXECUTED").read_text()


@pytest.mark.parametrize("command", [worker_command("--spare"), server_command(Path("nowhere"))])
def test_worker_and_server_run_nothing_of_where_they_start(command: list[str], evil: Path) -> None:
    """They start in directories of ours; a machine that was rented may have written into the run's."""
    subprocess.run(command, cwd=evil, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, env=dict(os.environ))
    assert not (evil / "EXECUTED").exists(), (evil / "EXECUTED").read_text()


def test_every_python_that_is_started_is_started_by_one_function() -> None:
    """`process.python` says -P; a command line put together elsewhere has to say it, too."""
    found = 0
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.List | ast.Tuple | ast.Call):
                continue
            parts = node.args if isinstance(node, ast.Call) else node.elts
            words = [ast.unparse(part) for part in parts]
            for word, following in pairwise(words):
                if word == "sys.executable" and following.startswith(("'-", "sys.orig_argv")):
                    place = path.relative_to(PACKAGE).as_posix()
                    shown = (
                        place == "integrations/packages.py"
                    )  # for a person to read and copy; nothing of ours runs it
                    assert shown or following in ("'-P'", "sys.orig_argv"), f"{place}:{node.lineno} lacks -P"
                    found += 1
    assert found >= 2
