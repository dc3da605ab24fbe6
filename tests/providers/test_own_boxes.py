"""A box of one's own over SSH: the same protocol, nothing rented, nothing left behind."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from brightrun_tui.domain.error_kinds import ExitCode
from brightrun_tui.domain.errors import BadCredentialError, NotConnectedError, ProviderDownError, RejectedRequestError
from brightrun_tui.domain.money import Hardware, Offer
from brightrun_tui.hosts.connection import SshTimings, new_key_pair
from brightrun_tui.providers.base import Need
from brightrun_tui.providers.box import SshBox, SshBoxes
from brightrun_tui.providers.reach import host_for
from brightrun_tui.providers.ssh import Ssh
from tests.clouds.fixtures import FAST_SSH, until
from tests.clouds.machine import Machine as Box
from tests.clouds.server import CloudServer

QUICK = SshTimings(connect_seconds=2, retry_seconds=0.05)
OURS = "abcd1234"


async def own_box(server: CloudServer, directory: Path, name: str = "box") -> tuple[SshBox, Box]:
    box, keys = await server.new_box(name), new_key_pair("mine")
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
    assert offer.hardware.memory > 0 and offer.hardware.disk_free > 0
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
