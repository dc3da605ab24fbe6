"""A shell where a run is: here in its directory, elsewhere over SSH with the run's own key."""

from __future__ import annotations

import json
import subprocess
from contextlib import nullcontext
from pathlib import Path

import pytest
from textual.app import App

from brightrun_tui.domain.errors import HostError
from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.integrations import credentials
from brightrun_tui.integrations.shell import door_of, shell_there
from brightrun_tui.paths import Paths
from brightrun_tui.store import open_database, runs
from tests.clouds import runpod
from tests.clouds.fixtures import Rig, on_runpod, server
from tests.tui.conftest import Opened, first_mode
from tests.tui.test_monitor import choose

__all__ = ["first_mode", "on_runpod", "server"]


async def test_the_shell_opens_in_the_directory_of_the_run(
    seeded: Paths, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person's own shell, the app waiting; and not at all in read-only mode."""
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\npwd > {tmp_path}/where\n")
    program.chmod(0o755)
    monkeypatch.setenv("SHELL", str(program))
    monkeypatch.setattr(App, "suspend", lambda self: nullcontext())  # the terminal of a test is none
    async with opened(seeded) as driver:
        await choose(driver, "r-0004")
        await driver.press("dollar_sign")
        await driver.until((tmp_path / "where").exists)
        await driver.until(lambda: (tmp_path / "where").read_text().strip().endswith("r-0004"))


async def test_the_shell_goes_to_the_machine_that_is_rented(
    seeded: Paths, on_runpod: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the run's key and the host key that was pinned, into its directory there; no key stays behind."""
    credentials.save("runpod", runpod.KEY, seeded)
    provider = on_runpod.provider()
    machine = await on_runpod.running(provider, await on_runpod.launch(provider))
    host = on_runpod.host(machine)
    await host.write("here.txt", b"")
    async with open_database(seeded.database) as db:
        run = await runs.get(db, "r-0004")
    home = RunDirectory(Path(run.directory))
    pair = {"private": on_runpod.keys.private, "public": on_runpod.keys.public}
    home.ssh_key.write_text(json.dumps(pair))
    home.host_key("br-1").write_text(host.host_key)
    lease = Lease(name="br-1", run_id=run.id, provider="runpod", state="live", provider_id=machine.provider_id)
    door = await door_of(run, [lease], seeded)
    with shell_there(door) as command:
        made = next(Path(word.partition("=")[2]) for word in command.words if word.startswith("UserKnownHostsFile="))
        said = subprocess.run(
            [*command.words], input="ls; exit\n", capture_output=True, text=True, timeout=60, check=False
        )
    assert "here.txt" in said.stdout, said.stderr
    assert not made.parent.exists()
    with pytest.raises(HostError, match="no machine"):
        await door_of(run, [], seeded)
