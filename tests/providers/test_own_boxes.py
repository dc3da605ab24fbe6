"""A box of one's own over SSH: the same protocol, nothing rented, nothing left behind."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from brightrun_tui.domain.error_kinds import ExitCode
from brightrun_tui.domain.errors import (
    BadCredentialError,
    NoCapacityError,
    NotConnectedError,
    ProviderDownError,
    RejectedRequestError,
)
from brightrun_tui.domain.money import Hardware, Offer
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, Run, RunSpec
from brightrun_tui.domain.settings import RunSettings, SettingValue
from brightrun_tui.domain.slots import GpuRequest, assign
from brightrun_tui.hosts.connection import SshTimings, new_key_pair
from brightrun_tui.orchestrator import admission as admission_module
from brightrun_tui.orchestrator.admission import Admission
from brightrun_tui.orchestrator.timings import load_timings
from brightrun_tui.paths import get_paths
from brightrun_tui.providers.base import Need, Provider
from brightrun_tui.providers.box import SshBox, SshBoxes
from brightrun_tui.providers.box_facts import BoxFacts
from brightrun_tui.providers.reach import host_for
from brightrun_tui.providers.ssh import Ssh
from tests.clouds.fixtures import FAST_SSH, until
from tests.clouds.machine import Machine as Box
from tests.clouds.server import CloudServer

QUICK = SshTimings(connect_seconds=2, retry_seconds=0.05)
OURS = "abcd1234"


async def own_box(server: CloudServer, directory: Path, name: str = "box", gpus: int = 1) -> tuple[SshBox, Box]:
    box, keys = await server.new_box(name, gpus), new_key_pair("mine")
    box.authorise(keys.public)
    key = directory / f"{name}.key"
    key.write_text(keys.private)
    key.chmod(0o600)
    return SshBox(host="127.0.0.1", port=box.links[0].port, user=box.user, key=str(key), host_key=box.host_key), box


async def test_a_box_is_offered_used_and_left_clean(server: CloudServer, tmp_path: Path) -> None:
    settings, box = await own_box(server, tmp_path)
    provider = Ssh({"studio": settings}, timings=QUICK)
    assert (await provider.check()).who == "studio" and "RTX 4090" in str((await provider.survey())["studio"])
    offer = (await provider.offers(Need(gpu_memory=20 * 1024**3)))[0]
    assert (offer.id, offer.price_per_hour, offer.hardware.gpu_count) == ("studio", 0.0, 1)
    assert offer.hardware.memory > 0 and offer.hardware.disk_free
    machine = await provider.launch(offer, f"br-{OURS}-run-1", "", disk=0, deadline=time.time() + 60)
    assert [m.provider_id for m in await provider.list_ours(OURS)] == [machine.provider_id]
    assert await provider.list_ours("ffff0000") == []
    assert [offer.busy for offer in await provider.offers(Need())] == ["a free GPU: 0 busy with run run"], "a run each"

    host = host_for(machine, "", timings=FAST_SSH)
    await host.start("worker", ["sleep", "600"], environment={})
    assert (await provider.inspect(machine.provider_id)) is not None
    await provider.terminate(machine.provider_id)
    assert await provider.inspect(machine.provider_id) is None
    await host.close()
    await until(lambda: not [p for p in box.processes() if "sleep" in p.name()])
    assert not list((box.home / ".brightrun/leases").iterdir())


async def test_each_gpu_of_a_box_has_one_run_whoever_takes_it(server: CloudServer, tmp_path: Path) -> None:
    """Two installations that know nothing of each other: what is taken stands on the box, and the quicker one has it."""
    settings, box = await own_box(server, tmp_path, gpus=2)
    one, other = (Ssh({"studio": settings}, timings=QUICK) for _ in range(2))
    first, second = await one.offers(Need())
    assert [(o.id, o.gpu_id, o.hardware.gpu_count) for o in (first, second)] == [
        ("studio:0", "GPU-standin-0", 1),
        ("studio:1", "GPU-standin-1", 1),
    ]
    assert [o.gpu_id for o in await one.offers(Need(gpu_request=GpuRequest(("1",))))] == ["GPU-standin-1"]
    taken = await asyncio.gather(
        one.launch(first, f"br-{OURS}-run-1", "", disk=0, deadline=0),
        other.launch(first, "br-ffff0000-other-1", "", disk=0, deadline=0),
        return_exceptions=True,
    )
    lost = [error for error in taken if isinstance(error, NoCapacityError)]
    assert len(lost) == 1 and lost[0].kind == "machine_busy"
    assert [bool(offer.busy) for offer in await other.offers(Need())] == [False, True], "what is free comes first"
    machine = await one.launch(second, f"br-{OURS}-next-1", "", disk=0, deadline=0)
    found = await other.inspect(machine.provider_id)
    assert machine.gpu_id == "GPU-standin-1" and found is not None and found.gpu_id == machine.gpu_id
    seats = (await one.seats())["studio"]
    assert len(seats.holders) == 2 and not assign(seats, GpuRequest()).granted
    (box.home / f".brightrun/leases/br-{OURS}-next-1/gpu").unlink()  # a run of an earlier version has the first GPU
    assert [holder.name for holder in (await one.seats())["studio"].on(seats.cards[0])] != []


async def test_a_run_in_the_queue_waits_for_a_box_and_says_for_what(server: CloudServer, tmp_path: Path) -> None:
    settings, _ = await own_box(server, tmp_path, gpus=2)
    provider = Ssh({"studio": settings}, timings=QUICK)
    await provider.launch((await provider.offers(Need()))[0], f"br-{OURS}-aaaa-1", "", disk=0, deadline=0)

    async def opened(_name: str) -> Provider:
        return provider

    admission = Admission(lambda: 0, opened)
    try:
        await until_granted(admission, a_run("b"), [])
        seat = await admission.elsewhere(a_run("c"), [a_run("b")], {"aaaa": "support-bot"})
        assert seat.waits_for == "“studio”: a free GPU: 0 busy with run support-bot; 1 busy with run b"
        only = a_run("d", {"machine.gpus": "0"})
        assert "busy with run support-bot" in (await admission.elsewhere(only, [], {"aaaa": "support-bot"})).waits_for
    finally:
        await admission.close()


@pytest.mark.parametrize(("slots", "granted"), [(0, [True, False, False]), (2, [True, True, False])])
async def test_as_many_runs_begin_here_as_there_are_places(
    monkeypatch: pytest.MonkeyPatch, slots: int, granted: list[bool]
) -> None:
    """A machine without a GPU takes one, or as many as `[engine] local_slots` says; who waits is told for whom."""
    monkeypatch.setattr(admission_module, "usable_cards", lambda: ())

    async def opened(name: str) -> Provider:
        raise AssertionError(f"{name} is not asked")

    admission = Admission(lambda: slots, opened)
    at_work = [a_run("a"), a_run("b")]
    seats = [await admission.here(GpuRequest(), at_work[:count]) for count in range(3)]
    assert [seat.granted for seat in seats] == granted
    assert "a" in seats[2].waits_for and "at work" in seats[2].waits_for


async def test_more_places_hold_from_the_next_look_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who raises `[engine] local_slots` while runs wait ends no engine; a file with a slip in it changes nothing."""
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path))
    monkeypatch.setattr(admission_module, "usable_cards", lambda: ())
    monkeypatch.setattr(admission_module, "FRESH_SECONDS", -1.0)
    paths = get_paths()
    paths.config.mkdir(parents=True)

    async def opened(name: str) -> Provider:
        raise AssertionError(f"{name} is not asked")

    admission = Admission(lambda: load_timings(paths).local_slots, opened)
    said = []
    for text in ("", "[engine]\nlocal_slots = 2\n", "[engine]\nlocal_slots = two\n"):
        paths.config_file.write_text(text)
        said.append((await admission.here(GpuRequest(), [a_run("a")])).granted)
    assert said == [False, True, True]


async def until_granted(admission: Admission, run: Run, starting: list[Run]) -> None:
    while not (await admission.elsewhere(run, starting, {})).granted:
        await asyncio.sleep(0.05)


def a_run(name: str, settings: dict[str, SettingValue] | None = None) -> Run:
    data = DatasetRef(path="d", name="d", format="messages", fingerprint="f", records=1, usable=1)
    spec = RunSpec(
        run_id=name,
        name=name,
        created_at=0.0,
        base=BaseModelRef(id="b"),
        dataset=data,
        provider="ssh",
        settings=RunSettings().with_overrides(settings or {}),
    )
    return Run(id=name, name=name, state="queued", spec=spec, directory="", created_at=0.0, updated_at=0.0)


def test_parts_of_gpus_and_nonsense_of_a_box_are_read_as_what_they_are() -> None:
    seen = """gpu 0, GPU-aaaa, NVIDIA A100, 40960, 100
gpu 1, GPU-bbbb, NVIDIA RTX 4090, D, 24564, 20000
gpu 2, $(reboot), Strange, [N/A], x
part GPU 0: NVIDIA A100 (UUID: GPU-aaaa)
part   MIG 1g.5gb     Device  0: (UUID: MIG-1111)
part   MIG 2g.10gb    Device  1: (UUID: MIG-2222)
cores 8
memory 1000
lease br-abcd1234-one-1 MIG-1111
lease br-abcd1234-two-1 ; rm -rf /
"""
    facts = BoxFacts.read(seen)
    assert [(card.index, card.id, card.memory >> 30) for card in facts.cards] == [
        ("0:0", "MIG-1111", 5),
        ("0:1", "MIG-2222", 10),
        ("1", "GPU-bbbb", 23),
        ("2", "2", 0),
    ]
    assert facts.cards[2].name == "NVIDIA RTX 4090, D" and facts.cards[2].others == 20000 << 20
    assert facts.leases == {"br-abcd1234-one-1": "MIG-1111", "br-abcd1234-two-1": ""}
    assert BoxFacts.read("\x00 gpu ,,,, lease\n" * 50).cards == ()
    flood = BoxFacts.read("cores 9e99\n" + "".join(f"lease {'x' * 200}{n}\n" for n in range(9999)))
    assert flood.cores < 1 << 60 and len(assign(flood.seats(0), GpuRequest()).waits_for) < 400


async def test_a_wrong_key_and_a_dead_box_are_told_apart(server: CloudServer, tmp_path: Path) -> None:
    settings, box = await own_box(server, tmp_path)
    (tmp_path / "box.key").write_text(new_key_pair("other").private)
    with pytest.raises(BadCredentialError) as refused:
        await Ssh({"studio": settings}, timings=QUICK).check()
    assert refused.value.exit_code == ExitCode.NOT_CONNECTED and "studio" in refused.value.what
    await server.ask(box.lose_power())
    with pytest.raises(ProviderDownError):
        await Ssh({"studio": settings}, timings=QUICK).check()


async def test_another_machine_at_the_address_is_not_worked_with(server: CloudServer, tmp_path: Path) -> None:
    settings, _ = await own_box(server, tmp_path)
    _, other = await own_box(server, tmp_path, "other")
    pretender = settings.model_copy(update={"port": other.links[0].port, "key": str(tmp_path / "other.key")})
    with pytest.raises(ProviderDownError, match="another host key"):
        await Ssh({"studio": pretender}, timings=QUICK).check()


async def test_one_box_that_is_off_does_not_hide_the_others(server: CloudServer, tmp_path: Path) -> None:
    good, _ = await own_box(server, tmp_path)
    off = SshBox(host="127.0.0.1", port=1, key=good.key)
    provider = Ssh({"good": good, "off": off}, timings=QUICK)
    assert [offer.id for offer in await provider.offers(Need())] == ["good"]
    surveyed = await provider.survey()
    assert isinstance(surveyed["good"], str) and isinstance(surveyed["off"], ProviderDownError)
    with pytest.raises(ProviderDownError):
        await provider.inspect(f"off/br-{OURS}-run-1")


async def test_without_a_usable_box_the_person_is_told_how_to_add_one(tmp_path: Path) -> None:
    with pytest.raises(NotConnectedError) as error:
        await Ssh({}).check()
    assert "[boxes" in error.value.fix
    assert await Ssh({}).list_ours(OURS) == []
    missing = SshBoxes.model_validate({"a": {"host": "127.0.0.1", "key": str(tmp_path / "none")}})
    with pytest.raises(BadCredentialError, match="none"):
        await Ssh(missing.root, timings=QUICK).check()
    with pytest.raises(RejectedRequestError):
        await Ssh({}).launch(offer_of("nowhere"), "br-x-1", "", disk=0, deadline=0)


def offer_of(box: str) -> Offer:
    return Offer(id=box, provider="ssh", hardware=Hardware(device="cpu"))


async def test_a_host_key_that_is_none_is_said_with_its_fix() -> None:
    """Before anybody is connected to, and in the words of the box."""
    provider = Ssh({"mine": SshBox(host="127.0.0.1", port=1, host_key="ssh-ed25519 AAAA")})
    with pytest.raises(ProviderDownError) as error:
        await provider.check()
    assert error.value.kind == "bad_host_key" and "mine" in error.value.what and "ssh-keyscan" in error.value.fix


async def test_a_box_that_means_ill_takes_no_other_box_along(server: CloudServer, tmp_path: Path) -> None:
    """One whose answer has no end made all of them unusable: no run began anywhere."""
    bad, box = await own_box(server, tmp_path, "bad")
    good, _ = await own_box(server, tmp_path, "good")
    (box.directory / "bin" / "nvidia-smi").write_text("#!/bin/sh\nexec yes 'gpu 0'\n")
    provider = Ssh({"bad": bad, "good": good}, timings=QUICK)
    assert list(await provider.seats()) == ["good"] and [offer.id for offer in await provider.offers(Need())] == [
        "good"
    ]
    survey = await provider.survey()
    assert isinstance(survey["bad"], NotConnectedError) and "bad" in survey["bad"].what and "RTX" in str(survey["good"])
    assert await provider.list_ours(OURS) == []


@pytest.mark.parametrize(
    "text", ["[" * 4000, '{"created_at": NaN}', '{"created_at": 1e999}', '{"created_at": 1' + "0" * 400 + "}"]
)
async def test_a_lease_on_a_box_that_holds_anything_is_a_lease(server: CloudServer, tmp_path: Path, text: str) -> None:
    settings, box = await own_box(server, tmp_path)
    provider = Ssh({"studio": settings}, timings=QUICK)
    machine = await provider.launch((await provider.offers(Need()))[0], f"br-{OURS}-run-1", "", disk=0, deadline=0)
    (box.home / f".brightrun/leases/br-{OURS}-run-1/lease.json").write_text(text)
    found = await provider.inspect(machine.provider_id)
    assert found is not None and found.created_at is None
