"""What is ours is for its user alone, whatever the umask and whichever verb came first; an export is as the user writes files."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from brightrun_tui.commands.shared.failures import explain
from brightrun_tui.paths import Paths, close_home
from tests.cli.conftest import CommandLine, brightrun
from tests.cli.seed import seed
from tests.processes import words_of

__all__ = ["brightrun"]

RECORDS = [
    json.dumps({"messages": [{"role": "user", "content": f"a{number}"}, {"role": "assistant", "content": "b"}]})
    for number in range(20)
]
FIRST = [("engine", "start"), ("connect", "vast", "--untested"), ("datasets", "add", "DATA"), ("runs",)]


def loose(top: Path) -> list[str]:
    """What below ``top`` another user could read, write or enter."""
    return [
        f"{stat.S_IMODE(path.lstat().st_mode):o} {path}"
        for path in sorted(top.rglob("*"))
        if not path.is_symlink() and stat.S_IMODE(path.lstat().st_mode) & 0o077
    ]


@pytest.mark.parametrize("first", FIRST)
def test_whatever_verb_comes_first_nothing_is_open_to_others(
    brightrun: CommandLine, tmp_path: Path, first: tuple[str, ...]
) -> None:
    """Though the user's own mask leaves everything open: a stricter one can only close more."""
    data = tmp_path / "data.jsonl"
    data.write_text("\n".join(RECORDS))
    words = [str(data) if word == "DATA" else word for word in first]
    environment = brightrun.environment(BRIGHTRUN_LOG="debug", PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring")
    done = subprocess.run(
        brightrun.command(*words), input="a" * 40, text=True, capture_output=True, umask=0, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert (brightrun.home / "data").is_dir() or (brightrun.home / "config").is_dir()
    assert loose(brightrun.home) == [] and stat.S_IMODE(brightrun.home.stat().st_mode) == 0o700


def test_fetching_the_starter_first_leaves_nothing_open(brightrun: CommandLine) -> None:
    """That is what scripts/start does: the data directory was readable by everybody ever after."""
    with subprocess.Popen(
        brightrun.command("bases", "fetch", "starter"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        umask=0,
        env=brightrun.environment(),
    ) as process:
        while not list(brightrun.home.glob("data/bases/*")):
            assert process.poll() is None, "it ended without a word"
            time.sleep(0.02)
        assert loose(brightrun.home) == []
        process.terminate()


def test_an_open_installation_is_closed_by_the_next_verb(brightrun: CommandLine) -> None:
    """All that is below closed directories is closed; what is not ours (the home, config.toml, linked files) stays as it is."""
    seed(brightrun.home)
    (brightrun.home / "config").mkdir(exist_ok=True)
    (brightrun.home / "config" / "config.toml").write_text("")
    (brightrun.home / "logs").mkdir()
    (brightrun.home / "logs" / "engine.log").write_text("")
    elsewhere = brightrun.home.parent / "weights"
    elsewhere.write_text("")
    (brightrun.home / "data" / "models" / "weights").symlink_to(elsewhere)
    os.link(elsewhere, brightrun.home / "data" / "models" / "linked")
    for path in [brightrun.home, elsewhere, *brightrun.home.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    assert brightrun("runs").code == 0
    for name in ("config", "data", "logs", "data/runs", "data/models", "data/brightrun.db", "logs/engine.log"):
        assert not stat.S_IMODE((brightrun.home / name).stat().st_mode) & 0o077, name
    assert stat.S_IMODE(brightrun.home.stat().st_mode) == 0o777
    close_home(_paths(brightrun.home), thoroughly=True)
    left = loose(brightrun.home)
    assert [Path(line.split(" ", 1)[1]).name for line in left] == ["config.toml", "linked"]
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o666


def _paths(home: Path) -> Paths:
    return Paths(home / "config", home / "data", home / "cache", home / "logs")


def test_no_process_of_ours_leaves_an_image_of_its_memory(brightrun: CommandLine) -> None:
    """The engine holds keys; with core dumps allowed by the user, killing it wrote them to the disk."""
    done = subprocess.run(
        ["sh", "-c", 'ulimit -c unlimited 2>/dev/null; exec "$@"', "sh", *brightrun.command("engine", "start")],
        env=brightrun.environment(BRIGHTRUN_ENGINE_IDLE_SECONDS="30"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    [engine] = [process for process in brightrun.processes() if "brightrun_tui.orchestrator" in words_of(process)]
    limits = Path(f"/proc/{engine.pid}/limits").read_text()
    assert next(line for line in limits.splitlines() if "core file" in line).split()[4:6] == ["0", "0"]
    assert "Umask:\t0077" in Path(f"/proc/{engine.pid}/status").read_text()


@pytest.mark.parametrize(("mask", "file", "directory"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700)])
def test_every_file_of_an_export_has_the_users_modes(
    brightrun: CommandLine, tmp_path: Path, mask: int, file: int, directory: int
) -> None:
    """The merged weights were 0600 and the rest 0644: a container could not load what it was given."""
    seed(brightrun.home)
    for form, place in (("adapter", "out/deep/adapter"), ("bundle", "out/far/tone.brightrun.tar")):
        done = subprocess.run(
            brightrun.command("models", "export", "tone", str(tmp_path / place), "--form", form),
            umask=mask,
            env=brightrun.environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    found = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == {file}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").rglob("*") if path.is_dir()} == {directory}


def test_details_of_an_error_go_to_no_place_that_others_have_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where our own logs cannot be written there is the directory for everybody, in which any name may be a link already."""
    home, everybodys, theirs = tmp_path / "home", tmp_path / "tmp", tmp_path / "theirs"
    for directory in (home, everybodys, theirs):
        directory.mkdir()
    (home / "logs").write_text("no directory")
    (everybodys / f"brightrun-{os.getuid()}").symlink_to(theirs)
    monkeypatch.setenv("BRIGHTRUN_HOME", str(home))
    monkeypatch.setattr(tempfile, "tempdir", str(everybodys))
    path = Path(explain(ZeroDivisionError("for this test"), ["runs"]).where)
    assert "ZeroDivisionError" in path.read_text() and list(theirs.iterdir()) == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
