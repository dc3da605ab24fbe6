"""Renting and returning: what is rented is known, what is gone is proven, and the money agrees to the second."""

from __future__ import annotations

import asyncio
import time

import pytest

from brightrun_tui.domain.errors import NoCapacityError, ProviderDownError, ProviderError, UnclearError
from brightrun_tui.domain.spending import Bill
from brightrun_tui.hosts.ready import first_contact, require_gpus
from brightrun_tui.providers.base import Need
from brightrun_tui.providers.names import belongs_to, lease_name
from brightrun_tui.providers.runpod_images import oldest_cuda
from brightrun_tui.providers.runpod_settings import RunPodSettings
from tests.clouds.fixtures import NEED, OURS, Rig, until

GIB = 1024**3


async def test_from_offer_to_a_machine_in_hand_and_back(rig: Rig) -> None:
    provider = rig.provider()
    offer = await rig.offer(provider)
    machine = await rig.running(provider, await rig.launch(provider, offer=offer))
    host = rig.host(machine)
    await first_contact(host, 5, pause=0.05)
    seen = await require_gpus(host, offer.hardware.gpu_count, offer.hardware.gpu_memory)
    assert offer.hardware.gpu.split()[-1] in seen[0].name
    await provider.terminate(machine.provider_id)
    assert await provider.inspect(machine.provider_id) is None
    assert await provider.list_ours(OURS) == []
    assert rig.creates() == 1


async def test_what_we_count_is_what_the_provider_books_within_one_second(rig: Rig) -> None:
    """The observed price times the observed seconds, the provider's bill, and its ledger agree."""
    provider = rig.provider()
    offer = await rig.offer(provider)
    machine = await rig.running(provider, await rig.launch(provider, offer=offer))
    assert machine.price_per_hour == pytest.approx(offer.price_per_hour)
    await asyncio.sleep(1.2)
    asked = time.time()
    await provider.terminate(machine.provider_id)
    told = time.time()
    started, created = machine.running_since or machine.created_at, machine.created_at
    assert started is not None and created is not None
    disk = machine.price_per_hour - (rig.instance(machine).gpu_rate)
    second = 1.05 * machine.price_per_hour / 3600
    assert (offer.once_usd > 0) == (rig.name == "vast"), "the image's traffic costs there"

    def counted(ended: float) -> float:
        used = (ended - started) * (machine.price_per_hour - disk) + (ended - created) * disk
        return used / 3600 + offer.once_usd

    assert counted(asked) - second <= rig.cloud.ledger.total(machine.provider_id) <= counted(told) + second
    bill = await provider.billed(machine.provider_id, created)
    assert isinstance(bill, Bill)
    assert bill.usd == pytest.approx(rig.cloud.ledger.total(machine.provider_id), abs=1e-6)
    items = rig.cloud.ledger.items(machine.provider_id)
    assert bill.storage == pytest.approx(items.get("storage", items.get("disk", 0.0)), abs=1e-6)


@pytest.mark.parametrize("fault", ["create_500", "create_hangs", "create_odd"])
async def test_an_unclear_create_is_sent_once_and_found_by_name(rig: Rig, fault: str) -> None:
    rig.cloud.faults.set(fault, count=1, value=0.5)
    provider = rig.provider()
    with pytest.raises(UnclearError):
        await rig.launch(provider)
    found = await provider.list_ours(OURS)
    assert rig.creates() == 1
    assert [machine.name for machine in found] == [f"br-{OURS}-run-1"]
    await provider.terminate(found[0].provider_id)
    assert not rig.cloud.alive()


async def test_a_create_that_is_not_answered_in_time_is_unclear(rig: Rig) -> None:
    rig.cloud.faults.set("create_hangs", count=1, value=30)
    with pytest.raises(UnclearError):
        await rig.launch(rig.provider())
    assert rig.creates() <= 1 and len(rig.cloud.alive()) == 1


async def test_an_unclear_create_that_made_nothing_leaves_nothing(rig: Rig) -> None:
    rig.cloud.faults.set("create_500_nothing", count=1)
    provider = rig.provider()
    with pytest.raises(UnclearError):
        await rig.launch(provider)
    assert rig.creates() == 1 and await provider.list_ours(OURS) == []


async def test_a_create_that_never_left_this_machine_rents_nothing_for_certain(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = await rig.offer(rig.provider())
    for name in ("BRIGHTRUN_RUNPOD_URL", "BRIGHTRUN_VAST_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with pytest.raises(ProviderDownError):
        await rig.launch(rig.provider(), offer=offer)
    assert not rig.cloud.alive()


async def test_a_refusal_that_created_an_instance_is_cleaned_up(on_vast: Rig) -> None:
    on_vast.cloud.faults.set("create_rejected_but_exists", count=1)
    with pytest.raises(NoCapacityError):
        await on_vast.launch(on_vast.provider())
    assert not on_vast.cloud.alive() and len(on_vast.cloud.instances) == 1


async def test_a_refusal_that_created_an_instance_which_stays_is_unclear(on_vast: Rig) -> None:
    on_vast.cloud.faults.set("create_rejected_but_exists", count=1)
    on_vast.cloud.faults.set("delete_fails")
    provider = on_vast.provider()
    with pytest.raises(UnclearError):
        await on_vast.launch(provider)
    assert [machine.status for machine in await provider.list_ours(OURS)] == ["stopped"]


async def test_an_unreadable_list_is_not_an_empty_one(rig: Rig) -> None:
    provider = rig.provider()
    await rig.launch(provider)
    for fault in ("list_null", "plain_error", "api_down"):
        rig.cloud.faults.clear()
        rig.cloud.faults.set(fault)
        with pytest.raises(ProviderError):
            await provider.list_ours(OURS)


async def test_a_machine_is_gone_only_when_reading_and_listing_agree(rig: Rig) -> None:
    provider = rig.provider()
    machine = await rig.launch(provider)
    rig.cloud.faults.set("get_misses", count=1)
    assert await provider.inspect(machine.provider_id) is not None
    rig.cloud.faults.set("list_misses")
    assert await provider.inspect(machine.provider_id) is not None
    assert await provider.list_ours(OURS) == []


async def test_a_delete_that_only_pretends_is_seen_through(rig: Rig) -> None:
    provider = rig.provider()
    machine = await rig.launch(provider)
    rig.cloud.faults.set("delete_ignored", count=1)
    await provider.terminate(machine.provider_id)
    assert await provider.inspect(machine.provider_id) is not None
    await provider.terminate(machine.provider_id)
    assert await provider.inspect(machine.provider_id) is None


async def test_a_delete_that_fails_is_told_and_can_be_repeated(rig: Rig) -> None:
    provider = rig.provider()
    machine = await rig.launch(provider)
    rig.cloud.faults.set("delete_fails")
    with pytest.raises(ProviderDownError):
        await provider.terminate(machine.provider_id)
    assert await provider.inspect(machine.provider_id) is not None
    rig.cloud.faults.clear()
    await provider.terminate(machine.provider_id)
    await provider.terminate(machine.provider_id)  # of what is gone already: no error
    assert await provider.inspect(machine.provider_id) is None


async def test_others_machines_are_neither_listed_nor_touched(rig: Rig) -> None:
    provider = rig.provider()
    strangers = [
        rig.cloud.add_foreign(name) for name in ("my-notebook", "br-", "br-abcd12345-run-1", "xbr-abcd1234-run-1", "")
    ]
    ours = await rig.launch(provider)
    theirs = await rig.launch(provider, installation="ffff0000")
    assert [machine.provider_id for machine in await provider.list_ours(OURS)] == [ours.provider_id]
    assert [machine.provider_id for machine in await provider.list_ours("ffff0000")] == [theirs.provider_id]
    await provider.terminate(ours.provider_id)
    assert all(stranger.touched == 0 and stranger.alive for stranger in strangers)
    assert rig.instance(theirs).alive


async def test_ours_are_found_on_any_page_of_a_long_list(rig: Rig) -> None:
    rig.cloud.page_size = 10  # type: ignore[attr-defined]  # every stand-in with pages has it
    provider = rig.provider()
    for number in range(37):
        rig.cloud.add_foreign(f"other-{number}")
    await rig.launch(provider)
    for number in range(8):
        rig.cloud.add_foreign(f"later-{number}")
    assert len(await provider.list_ours(OURS)) == 1


async def test_statuses_nobody_has_heard_of_are_unknown_and_break_nothing(rig: Rig) -> None:
    provider = rig.provider()
    machine = await rig.running(provider, await rig.launch(provider))
    rig.cloud.faults.set("odd_status", value="MIGRATING")
    now = await provider.inspect(machine.provider_id)
    assert now is not None and now.status == "unknown" and now.raw_status == "MIGRATING"


async def test_a_machine_that_is_taken_away_is_seen_as_interrupted(rig: Rig) -> None:
    provider = rig.provider()
    machine = await rig.running(provider, await rig.launch(provider))
    instance = rig.instance(machine)
    if rig.name == "vast":
        instance.bid = (
            0.1  # only what was bid for is taken away; another machine that is stopped was stopped by its guard
        )
    await rig.server.ask(rig.cloud.stop(instance))
    now = await provider.inspect(machine.provider_id)
    assert now is not None and now.status == "stopped" and now.interrupted


async def test_a_machine_that_will_never_start_says_so(rig: Rig) -> None:
    rig.cloud.faults.set("starts_broken", count=1)
    provider = rig.provider()
    machine = await rig.launch(provider)

    async def hopeless() -> bool:
        now = await provider.inspect(machine.provider_id)
        return bool(now and now.problem)

    await until(hopeless)


async def test_a_pod_that_lost_our_key_is_recognised_at_once(on_runpod: Rig) -> None:
    on_runpod.cloud.faults.set("public_key_null", count=1)
    assert "SSH key" in (await on_runpod.launch(on_runpod.provider())).problem


async def test_offers_satisfy_the_need_and_come_cheapest_first(rig: Rig) -> None:
    provider = rig.provider()
    need = Need(gpu="rtx 4090", gpu_memory=20 * GIB, disk=100 * 10**9, max_price_per_hour=0.6)
    offers = await provider.offers(need)
    assert offers and [o.price_per_hour for o in offers] == sorted(o.price_per_hour for o in offers)
    assert all("4090" in o.hardware.gpu and o.price_per_hour <= 0.6 and not o.interruptible for o in offers)
    assert await provider.offers(Need(gpu="TPU v5")) == []


async def test_interruptible_machines_are_offered_only_when_welcome(on_vast: Rig) -> None:
    provider = on_vast.provider()
    welcome = Need(gpu_memory=20 * GIB, disk=40 * 10**9, interruptible=True)
    bids = [offer for offer in await provider.offers(welcome) if offer.interruptible]
    assert bids and bids[0].price_per_hour < (await on_vast.offer(provider)).price_per_hour
    machine = await on_vast.running(provider, await on_vast.launch(provider, offer=bids[0]))
    assert on_vast.instance(machine).bid is not None
    assert machine.price_per_hour == pytest.approx(bids[0].price_per_hour, rel=1e-3)


async def test_a_machine_that_failed_before_is_not_offered_again(on_vast: Rig) -> None:
    provider = on_vast.provider()
    first = await on_vast.offer(provider)
    rest = await provider.offers(
        Need(gpu_memory=NEED.gpu_memory, disk=NEED.disk, without_hosts=frozenset({first.host_id}))
    )
    assert rest and first.id not in {offer.id for offer in rest}


async def test_searches_are_kept_and_forgotten_after_renting(rig: Rig) -> None:
    provider = rig.provider()
    for _ in range(5):
        await provider.offers(NEED)
    searches = len(rig.cloud.requests)
    await rig.launch(provider)
    await provider.offers(NEED)
    assert searches == (2 if rig.name == "runpod" else 1)
    assert len(rig.cloud.requests) == searches * 2 + 1


async def test_the_image_is_one_that_every_host_which_may_be_given_can_run(on_runpod: Rig) -> None:
    """One for a newer CUDA does not start on an older driver at all; one that was set is taken as it is."""
    offers = {offer.hardware.gpu: offer for offer in await on_runpod.provider().offers(Need(gpu_memory=24 * 1024**3))}
    sent = {}
    for gpu in ("RTX 4090", "H100 SXM", "B200"):
        machine = await on_runpod.launch(on_runpod.provider(), offer=offers[gpu])
        asked = on_runpod.cloud.instances[machine.provider_id].request
        sent[gpu] = (asked["image"].partition(":1.")[2][4:10], asked["gpu"]["minCudaVersion"])
    assert sent == {"RTX 4090": ("cu1281", "12.8"), "H100 SXM": ("cu1281", "12.8"), "B200": ("cu1300", "13.0")}
    own = await on_runpod.launch(on_runpod.provider(settings=RunPodSettings(image="me/mine:1")), offer=offers["B200"])
    assert on_runpod.cloud.instances[own.provider_id].request["image"] == "me/mine:1"
    assert (oldest_cuda(("13.0", "12.9", "nonsense", "12.4"), "12.8"), oldest_cuda((), "12.8")) == ("12.9", "12.8")


async def test_traffic_for_image_and_model_is_part_of_the_price(on_vast: Rig) -> None:
    provider = on_vast.provider()
    plain = await provider.offers(NEED)
    loaded = await provider.offers(Need(gpu_memory=NEED.gpu_memory, disk=NEED.disk, download=15 * 10**9))
    dear = {o.id: o.once_usd for o in loaded}
    assert (
        dear["9000001"] == pytest.approx(25 * 0.02) and dear["9000001"] > {o.id: o.once_usd for o in plain}["9000001"]
    )


def test_names_tell_whose_a_machine_is() -> None:
    name = lease_name("abcd1234", "0123456789ab", 3)
    assert len(name) <= 60 and belongs_to(name, "abcd1234")
    for other in ("abcd123", "abcd12345", "", "abcd1234-0"):
        assert not belongs_to(name, other) or other == "abcd1234-0123456789ab"
    with pytest.raises(ValueError, match="longer"):
        lease_name("abcd1234", "x" * 60, 1)
