"""The dead man's switch: with nobody left who cares, the machine ends its own lease, on both clouds."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from brightrun_tui.hosts import guard
from brightrun_tui.hosts.boot import GuardOptions, GuardTimes, guard_source, start_guard
from brightrun_tui.hosts.ready import beat, ensure_guard, first_contact, guard_report, note_collected
from brightrun_tui.hosts.ssh import SshHost
from brightrun_tui.providers.runpod_settings import RunPodSettings
from brightrun_tui.providers.vast_settings import GUARD as VAST
from tests.clouds.core import Instance
from tests.clouds.fixtures import Rig, until
from tests.processes import words_of

TICK = 0.1
REACHED = 3.0
"""Seconds in which even a busy machine is reached, and heard of again: a shorter silence would end it before."""


async def rent(
    rig: Rig, *, seconds: float = 3600, silence: float = 3600, keep: float = GuardTimes.keep, **options: Any
) -> Instance:
    """A machine whose guard came with the create call; nobody connects to it."""
    provider = rig.provider(guard=GuardTimes(silence, keep, TICK), **options)
    machine = await rig.launch(provider, seconds=seconds)
    return rig.instance(machine)


def state(instance: Instance) -> dict[str, Any]:
    assert instance.machine is not None
    path = instance.machine.home / ".brightrun/guard.json"
    return json.loads(path.read_text()) if path.exists() else {}


async def hand(rig: Rig, instance: Instance) -> SshHost:
    provider = rig.open[0]
    host = rig.host(await rig.running(provider, await provider.inspect(instance.id)))
    await first_contact(host, 60, pause=0.05)
    return host


async def test_the_lease_ends_at_its_deadline_with_nobody_there(rig: Rig) -> None:
    """The engine died right after the create call: not one connection, not one more request of ours."""
    instance = await rent(rig, seconds=2.0)
    await until(lambda: state(instance).get("self_test") == "ok")
    await until(lambda: not instance.alive)
    assert rig.cloud.ledger.rate_now() == 0


async def test_silence_ends_an_idle_lease(rig: Rig) -> None:
    instance = await rent(rig, silence=1.0)
    await until(lambda: not instance.alive)


async def test_training_is_not_disturbed_by_silence_and_its_end_is_noticed(rig: Rig) -> None:
    instance = await rent(rig, silence=REACHED)
    host = await hand(rig, instance)
    await host.start(
        "worker", ["sh", "-c", "for i in 1 2 3 4 5 6; do echo {} >> events.jsonl; sleep 0.5; done"], environment={}
    )
    await host.close()
    machine, told = instance.machine, list[str]()
    assert machine is not None
    rig.cloud.before_end = lambda ended: told.extend(file.read_text() for file in machine.home.rglob("events.jsonl"))
    await until(lambda: not instance.alive)
    assert told == ["{}\n" * 6], "it trained to its end"


async def train_and_leave(rig: Rig, instance: Instance) -> None:
    """A worker that ends at once and leaves a result, which nobody fetches."""
    host = await hand(rig, instance)
    await host.start("worker", ["sh", "-c", "echo {} >> events.jsonl; echo {} > manifest.json"], environment={})
    await host.close()


async def test_a_result_that_nobody_has_fetched_is_kept_and_the_guard_says_so(rig: Rig) -> None:
    """Where a stopped machine keeps its disk it is stopped, and costs its disk only; elsewhere it waits."""
    instance = await rent(rig, silence=REACHED, keep=600.0)
    await train_and_leave(rig, instance)
    await until(lambda: state(instance).get("state") == "keeping")
    assert 590 < state(instance)["keeps_seconds"] <= 600
    if rig.name == "vast":
        await until(lambda: instance.stage == "stopped")
        assert rig.cloud.ledger.rate_now() == pytest.approx(instance.storage_rate)
    else:
        await asyncio.sleep(1.0)
        assert instance.stage == "running"


async def test_a_result_is_kept_no_longer_than_that_and_not_at_all_once_it_is_home(on_runpod: Rig) -> None:
    short = await rent(on_runpod, silence=REACHED, keep=2.0)
    await train_and_leave(on_runpod, short)
    await until(lambda: not short.alive)
    collected = await rent(on_runpod, silence=REACHED, keep=600.0)
    host = await hand(on_runpod, collected)
    await host.write("manifest.json", b"{}")
    await note_collected(host)
    await host.close()
    await until(lambda: not collected.alive)


async def test_a_worker_killed_without_a_word_counts_as_idle(rig: Rig) -> None:
    instance = await rent(rig, silence=REACHED)
    host = await hand(rig, instance)
    await host.start("worker", ["sleep", "600"], environment={})
    await host.signal("worker", 9)
    await host.close()
    await until(lambda: not instance.alive)


async def test_heartbeats_hold_the_lease_and_move_its_deadline(rig: Rig) -> None:
    instance = await rent(rig, seconds=2 * REACHED, silence=REACHED)
    host = await hand(rig, instance)
    until_then = time.monotonic() + 2.5 * REACHED
    while time.monotonic() < until_then:
        await beat(host, 30.0)
        assert instance.alive
        await until(lambda: state(instance).get("ends_at", 0) - time.time() > 20)
        await asyncio.sleep(REACHED / 10)
    await beat(host, 0.5)
    await until(lambda: not instance.alive)


async def test_a_provider_that_is_down_is_asked_until_it_listens(rig: Rig) -> None:
    rig.cloud.faults.set("delete_fails", seconds=4.5)
    instance = await rent(rig, seconds=1.5)
    await until(lambda: state(instance).get("state") == "ending")
    await until(lambda: not instance.alive)
    assert rig.cloud.faults.hits["delete_fails"] >= 2


async def test_a_delete_that_only_pretends_is_repeated(rig: Rig) -> None:
    rig.cloud.faults.set("delete_ignored", count=2)
    instance = await rent(rig, seconds=1.0)
    await until(lambda: not instance.alive)
    assert instance.touched >= 3


async def test_a_key_that_may_only_stop_stops(rig: Rig) -> None:
    rig.cloud.faults.set("scoped_key_refused")
    instance = await rent(rig, seconds=1.0)
    await until(lambda: instance.stage != "running" and instance.running_since)
    assert instance.stage == "stopped"


async def test_the_engine_learns_whether_the_guard_can_act(rig: Rig) -> None:
    instance = await rent(rig)
    host = await hand(rig, instance)
    begun = time.time()
    report = await ensure_guard(host, rig.open[0].guard_options(begun + 3600))
    assert report.able and report.state == "watching"
    assert begun + 3600 - 1 <= report.ends_at <= time.time() + 3600 + 1


async def test_a_second_guard_leaves_the_post_to_the_first(rig: Rig) -> None:
    instance = await rent(rig)
    host = await hand(rig, instance)
    options = rig.open[0].guard_options(time.time() + 3600)
    first = await ensure_guard(host, options)
    await host.run(start_guard(options))

    assert instance.machine is not None
    box = instance.machine
    await until(lambda: len([p for p in box.processes() if "guard.py" in " ".join(words_of(p))]) == 1)
    now = await guard_report(host)
    assert now is not None and now.pid == first.pid


async def test_an_image_without_our_boot_command_gets_its_guard_over_ssh(on_runpod: Rig) -> None:
    instance = await rent(on_runpod, settings=RunPodSettings(boot_guard=False))
    host = await hand(on_runpod, instance)
    assert await guard_report(host) is None
    provider = on_runpod.open[0]
    await ensure_guard(host, provider.guard_options(time.time() + 1.0))
    await host.close()
    await until(lambda: not instance.alive)


@pytest.mark.parametrize("jump", [-86400.0, 86400.0, 0.0])
def test_a_clock_that_is_wrong_ends_no_training_and_keeps_no_dead_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    """Whatever the machine's clock says, and whenever it is set: what counts are the seconds since the worker last spoke and
    since the engine was last heard of."""
    passed = [100_000.0]
    clocks = SimpleNamespace(monotonic=lambda: passed[0], time=lambda: 1_800_000_000.0 + jump + passed[0])
    monkeypatch.setattr("brightrun_tui.hosts.guard.time", clocks)
    run = tmp_path / "run"
    run.mkdir()
    (run / "worker.pid").write_text(str(os.getpid()))
    options = {"seconds": 7 * 86400, "until": 1_800_000_000.0 + 8 * 86400, "silence": 900, "keep": 3600, "stall": 3600}
    watch = guard.Guard({**options, "home": str(tmp_path), "id": "X", "key": "Y", "ways": []})

    def spoken(path: Path, wall: float) -> None:
        path.touch()
        os.utime(path, (wall, wall))

    wall = 1_800_000_000.0 + passed[0]
    spoken(tmp_path / "heartbeat", wall)
    watch.listen()
    spoken(run / "events.jsonl", wall)
    assert watch.training() and not watch.due()
    passed[0] += 1800
    assert watch.training(), "it spoke half an hour ago"
    spoken(run / "events.jsonl", wall + 1800)
    assert watch.training()
    passed[0] += 1800
    assert watch.training() and not watch.due()
    spoken(tmp_path / "heartbeat", wall + 3600)
    watch.listen()
    assert watch.heard == passed[0], "a heartbeat is heard now, whatever its file says"
    passed[0] += 1801
    assert not watch.training(), "it has said nothing for an hour"


def test_the_guard_is_small_enough_for_vast_and_holds_no_secret_of_ours() -> None:
    command = start_guard(GuardOptions(VAST, "https://console.vast.ai", 86400 * 30, time.time(), 900))
    assert len(command) < 3700 and "'" not in command
    assert "import brightrun_tui" not in guard_source() and "argparse" not in guard_source()


def test_the_guard_runs_without_anything_but_a_python(tmp_path: Path) -> None:
    """The packed source, isolated from every installed package, without a key: it says so and stays."""
    script = tmp_path / "guard.py"
    script.write_text(guard_source())
    options = GuardOptions(
        VAST, "http://127.0.0.1:1", 600, time.time() + 600, 600, tick=TICK, home=str(tmp_path / "home")
    )
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", str(script), options.argument()], env={"PATH": os.environ["PATH"]}
    )
    try:
        deadline = time.monotonic() + 10
        while not (tmp_path / "home/guard.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert "no key" in json.loads((tmp_path / "home/guard.json").read_text())["self_test"]
        assert guard.poll() is None
    finally:
        guard.kill()
        guard.wait()


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [("A=1\0CONTAINER_ID=123\0B=2\0", "CONTAINER_ID", "123"), ('export RUNPOD_POD_ID="abc"\n', "RUNPOD_POD_ID", "abc")],
)
def test_ids_are_found_where_a_login_does_not_see_them(
    monkeypatch: pytest.MonkeyPatch, text: str, name: str, value: str
) -> None:
    from brightrun_tui.hosts import guard

    monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(guard, "read", lambda path: text)
    assert guard.injected(name) == value
