"""Fixtures for tests that rent: import them into a conftest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from brightrun_tui.domain.money import Offer
from brightrun_tui.hosts.connection import KeyPair, SshTimings, new_key_pair
from brightrun_tui.hosts.ssh import SshHost
from brightrun_tui.providers.base import Machine, Need
from brightrun_tui.providers.http import ProviderTimings
from brightrun_tui.providers.reach import host_for
from brightrun_tui.providers.runpod import RunPod
from brightrun_tui.providers.vast import Vast
from tests.clouds import runpod, vast
from tests.clouds.core import Cloud, Instance
from tests.clouds.server import CloudServer, why_not

GB = 10**9
FAST = ProviderTimings(pace=0, backoff_seconds=0.02, timeout_seconds=5, create_seconds=2, longest_wait_seconds=5)
FAST_SSH = SshTimings(connect_seconds=3, keepalive_seconds=0.5, retry_seconds=0.05, patience_seconds=10)
NEED = Need(gpu_memory=20 * 1024**3, disk=40 * GB)
OURS = "abcd1234"


async def until(fact: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait for a fact (a function, or an async one) to become true; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = fact()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, f"not true after {seconds} s: {fact}"
        await asyncio.sleep(0.03)


@dataclass
class Rig:
    """A provider of ours in front of its stand-in."""

    name: str
    server: CloudServer
    keys: KeyPair = field(default_factory=lambda: new_key_pair("test"))
    rented: int = 0
    open: list[Any] = field(default_factory=list)

    @property
    def cloud(self) -> Cloud:
        return self.server.runpod if self.name == "runpod" else self.server.vast

    def provider(self, token: str = "", timings: ProviderTimings = FAST, **options: Any) -> RunPod | Vast:
        made: RunPod | Vast
        if self.name == "runpod":
            made = RunPod(token or runpod.KEY, timings=timings, **options)
        else:
            made = Vast(token or vast.KEY, timings=timings, **options)
        self.open.append(made)
        return made

    async def offer(self, provider: RunPod | Vast) -> Offer:
        return (await provider.offers(NEED))[0]

    async def launch(
        self, provider: RunPod | Vast, *, seconds: float = 3600, installation: str = OURS, offer: Offer | None = None
    ) -> Machine:
        self.rented += 1
        offer = offer or await self.offer(provider)
        return await provider.launch(
            offer,
            f"br-{installation}-run-{self.rented}",
            self.keys.public,
            disk=NEED.disk,
            deadline=time.time() + seconds,
        )

    async def running(self, provider: RunPod | Vast, machine: Machine) -> Machine:
        async def look() -> Machine | None:
            now = await provider.inspect(machine.provider_id)
            return now if now and now.status == "running" and now.ssh_host else None

        found: Machine = await until(look)
        return found

    def instance(self, machine: Machine) -> Instance:
        return self.cloud.instances[machine.provider_id]

    def host(self, machine: Machine) -> SshHost:
        host = host_for(machine, self.keys.private, timings=FAST_SSH)
        self.open.append(host)
        return host

    def creates(self) -> int:
        return (
            self.cloud.count("POST", "/v2/pods") if self.name == "runpod" else self.cloud.count("PUT", "/api/v0/asks/")
        )


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudServer]:
    if reason := why_not():
        pytest.skip(reason)
    with CloudServer() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture(params=["runpod", "vast"])
async def rig(request: pytest.FixtureRequest, server: CloudServer) -> AsyncIterator[Rig]:
    made = Rig(request.param, server)
    yield made
    for thing in made.open:
        await thing.close()


@pytest.fixture
async def on_runpod(server: CloudServer) -> AsyncIterator[Rig]:
    made = Rig("runpod", server)
    yield made
    for thing in made.open:
        await thing.close()


@pytest.fixture
async def on_vast(server: CloudServer) -> AsyncIterator[Rig]:
    made = Rig("vast", server)
    yield made
    for thing in made.open:
        await thing.close()
