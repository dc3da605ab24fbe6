"""A call that forks from a process with all imports done is to whoever calls what a call on an interpreter of its own is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import preloaded


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "BRIGHTRUN_HOME": str(tmp_path / "home"), "NO_COLOR": "1"}


@pytest.mark.parametrize(
    "words", [["--version"], ["locate", "data"], ["runs", "show", "none", "--json"], ["runs", "--sideways"], []]
)
def test_it_says_and_ends_as_one_of_its_own(environment: dict[str, str], words: list[str]) -> None:
    """Every word on either stream, and the exit code, whether it does what it is told or refuses to."""
    assert preloaded.brightrun(words, environment) == preloaded.by_an_interpreter(words, environment)


def test_it_stands_where_it_is_called_and_reads_what_it_is_given(environment: dict[str, str], tmp_path: Path) -> None:
    """Its directory, its standard input and its environment."""
    (tmp_path / "here.jsonl").write_text("".join(f'{{"prompt": "a{n}", "completion": "b{n}"}}\n' for n in range(60)))
    assert preloaded.brightrun(["datasets", "check", "here.jsonl"], environment, cwd=tmp_path).returncode == 0
    environment["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    done = preloaded.brightrun(["connect", "vast", "--untested"], environment, stdin="a-key-of-twenty-letters\n")
    assert done.returncode == 0, done.stderr
    assert "a-key-of-twenty-letters" in (tmp_path / "home" / "config" / "credentials.json").read_text()


def test_it_is_killed_like_any_other(environment: dict[str, str]) -> None:
    """One that waits for its input ends by the signal that was sent."""
    given, give = os.pipe()
    nothing = os.open(os.devnull, os.O_WRONLY)
    called = preloaded.fork(preloaded.VERBS, ["connect", "vast", "--untested"], environment, [given, nothing, nothing])
    assert called.poll() is None
    called.kill()
    assert (called.wait(), called.poll()) == (-9, -9)
    for descriptor in (given, give, nothing):
        os.close(descriptor)
