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


def test_what_is_broken_is_found_without_hurting_anything(tmp_path: Path) -> None:
    """A home that cannot be written, and a torch whose import dies: it is tried in a process of its own, so doctor goes on to
    the end. Something essential is broken, so the exit code is 1, and each fix is named."""
    broken = tmp_path / "torch"
    broken.mkdir()
    (broken / "__init__.py").write_text("import os; os._exit(11)")
    done = CommandLine(Path("/proc/brightrun"))("doctor", "--json", PYTHONPATH=str(tmp_path))
    checks = {check["name"]: check for check in done.document["checks"]}
    assert (done.code, checks["home"]["state"], checks["torch"]["state"]) == (1, "failed", "failed")
    assert "BRIGHTRUN_HOME" in checks["home"]["fix"] and "pip install" in checks["torch"]["fix"]
