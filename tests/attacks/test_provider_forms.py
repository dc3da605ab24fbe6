"""Answers of providers that are JSON and of a form that no answer ever had: an error of that provider, in every call."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

import httpx
import pytest

from brightrun_tui import foreign_answers
from brightrun_tui.domain import humanize
from brightrun_tui.domain.errors import BrightrunError, ProviderError, UnclearError
from brightrun_tui.domain.money import Hardware, Offer
from brightrun_tui.providers.base import Machine, Need
from brightrun_tui.providers.http import ProviderTimings
from brightrun_tui.providers.runpod import RunPod
from brightrun_tui.providers.runpod_serverless import RunPodServerless
from brightrun_tui.providers.vast import Vast

Answers = dict[str, Any]
TIMINGS = ProviderTimings(pace=0, tries=1, offers_seconds=0)
NAME = "br-abcd1234-run-1"
POD = {
    "id": "p1",
    "name": NAME,
    "status": "RUNNING",
    "cost": 0.4,
    "ssh": {"direct": {"host": "192.0.2.1", "port": 22022, "username": "root"}},
    "env": {"PUBLIC_KEY": "k"},
    "gpu": {"id": "NVIDIA X"},
    "createdAt": "2026-11-30T10:00:00Z",
}
INSTANCE = {
    "id": 7,
    "label": NAME,
    "actual_status": "running",
    "intended_status": "running",
    "cur_state": "running",
    "next_state": "running",
    "public_ipaddr": "192.0.2.1",
    "ssh_host": "ssh5.vast.test",
    "ssh_port": 12345,
    "image_runtype": "jupyter",
    "ports": {"22/tcp": [{"HostIp": "0.0.0.0", "HostPort": "40022"}]},
    "machine_id": 9,
    "dph_total": 0.4,
    "storage_total_cost": 0.01,
    "start_date": 1764500000.0,
    "uptime_mins": 5.0,
}
GPU = {
    "id": "NVIDIA X",
    "name": "RTX 4090",
    "memory": 24,
    "pool": "ADA_24",
    "price": {"secure": 0.6, "community": 0.4, "serverless": 0.5},
    "availability": "HIGH",
    "dataCenters": [{"id": "EU-1"}],
    "cudaVersions": [{"version": "12.8", "available": True}],
}
OFFER = {"id": 5, "gpu_name": "RTX 4090", "num_gpus": 1, "gpu_ram": 24564, "cpu_cores": 32, "dph_base": 0.4}
CLOUDS: dict[str, tuple[type[RunPod | Vast], str, Answers]] = {
    "runpod": (
        RunPod,
        "p1",
        {
            "pods": {"pods": [POD], "pagination": {"hasNextPage": False}},
            "pods/p1": POD,
            "catalog/gpus": {"gpus": [GPU]},
            "graphql": {"data": {"myself": {"id": "u", "email": "e@x", "clientBalance": 5.0}}},
            "billing/pods": {"records": [{"podId": "p1", "totalAmount": 1.0, "diskAmount": 0.1}]},
            "account/ssh-keys": [],
        },
    ),
    "vast": (
        Vast,
        "7",
        {
            "users/current": {"id": 1, "email": "e", "credit": 5.0},
            "instances/7": {"instances": INSTANCE},
            "v1/instances": {"instances": [INSTANCE], "next_token": None},
            "bundles": {"offers": [OFFER]},
            "charges": {
                "results": [{"source": "instance-7", "amount": 1.0, "items": [{"type": "gpu", "amount": 1.0}]}]
            },
            "asks": {"success": True, "new_contract": 7},
        },
    ),
    "serverless": (
        RunPodServerless,
        "e1",
        {
            "serverless/e1/workers": {"workers": [{"id": "w", "status": "RUNNING", "gpuTypeId": "NVIDIA X"}]},
            "serverless/e1": {"id": "e1", "name": NAME, "createdAt": "2026-11-30T10:00:00Z"},
            "serverless": {"endpoints": [{"id": "e1", "name": NAME}], "pagination": {"hasNextPage": False}},
            "catalog/gpus": {"gpus": [GPU]},
            "billing/serverless": {"records": [{"serverlessId": "e1", "totalAmount": 1.0}]},
        },
    ),
}
ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 70_000, 10**30, 10**400, 1e12, float("inf"), float("nan"), [], {}, [5], {"a": 5}),
    *("", "x", "²", "1e999", "-5", "1.2.3.4\0", "\x1b[2J", "0001-01-01T00:00:00", "9999-12-31T23:59:59-23:59"),
)
HEADERS: tuple[dict[str, Any], ...] = (
    {},
    {"retry-after": "²".encode("latin-1")},
    {"retry-after": "9" * 400},
    {"retry-after": "nan"},
    {"x-ratelimit-reset": "²".encode("latin-1")},
)
REFUSALS: tuple[Any, ...] = (
    *(None, 5, "x", [], [1], {}, {"errors": 5}, {"detail": [1]}, {"msg": {"a": 1}, "error": 7}),
    {"error": "search_quota_exceeded"},
    {"msg": "API requests too frequent endpoint threshold=1.2.3"},
    {"msg": "too frequent threshold=."},
)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the cloud answers: ``answers`` by a part of the address, ``status``, ``headers``."""
    told: dict[str, Any] = {"answers": {}, "status": 200, "headers": {}}

    async def request(client: object, method: str, url: str, **_: object) -> httpx.Response:
        asked = httpx.Request(method, f"http://cloud.test/{url}")
        for part in sorted(told["answers"], key=len, reverse=True):
            if part in url:
                content = json.dumps(told["answers"][part]).encode()
                return httpx.Response(told["status"], headers=told["headers"], content=content, request=asked)
        return httpx.Response(404, content=b'{"detail": "no", "error": "not_found"}', request=asked)

    monkeypatch.setattr(foreign_answers, "request", request)
    return told


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, inner in document.items() if isinstance(document, dict) else enumerate(document[:1]):
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))
        else:
            yield (*path, key)


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    whole = place = copy.deepcopy(document)
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return whole


def calls(provider: RunPod | Vast, machine: str) -> Iterator[tuple[str, Callable[[], Awaitable[Any]]]]:
    yield "check", provider.check
    yield "offers", lambda: provider.offers(Need(gpu_memory=1 << 30, disk=1 << 30))
    yield "inspect", lambda: provider.inspect(machine)
    yield "list_ours", lambda: provider.list_ours("abcd1234")
    yield "list_others", lambda: provider.list_others("ffff0000")
    yield "terminate", lambda: provider.terminate(machine)
    yield "resume", lambda: provider.resume(machine)
    yield "billed", lambda: provider.billed(machine, 1764500000.0)
    if isinstance(provider, RunPodServerless):
        yield "workers", lambda: provider.workers(machine)


@asynccontextmanager
async def opened(cloud: str) -> AsyncIterator[RunPod | Vast]:
    provider = CLOUDS[cloud][0]("key-0123456789abcdef", timings=TIMINGS)
    yield provider
    await provider.close()


def shown(found: Any) -> None:
    """What screens and the store make of an answer: its times can be told, and its ports be connected to."""
    for one in found if isinstance(found, list) else [found]:
        if isinstance(one, Machine):
            assert all(0 < port < 1 << 16 for _, port in [("", one.ssh_port), *one.other_ssh])
            assert Machine.model_validate_json(one.model_dump_json()) == one
            for moment in (one.created_at, one.running_since):
                humanize.date(moment), humanize.day(moment), humanize.ago(moment)


async def ask_everything(provider: RunPod | Vast, machine: str, label: str, failures: dict[str, str]) -> None:
    for name, call in calls(provider, machine):
        try:
            shown(await call())
        except BrightrunError:
            continue
        except Exception as error:
            failures.setdefault(f"{name}: {error!r}", label)


@pytest.mark.parametrize("cloud", CLOUDS)
async def test_whatever_stands_in_an_answer_of_a_provider_is_its_error_alone(cloud: str, told: dict[str, Any]) -> None:
    """A port of “²” or 70,000, a machine of the year 1, a list where there was an object: engine and verbs had an error that
    nobody foresaw, again and again, and a machine that cannot be read was paid for meanwhile.
    """
    failures: dict[str, str] = {}
    _, machine, answers = CLOUDS[cloud]
    async with opened(cloud) as provider:
        for part, document in answers.items():
            for path in places(document):
                for value in ODD:
                    told["answers"] = answers | {part: put(document, path, value)}
                    await ask_everything(provider, machine, f"{part} {path} = {str(value)[:20]!r}", failures)
    assert failures == {}


@pytest.mark.parametrize("cloud", CLOUDS)
async def test_whatever_a_refusal_of_a_provider_looks_like_it_is_one(cloud: str, told: dict[str, Any]) -> None:
    failures: dict[str, str] = {}
    _, machine, answers = CLOUDS[cloud]
    async with opened(cloud) as provider:
        for status, headers, refusal in product((400, 401, 403, 404, 429, 500, 302), HEADERS, REFUSALS):
            told.update(status=status, headers=headers, answers=dict.fromkeys(answers, refusal))
            await ask_everything(provider, machine, f"{status} {headers} {refusal}", failures)
    assert failures == {}


async def test_a_created_machine_of_another_form_is_looked_for_by_name(told: dict[str, Any]) -> None:
    """It may have been rented: an unclear answer, and never an error that leaves it unwatched."""
    offer = Offer(id="SECURE/NVIDIA X/1", provider="runpod", price_per_hour=0.4, hardware=Hardware(device="cuda"))
    for document in (POD | {"env": [1]}, POD | {"ssh": 5}, [POD], POD | {"gpu": "X"}, {"id": {"a": 1}}):
        told["answers"] = {"pods": document}
        provider = RunPod("key-0123456789abcdef", timings=TIMINGS)
        with pytest.raises(UnclearError):
            await provider.launch(offer, NAME, "k", disk=1 << 30, deadline=2e9)
        await provider.close()


async def test_a_new_kind_of_provider_is_held_to_the_same(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its own code makes of an answer."""

    class Odd(RunPod):
        async def list_ours(self, installation: str) -> list[Machine]:
            return [(await self._client.ask("GET", "pods", kind="read"))["nothing"]["here"]]

    told["answers"] = {"pods": []}
    provider = Odd("key-0123456789abcdef", timings=TIMINGS)
    with pytest.raises(ProviderError, match="another form"):
        await provider.list_ours("abcd1234")
    await provider.close()
