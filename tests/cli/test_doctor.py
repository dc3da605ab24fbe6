"""`brightrun doctor` tells the truth about this machine, and how to mend it."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import CommandLine


def test_a_sound_machine_is_found_sound(brightrun: CommandLine) -> None:
    """Where the tests run, everything needed is there; looking starts no engine and makes no store."""
    done = brightrun("doctor", "--gpu", "--json")
    checks = {check["name"]: check for check in done.document["checks"]}
    assert done.code == 0, [check for check in checks.values() if check["state"] == "failed"]
    assert {"python", "packages: app", "themes and presets", "home", "disk", "engine", "torch", "gpu proof"} <= set(
        checks
    )
    assert checks["torch"]["state"] == checks["4-bit (bitsandbytes)"]["state"] == "ok"
    assert not (brightrun.home / "data").exists()
    assert brightrun.processes() == []


def test_a_home_that_cannot_be_written_is_found(tmp_path: Path) -> None:
    """Something essential is broken: exit code 1, and the fix is named."""
    done = CommandLine(Path("/proc/brightrun"))("doctor", "--json")
    home = next(check for check in done.document["checks"] if check["name"] == "home")
    assert (done.code, home["state"]) == (1, "failed")
    assert "BRIGHTRUN_HOME" in home["fix"]


def test_a_broken_torch_is_found_without_hurting_anything(brightrun: CommandLine, tmp_path: Path) -> None:
    """torch is tried in a process of its own: when its import dies, doctor says so and goes on to the end."""
    broken = tmp_path / "torch"
    broken.mkdir()
    (broken / "__init__.py").write_text("import os; os._exit(11)")
    done = brightrun("doctor", "--json", PYTHONPATH=str(tmp_path))
    torch = next(check for check in done.document["checks"] if check["name"] == "torch")
    assert (done.code, torch["state"]) == (1, "failed")
    assert "pip install" in torch["fix"]
