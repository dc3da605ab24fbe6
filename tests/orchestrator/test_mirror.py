"""What comes home of a run elsewhere is always whole: a checkpoint never without the steps that led to it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from brightrun_tui.hosts.connection import new_key_pair
from brightrun_tui.orchestrator.mirror import Mirror
from brightrun_tui.providers.base import Need
from brightrun_tui.providers.box import SshBox
from brightrun_tui.providers.reach import host_for
from brightrun_tui.providers.ssh import Ssh
from tests.clouds.fixtures import FAST_SSH, server
from tests.clouds.server import CloudServer

__all__ = ["server"]

FILES = ("adapter_config.json", "adapter_model.safetensors", "optimizer.safetensors", "state.json")


def tell(run: Path, *events: dict[str, object]) -> None:
    with (run / "events.jsonl").open("ab") as file:
        for event in events:
            start = file.tell()
            file.write(json.dumps({"seq": start, "time": 1.0, **event}, separators=(",", ":")).encode() + b"\n")


def save(run: Path, step: int) -> None:
    directory = run / "checkpoints" / f"step-{step}"
    directory.mkdir(parents=True)
    files = {name: f"{name} of step {step}".encode() for name in FILES}
    for name, data in files.items():
        (directory / name).write_bytes(data)
    (directory / "manifest.json").write_text(json.dumps(
        {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()}))


async def test_a_checkpoint_waits_for_the_events_before_it(server: CloudServer, tmp_path: Path) -> None:
    """The worker saved another one while the first was on its way home; the machine may die at any moment."""
    box, keys = await server.new_box("box"), new_key_pair("mine")
    box.authorise(keys.public)
    (tmp_path / "key").write_text(keys.private)
    (tmp_path / "key").chmod(0o600)
    provider = Ssh({"box": SshBox(host="127.0.0.1", port=box.links[0].port, user=box.user, key=str(tmp_path / "key"),
                                  host_key=box.host_key)})
    machine = await provider.launch((await provider.offers(Need()))[0], "br-x-run-1", "", disk=0, deadline=0)
    host = host_for(machine, "", timings=FAST_SSH)
    there, home = box.home / str(machine.home) / "run", tmp_path / "home"
    there.mkdir(parents=True, exist_ok=True)
    home.mkdir()
    mirror = Mirror(home, 3)
    save(there, 10)
    tell(there, {"kind": "metric", "step": 10, "values": {}}, {"kind": "checkpoint", "step": 10, "path": "checkpoints/step-10"})
    await mirror.follow(host)
    save(there, 20)
    await mirror.pull_the_rest(host, 20)
    assert mirror.home.steps() == [10]
    tell(there, {"kind": "metric", "step": 20, "values": {}}, {"kind": "checkpoint", "step": 20, "path": "checkpoints/step-20"})
    await mirror.follow(host)
    await mirror.pull_the_rest(host, 20)
    assert mirror.home.steps() == [10, 20]
    await host.close()
