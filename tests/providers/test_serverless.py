"""RunPod's serverless endpoints at the stand-in, which takes what the published contract takes and nothing else."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from brightrun_tui.domain.errors import (
    BadCredentialError,
    MissingScopeError,
    NoFundsError,
    ProviderDownError,
    RejectedRequestError,
    UnclearError,
)
from brightrun_tui.domain.money import GIB, Lease, Offer
from brightrun_tui.domain.serverless import ServedModel
from brightrun_tui.orchestrator.metering import MOST_STRETCHES, counted
from brightrun_tui.providers.base import Machine, Need
from brightrun_tui.providers.http import ProviderTimings
from brightrun_tui.providers.runpod_serverless import RunPodServerless, worker_environment
from brightrun_tui.providers.serverless import Serverless, ServerlessWorker
from tests.clouds import runpod
from tests.clouds.fixtures import FAST, OURS, until
from tests.clouds.runpod_endpoints import CreateEndpoint, Endpoints
from tests.clouds.server import CloudServer

MODEL = ServedModel(
    base="acme/toy", base_revision="c" * 40, adapter="me/harbour", rank=20, quantised=True, context=4096, idle_seconds=7
)
NAME = f"br-{OURS}-e1-1"


@dataclass
class Rig:
    server: CloudServer
    provider: RunPodServerless

    @property
    def cloud(self) -> runpod.RunPod:
        return self.server.runpod

    @property
    def endpoints(self) -> Endpoints:
        return self.cloud.endpoints

    async def offer(self, gpu: str = "") -> Offer:
        return (await self.provider.offers(Need(gpu=gpu, gpu_memory=20 * GIB)))[0]

    async def make(self, name: str = NAME, model: ServedModel = MODEL) -> Machine:
        made = self.provider.serving(model)
        return await made.launch(await self.offer(), name, "", disk=20 * 10**9, deadline=0.0)


@pytest.fixture
async def rig(server: CloudServer) -> AsyncIterator[Rig]:
    made = Rig(server, RunPodServerless(runpod.KEY, timings=FAST))
    yield made
    await made.provider.close()


def test_it_is_a_service_whose_workers_come_and_go(rig: Rig) -> None:
    assert isinstance(rig.provider, Serverless)
    assert rig.provider.guard_options(0.0) is None


async def test_the_account_is_checked_without_making_anything(rig: Rig) -> None:
    account = await rig.provider.check()
    assert account.balance_usd == pytest.approx(50.0)
    assert not rig.endpoints.found


@pytest.mark.parametrize(
    ("key", "refusal"),
    [(runpod.READ_ONLY_KEY, MissingScopeError), (runpod.NO_PODS_KEY, MissingScopeError), ("rpa_x", BadCredentialError)],
)
async def test_a_key_that_may_not_is_known_beforehand(server: CloudServer, key: str, refusal: type[Exception]) -> None:
    provider = RunPodServerless(key, timings=FAST)
    try:
        with pytest.raises(refusal) as raised:
            await provider.check()
        if refusal is MissingScopeError:
            assert "serverless endpoints" in str(raised.value.fix)  # type: ignore[attr-defined]
    finally:
        await provider.close()


async def test_offers_are_gpus_of_pools_at_the_price_of_their_workers(rig: Rig) -> None:
    found = {offer.id: offer.price_per_hour for offer in await rig.provider.offers(Need(gpu_memory=20 * GIB))}
    assert found == {
        "ADA_24/NVIDIA GeForce RTX 4090": 1.10,
        "ADA_48_PRO/NVIDIA L40S": 1.90,
        "AMPERE_80/NVIDIA A100 80GB PCIe": 2.72,
    }
    assert list(found) == sorted(found, key=lambda one: found[one])


async def test_what_is_made_scales_to_zero_holds_one_gpu_and_no_secret(rig: Rig) -> None:
    made = await rig.make()
    (endpoint,) = rig.endpoints.alive()
    assert (made.provider_id, made.name, made.price_per_hour, made.status) == (endpoint.id, NAME, 0.0, "running")
    wanted = endpoint.wanted
    assert wanted.workers.model_dump() == {"min": 0, "max": 1, "idleTimeout": 7}
    assert wanted.gpu is not None and wanted.gpu.excludedTypes == ["NVIDIA RTX A5000"], "the other card of the pool"
    assert wanted.timeout == 600_000 and wanted.flashboot == "OFF" and not wanted.networkVolumes
    assert wanted.env == {
        "MODEL_NAME": "acme/toy",
        "MODEL_REVISION": "c" * 40,
        "OPENAI_SERVED_MODEL_NAME_OVERRIDE": "base",
        "MAX_MODEL_LEN": "4096",
        "QUANTIZATION": "bitsandbytes",
        "ENABLE_LORA": "true",
        "MAX_LORAS": "1",
        "MAX_LORA_RANK": "32",
        "LORA_MODULES": "adapter=me/harbour",
    }
    assert not await rig.provider.workers(made.provider_id), "nothing runs, nothing is paid"
    assert rig.cloud.ledger.total() == 0


def test_a_whole_model_on_a_volume_is_named_by_its_place_there() -> None:
    env = worker_environment(ServedModel(base="merged/harbour", volume="vol1", base_revision="x"))
    assert env == {"MODEL_NAME": "/runpod-volume/merged/harbour", "OPENAI_SERVED_MODEL_NAME_OVERRIDE": "model"}


async def test_one_without_a_model_is_not_made(rig: Rig) -> None:
    with pytest.raises(RejectedRequestError, match="made for a model"):
        await rig.provider.launch(await rig.offer(), NAME, "", disk=1, deadline=0.0)
    assert not rig.endpoints.found


@pytest.mark.parametrize("fault", ["create_500", "create_odd", "create_hangs"])
async def test_an_unclear_answer_leaves_an_endpoint_that_is_found_by_its_name(rig: Rig, fault: str) -> None:
    rig.cloud.faults.set(fault, count=1, value=4)
    with pytest.raises(UnclearError):
        await rig.make()
    (found,) = await rig.provider.list_ours(OURS)
    assert found.name == NAME and rig.cloud.count("POST", "/v2/serverless") <= 1
    assert len(rig.endpoints.found) == 1


async def test_no_money_is_said_and_nothing_is_made(rig: Rig) -> None:
    rig.cloud.faults.set("no_funds", count=1)
    with pytest.raises(NoFundsError):
        await rig.make()
    assert not rig.endpoints.found


async def test_others_endpoints_are_seen_and_not_ours(rig: Rig) -> None:
    await rig.make()
    await rig.server.ask(_call(rig.endpoints.add_foreign, "image-generator"))
    await rig.server.ask(_call(rig.endpoints.add_foreign, "br-01234567-e9-1"))
    assert [one.name for one in await rig.provider.list_ours(OURS)] == [NAME]
    assert [one.name for one in await rig.provider.list_others(OURS)] == ["br-01234567-e9-1"]


async def test_gone_is_what_both_the_endpoint_and_the_list_say(rig: Rig) -> None:
    made = await rig.make()
    rig.cloud.faults.set("get_misses", count=1)
    assert await rig.provider.inspect(made.provider_id) is not None
    rig.cloud.faults.set("list_null", count=1)
    rig.cloud.faults.set("get_misses", count=1)
    with pytest.raises(ProviderDownError):
        await RunPodServerless(runpod.KEY, timings=ProviderTimings(pace=0, tries=1)).inspect(made.provider_id)
    rig.cloud.faults.set("delete_ignored", count=1)
    await rig.provider.terminate(made.provider_id)
    assert await rig.provider.inspect(made.provider_id) is not None, "it was not deleted, whatever the answer was"
    await rig.provider.terminate(made.provider_id)
    assert await rig.provider.inspect(made.provider_id) is None
    await rig.provider.terminate(made.provider_id)


async def test_a_worker_that_is_placed_costs_and_one_that_waits_does_not(rig: Rig) -> None:
    made = await rig.make()
    rig.cloud.faults.set("no_capacity")
    waiting = asyncio.create_task(_ask(rig, made))
    await until(lambda: rig.endpoints.found[made.provider_id].workers)
    (worker,) = await rig.provider.workers(made.provider_id)
    assert (worker.status, worker.seconds) == ("throttled", None)
    rig.cloud.faults.set("never_ready")
    rig.cloud.faults.clear("no_capacity")

    async def placed() -> ServerlessWorker | None:
        found = await rig.provider.workers(made.provider_id)
        return found[0] if found and found[0].seconds is not None else None

    worker = await until(placed)
    assert (worker.status, worker.per_hour) == ("initialising", 1.10)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await rig.provider.terminate(made.provider_id)
    bill = await rig.provider.billed(made.provider_id, time.time() - 60)
    theirs = math.fsum(rig.cloud.ledger.items(made.provider_id).values())
    assert bill is not None and bill.usd == pytest.approx(theirs) and theirs > 0


async def test_odd_workers_are_not_no_workers(rig: Rig) -> None:
    made = await rig.make()
    rig.cloud.faults.set("workers_odd")
    with pytest.raises(ProviderDownError, match="workers without a list"):
        await rig.provider.workers(made.provider_id)


async def test_no_bill_yet_is_not_a_bill_of_nothing(rig: Rig) -> None:
    made = await rig.make()
    assert await rig.provider.billed(made.provider_id, time.time()) is None


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"workersMin": 0}, 422, "workersMin"),
        ({"scaling": {"type": "REQUEST_COUNT", "requestCount": 2}}, 422, "idleTimeout"),
        ({"gpu": {"pools": ["ADA_24"], "excludedTypes": ["NVIDIA L40S"]}}, 400, "excludedTypes"),
        ({"gpu": {"pools": ["NVIDIA L40S"]}}, 400, "pool"),
        ({"gpu": {"pools": ["ADA_24"], "minCudaVersion": 12.8}}, 422, "minCudaVersion"),
        ({"workers": {"idleTimeout": 3601}}, 422, "idleTimeout"),
    ],
)
async def test_the_stand_in_refuses_what_the_contract_refuses(
    rig: Rig, changes: dict[str, Any], status: int, said: str
) -> None:
    body = {
        "name": "x",
        "type": "QUEUE",
        "image": "i",
        "gpu": {"pools": ["ADA_24"]},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
        "workers": {"idleTimeout": 5},
    }
    CreateEndpoint.model_validate(body)
    async with httpx.AsyncClient(
        headers={"User-Agent": "bright-run/1", "Authorization": f"Bearer {runpod.KEY}"}
    ) as client:
        reply = await client.post(f"{rig.server.runpod_url}/v2/serverless", json=body | changes)
    assert reply.status_code == status and said in reply.text


# What is counted


LEASE = Lease(
    name="n",
    provider="runpod-serverless",
    state="live",
    provider_id="e",
    metered=True,
    quoted_per_hour=3.6,
    created_at=1000.0,
)


def look(lease: Lease, now: float, *workers: ServerlessWorker) -> Lease:
    return lease.model_copy(update=dict(counted(lease, workers, now)))


def test_only_the_time_in_which_workers_run_is_counted() -> None:
    """From when a worker says it began, at its price, to the first look that does not show it any more."""
    lease = look(LEASE, 1100.0)
    assert not lease.stretches and lease.spending(1100.0).total == 0
    lease = look(lease, 1200.0, ServerlessWorker("a", "initialising"))
    assert lease.spending(1200.0).total == 0, "one that waits for a GPU costs nothing"
    lease = look(lease, 1300.0, ServerlessWorker("a", "idle", seconds=50.0, per_hour=7.2))
    assert lease.spending(1300.0).total == pytest.approx(0.1) and lease.rate == 7.2
    lease = look(
        lease,
        1310.0,
        ServerlessWorker("a", "running", seconds=60.0, per_hour=7.2),
        ServerlessWorker("b", "idle", seconds=5.0),
    )
    assert lease.spending(1310.0).total == pytest.approx(0.12 + 0.005)
    lease = look(lease, 1315.0)
    lease = look(lease, 9000.0)
    assert lease.spending(9000.0).total == pytest.approx(0.13 + 0.01) and not lease.rate


def test_a_worker_that_ended_while_nobody_looked_is_not_counted_for_all_that_time() -> None:
    lease = look(LEASE, 1100.0, ServerlessWorker("a", "idle", seconds=10.0))
    assert look(lease, 9000.0).spending(9000.0).total == pytest.approx(70 * 3.6 / 3600)
    again = look(lease, 9000.0, ServerlessWorker("a", "idle", seconds=20.0))
    assert again.spending(9000.0).total == pytest.approx((70 + 20) * 3.6 / 3600), "it had ended, and was started again"
    same = look(lease, 9000.0, ServerlessWorker("a", "idle", seconds=7910.0))
    assert same.spending(9000.0).total == pytest.approx(7910 * 3.6 / 3600), "it ran all the time"


def test_a_year_of_workers_keeps_its_sum_in_few_stretches_and_its_months() -> None:
    lease, now = LEASE, 1000.0
    for _ in range(3 * MOST_STRETCHES):
        lease = look(lease, now + 10, ServerlessWorker("w", "idle", seconds=10.0))
        lease = look(lease, now + 20)
        now += 1000
    assert len(lease.stretches) <= MOST_STRETCHES + 1
    assert lease.spending(now).total == pytest.approx(3 * MOST_STRETCHES * 20 * 3.6 / 3600)
    half = now - MOST_STRETCHES / 2 * 1000
    late = lease.spending(now, half)
    assert late.total == pytest.approx(MOST_STRETCHES / 2 * 20 * 3.6 / 3600, rel=0.01)


def test_the_bill_raises_what_was_counted_at_once_and_takes_its_place_in_the_end() -> None:
    lease = look(LEASE, 1100.0, ServerlessWorker("a", "idle", seconds=100.0))
    assert lease.model_copy(update={"billed_usd": 0.5}).spending(1100.0).total == pytest.approx(0.5)
    assert lease.model_copy(update={"billed_usd": 0.01}).spending(1100.0).total == pytest.approx(0.1)
    ended = lease.model_copy(update={"billed_usd": 0.095, "state": "released", "released_at": 1100.0})
    assert ended.spending(1200.0).total == pytest.approx(0.095)
    json.loads(ended.model_dump_json())


async def _ask(rig: Rig, made: Machine) -> int:
    headers = {"User-Agent": "bright-run/1", "Authorization": f"Bearer {runpod.KEY}"}
    async with httpx.AsyncClient(headers=headers, timeout=60) as client:
        return (await client.get(f"{rig.provider.openai_url(made.provider_id)}/models")).status_code


async def _call(function: Any, *arguments: Any) -> Any:
    return function(*arguments)
