"""What starts the engine at boot finds this installation, and not another one that is empty."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from brightrun_tui.orchestrator.boot import unit_text
from brightrun_tui.paths import get_paths


def environment_of(unit: str) -> dict[str, str]:
    """What systemd gives the service."""
    found = re.findall(r'^Environment="(.*)"$', unit, re.MULTILINE)
    return dict(re.sub(r"\\(.)", r"\1", each).replace("%%", "%").split("=", 1) for each in found)


@pytest.mark.parametrize("name", ["home", 'a "home" of 100 %', "back\\slash"])
def test_the_unit_starts_the_engine_of_this_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It named the directory of the data as the home: after a reboot no endpoint came back."""
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path / name))
    monkeypatch.setenv("RUNPOD_API_KEY", "sesame")
    unit = unit_text()
    assert "sesame" not in unit
    done = subprocess.run(
        [sys.executable, "-m", "brightrun_tui", "locate", "data"],
        env=environment_of(unit),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(get_paths().data)
    (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    assert shlex.split(command)[-2:] == ["-m", "brightrun_tui.orchestrator"]


def test_where_a_person_has_put_things_is_known_at_boot_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BRIGHTRUN_HOME", "HF_HUB_CACHE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BRIGHTRUN_CONFIG", "~/my.toml")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/opt/vllm/bin:/usr/bin")
    found = environment_of(unit_text())
    assert found["BRIGHTRUN_CONFIG"] == str(Path.home() / "my.toml") and found["HF_HOME"] == str(tmp_path)
    assert found["PATH"] == "/opt/vllm/bin:/usr/bin" and "BRIGHTRUN_HOME" not in found
