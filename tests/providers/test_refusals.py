"""Each way in which a provider says no: the right error, the right exit code, and no storm of requests."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable

import pytest

from brightrun_tui.domain.error_kinds import ExitCode
from brightrun_tui.domain.errors import (
    BadCredentialError,
    BrightrunError,
    EdgeBlockedError,
    MissingScopeError,
    NoCapacityError,
    NoFundsError,
    ProviderDownError,
    RateLimitedError,
    RejectedRequestError,
)
from brightrun_tui.providers.http import ProviderTimings
from brightrun_tui.providers.runpod import RunPod
from brightrun_tui.providers.runpod_settings import RunPodSettings
from brightrun_tui.providers.vast import Vast
from brightrun_tui.providers.vast_settings import VastSettings
from tests.clouds import runpod, vast
from tests.clouds.fixtures import FAST, NEED, Rig

ONE_SECOND = ProviderTimings(pace=0, backoff_seconds=0.02, longest_wait_seconds=5, tries=3)


async def refused(call: Awaitable[object], error: type[BrightrunError], exit_code: ExitCode) -> BrightrunError:
    with pytest.raises(error) as caught:
        await call
    assert caught.value.exit_code == exit_code
    assert caught.value.where and caught.value.what
    return caught.value


async def test_a_wrong_key_is_called_that_after_one_request(rig: Rig) -> None:
    error = await refused(rig.provider("wrong-key-1234").check(), BadCredentialError, ExitCode.NOT_CONNECTED)
    assert len(rig.cloud.requests) == 1
    assert "connect" in error.fix


async def test_a_wrong_key_is_recognised_on_every_route(rig: Rig) -> None:
    provider = rig.provider("wrong-key-1234")
    await refused(provider.offers(NEED), BadCredentialError, ExitCode.NOT_CONNECTED)
    await refused(provider.list_ours("abcd1234"), BadCredentialError, ExitCode.NOT_CONNECTED)
    await refused(provider.inspect("1"), BadCredentialError, ExitCode.NOT_CONNECTED)
    assert len(rig.cloud.requests) == 3


async def test_a_key_without_the_scope_is_told_from_a_wrong_one(rig: Rig) -> None:
    key = runpod.NO_PODS_KEY if rig.name == "runpod" else vast.NO_INSTANCES_KEY
    await refused(rig.provider(key).check(), MissingScopeError, ExitCode.NOT_CONNECTED)
    assert len(rig.cloud.requests) == 2


async def test_a_read_only_key_cannot_rent_and_is_said_to_when_it_is_tested(rig: Rig) -> None:
    """Found out without changing anything: it is not a green tick."""
    provider = rig.provider(runpod.READ_ONLY_KEY if rig.name == "runpod" else vast.READ_ONLY_KEY)
    error = await refused(provider.check(), MissingScopeError, ExitCode.NOT_CONNECTED)
    assert error.what == "the API key reads, but cannot rent or return machines"
    await refused(rig.launch(provider), MissingScopeError, ExitCode.NOT_CONNECTED)
    assert not rig.cloud.alive() and rig.creates() == 1


async def test_an_edge_block_is_not_blamed_on_the_key(rig: Rig) -> None:
    rig.cloud.faults.set("edge_block")
    await refused(rig.provider().check(), EdgeBlockedError, ExitCode.NOT_CONNECTED)
    assert len(rig.cloud.requests) == 1


@pytest.mark.parametrize("fault", ["api_down", "plain_error"])
async def test_a_provider_that_is_down_is_asked_a_few_times_only(rig: Rig, fault: str) -> None:
    rig.cloud.faults.set(fault)
    await refused(rig.provider().check(), ProviderDownError, ExitCode.NOT_CONNECTED)
    assert len(rig.cloud.requests) == FAST.tries


async def test_a_short_outage_is_not_noticed(rig: Rig) -> None:
    rig.cloud.faults.set("api_down", count=2)
    assert (await rig.provider().check()).balance_usd == pytest.approx(50.0)


async def test_nobody_at_the_address_is_provider_down(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BRIGHTRUN_RUNPOD_URL", "BRIGHTRUN_RUNPOD_GRAPHQL_URL", "BRIGHTRUN_VAST_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    await refused(rig.provider().check(), ProviderDownError, ExitCode.NOT_CONNECTED)


@pytest.mark.parametrize("fault", ["rate_limit", "rate_limit_plain"])
async def test_too_many_requests_is_waited_out(rig: Rig, fault: str) -> None:
    rig.cloud.faults.set(fault, count=1, value=1)
    before = time.monotonic()
    await rig.provider().list_ours("abcd1234")
    waited = time.monotonic() - before
    assert len(rig.cloud.requests) == 2
    assert waited >= (1.0 if fault == "rate_limit" else 0.02)


async def test_a_provider_that_asks_for_an_hour_of_patience_gets_an_error(rig: Rig) -> None:
    rig.cloud.faults.set("rate_limit", value=3600)
    error = await refused(rig.provider().list_ours("abcd1234"), RateLimitedError, ExitCode.FAILED)
    assert isinstance(error, RateLimitedError) and error.retry_after == 3600
    assert len(rig.cloud.requests) == 1


async def test_a_used_up_search_quota_is_not_hammered(on_vast: Rig) -> None:
    on_vast.cloud.faults.set("search_quota")
    error = await refused(on_vast.provider().offers(NEED), RateLimitedError, ExitCode.FAILED)
    assert error.kind == "quota" and on_vast.cloud.count("POST", "/api/v0/bundles/") == 1


async def test_no_money_is_a_matter_of_budget(rig: Rig) -> None:
    rig.cloud.faults.set("no_funds")
    await refused(rig.launch(rig.provider()), NoFundsError, ExitCode.BUDGET)
    assert rig.creates() == 1 and not rig.cloud.alive()


async def test_no_free_machine_is_no_capacity(rig: Rig) -> None:
    provider = rig.provider()
    offer = await rig.offer(provider)
    rig.cloud.faults.set("no_capacity")
    await refused(rig.launch(provider, offer=offer), NoCapacityError, ExitCode.NO_CAPACITY)
    assert rig.creates() == 1 and not rig.cloud.alive()


async def test_an_offer_that_somebody_else_took_is_no_capacity(on_vast: Rig) -> None:
    provider = on_vast.provider()
    offer = await on_vast.offer(provider)
    await on_vast.launch(provider, offer=offer)
    await refused(on_vast.launch(provider, offer=offer), NoCapacityError, ExitCode.NO_CAPACITY)


async def test_a_request_that_breaks_a_rule_is_rejected_once(rig: Rig) -> None:
    settings = RunPodSettings(image="does-not-exist") if rig.name == "runpod" else VastSettings(image="x" * 2000)
    provider = rig.provider(settings=settings)
    error = await refused(rig.launch(provider), RejectedRequestError, ExitCode.FAILED)
    assert rig.creates() == 1 and not rig.cloud.alive()
    assert "config.toml" in error.fix


async def test_the_balance_is_unknown_when_graphql_is_gone_but_the_key_still_works(on_runpod: Rig) -> None:
    for fault in ("graphql_gone", "graphql_errors"):
        on_runpod.cloud.faults.clear()
        on_runpod.cloud.faults.set(fault)
        account = await on_runpod.provider().check()
        assert account.balance_usd is None and "balance unknown" in account.notes[0]


async def test_no_secret_reaches_a_log_or_an_error(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    provider = rig.provider()
    machine = await rig.launch(provider)
    key, scoped = next(iter(rig.cloud.keys)), rig.instance(machine).scoped_key
    await rig.running(provider, machine)
    said = [str(await refused(rig.provider("wrong-key-1234").check(), BadCredentialError, ExitCode.NOT_CONNECTED))]
    await provider.terminate(machine.provider_id)
    everything = "\n".join([*said, caplog.text])
    for secret in (key, scoped, "wrong-key-1234", "must-not-be-logged"):
        assert secret not in everything


async def test_the_clients_pace_keeps_within_the_providers_thresholds(on_vast: Rig) -> None:
    """Twenty lists and a rental in a row, at a fiftieth of the real thresholds: not one 429."""
    on_vast.server.vast.pace = 0.02
    provider = on_vast.provider(timings=FAST.model_copy(update={"pace": 0.02}))
    for _ in range(20):
        await provider.list_ours("abcd1234")
    machine = await on_vast.launch(provider)
    for _ in range(5):
        await provider.inspect(machine.provider_id)
    assert 429 not in {request.status for request in on_vast.cloud.requests}


def test_the_real_addresses_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BRIGHTRUN_RUNPOD_URL", "BRIGHTRUN_VAST_URL"):
        monkeypatch.delenv(name, raising=False)
    assert RunPod("k").guard_options(0).url == "https://api.runpod.io/v2"
    assert Vast("k").guard_options(0).url == "https://console.vast.ai"
