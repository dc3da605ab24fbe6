"""RunPod's serverless endpoints, through REST v2: RunPod's own vLLM worker behind an OpenAI-compatible address."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import Field, ValidationError

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import RejectedRequestError
from brightrun_tui.domain.money import GIB, Hardware, Offer
from brightrun_tui.domain.serverless import SUFFIX, ServedModel, lora_rank
from brightrun_tui.domain.spending import Bill
from brightrun_tui.hosts.boot import GuardOptions
from brightrun_tui.providers.amounts import Quantity, bill, distinct
from brightrun_tui.providers.base import Account, Machine, Need
from brightrun_tui.providers.gpus import peak_flops
from brightrun_tui.providers.http import NotFoundError
from brightrun_tui.providers.names import belongs_to, installation_of
from brightrun_tui.providers.offers import cheapest_first, gigabytes, shared_cache
from brightrun_tui.providers.runpod import LEAST_DISK_GB, SERVICE, RunPod
from brightrun_tui.providers.runpod_shapes import Tolerant, epoch
from brightrun_tui.providers.serverless import ServerlessWorker, WorkerStatus

INVOKE_URL = "https://api.runpod.ai/v2"
NO_ENDPOINT = "bright-run-has-no-such-endpoint"
VOLUME_MOUNT = "/runpod-volume"
"""Where a network volume lies in a worker."""
REQUEST_MILLISECONDS = 600_000
"""The longest that one request may compute; always sent, as the service's own default cannot be relied upon."""
QUEUE_SECONDS = 4
BILL_SLACK_SECONDS = 3600.0

_ID = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
_WORKER: dict[str, WorkerStatus] = {
    "RUNNING": "running",
    "IDLE": "idle",
    "INITIALIZING": "initialising",
    "THROTTLED": "throttled",
    "UNHEALTHY": "unhealthy",
}


class _Endpoint(Tolerant):
    id: str = Field(pattern=_ID.pattern)
    name: str | None = None
    createdAt: str | None = None


class _Worker(Tolerant):
    id: str = Field(min_length=1)
    status: str = ""
    gpuCount: Quantity = 1
    gpuTypeId: str | None = None
    uptimeSeconds: Quantity = None


class _Price(Tolerant):
    serverless: Quantity = None


class _GpuType(Tolerant):
    id: str
    name: str = ""
    pool: str | None = None
    memory: Quantity = None
    price: _Price = _Price()
    availability: str | None = None


class RunPodServerless(RunPod):
    """Implements `providers.serverless.Serverless`. Arguments as of `RunPod`; its machines are endpoints."""

    name = f"runpod{SUFFIX}"
    title = SERVICE
    things = "serverless endpoints"

    def __init__(self, token: str, **options: Any) -> None:
        super().__init__(token, **options)
        self._invoke_url = os.environ.get("BRIGHTRUN_RUNPOD_INVOKE_URL", INVOKE_URL).rstrip("/")
        self._offers = shared_cache(f"{self._url}/serverless", token, self._client.timings.offers_seconds)
        self._model: ServedModel | None = None
        self._prices: dict[str, float] = {}

    def serving(self, model: ServedModel) -> Self:
        mine = copy.copy(self)
        mine._model = model
        return mine

    async def check(self) -> Account:
        await self._endpoints()
        await self._client.may_change("DELETE", f"serverless/{NO_ENDPOINT}", kind="delete")
        return await self._balance_or_note()

    async def launch(
        self, offer: Offer, lease_name: str, ssh_public_key: str, *, disk: int, deadline: float
    ) -> Machine:
        model = self._model
        if model is None:
            raise RejectedRequestError(
                "an endpoint is made for a model", where=SERVICE, kind=ErrorKind.REJECTED, fix="use: brightrun deploy"
            )
        pool, _, gpu = offer.id.partition("/")
        others = sorted(one.id for one in await self._catalogue() if one.pool == pool and one.id != gpu)
        body: dict[str, Any] = {
            "name": lease_name,
            "type": "QUEUE",
            "image": self.settings.serverless_image,
            "disk": gigabytes(disk, LEAST_DISK_GB),
            "env": worker_environment(model),
            "gpu": {
                "pools": [pool],
                "count": 1,
                "minCudaVersion": self.settings.min_cuda,
                **({"excludedTypes": others} if others else {}),
            },
            "workers": {"min": 0, "max": model.most_workers, "idleTimeout": model.idle_seconds},
            "scaling": {"type": "QUEUE_DELAY", "queueDelay": QUEUE_SECONDS},
            "timeout": REQUEST_MILLISECONDS,
            "flashboot": "OFF",
            **({"networkVolumes": [model.volume]} if model.volume else {}),
        }
        self._offers.forget()
        document = await self._client.create("POST", "serverless", kind="create", body=body)
        try:
            return self._described(_Endpoint.model_validate(document))
        except ValidationError:
            raise self._client.unreadable("no endpoint in the answer", creating=True) from None

    async def inspect(self, provider_id: str) -> Machine | None:
        try:
            return self._described(
                self._read(await self._client.ask("GET", f"serverless/{_safe(provider_id)}", kind="read"))
            )
        except NotFoundError:
            pass  # the list must agree before an endpoint counts as gone
        return next((self._described(one) for one in await self._endpoints() if one.id == provider_id), None)

    async def list_ours(self, installation: str) -> list[Machine]:
        return [self._described(one) for one in await self._endpoints() if belongs_to(one.name or "", installation)]

    async def list_others(self, installation: str) -> list[Machine]:
        return [
            self._described(one)
            for one in await self._endpoints()
            if installation_of(one.name or "") not in ("", installation)
        ]

    async def terminate(self, provider_id: str) -> None:
        try:
            await self._client.ask("DELETE", f"serverless/{_safe(provider_id)}", kind="delete")
        except NotFoundError:
            return

    async def billed(self, machine_id: str, since: float) -> Bill | None:
        start = datetime.fromtimestamp(max(0.0, since - BILL_SLACK_SECONDS), UTC).strftime("%Y-%m-%dT%H:00:00Z")
        document = await self._client.ask(
            "GET",
            "billing/serverless",
            kind="read",
            params={"serverlessId": machine_id, "bucketSize": "hour", "startTime": start},
        )
        records = document.get("records") if isinstance(document, dict) else None
        if not isinstance(records, list):
            raise self._client.unreadable("billing without records")
        ours = distinct(one for one in records if isinstance(one, dict) and one.get("serverlessId") == machine_id)
        if any(one.get("totalAmount") is None for one in ours):
            raise self._client.unreadable("billing without amounts")
        try:
            return bill(ours, amount="totalAmount") if ours else None
        except ValueError as error:
            raise self._client.unreadable(str(error)) from None

    def guard_options(self, deadline: float) -> GuardOptions | None:  # type: ignore[override]
        return None  # a worker takes no program of ours: it ends by itself when nobody asks

    async def workers(self, provider_id: str) -> list[ServerlessWorker]:
        document = await self._client.ask("GET", f"serverless/{_safe(provider_id)}/workers", kind="read")
        listed = document.get("workers") if isinstance(document, dict) else None
        if not isinstance(listed, list):
            raise self._client.unreadable("workers without a list")
        try:
            found = [_Worker.model_validate(row) for row in listed]
        except ValidationError as error:
            raise self._client.unreadable(f"a worker with a strange {error.errors()[0]['loc'][:1]}") from None
        if any(one.gpuTypeId and one.gpuTypeId not in self._prices for one in found):
            self._prices = {one.id: one.price.serverless for one in await self._catalogue() if one.price.serverless}
        return [self._worker(one) for one in found]

    def openai_url(self, provider_id: str) -> str:
        return f"{self._invoke_url}/{_safe(provider_id)}/openai/v1"

    def _worker(self, worker: _Worker) -> ServerlessWorker:
        price = self._prices.get(worker.gpuTypeId or "")
        placed = worker.gpuTypeId is not None or worker.uptimeSeconds is not None
        return ServerlessWorker(
            id=worker.id,
            status=_WORKER.get(worker.status.upper(), "unknown"),
            seconds=(worker.uptimeSeconds or 0.0) if placed else None,
            per_hour=price * max(1, worker.gpuCount or 1) if price else None,
        )

    async def _search(self, need: Need) -> list[Offer]:
        offers = []
        for gpu in await self._catalogue():
            price = gpu.price.serverless
            if not gpu.pool or not price or not gpu.memory or gpu.availability not in ("LOW", "MEDIUM", "HIGH"):
                continue
            name = gpu.name or gpu.id
            hardware = Hardware(
                device="cuda", gpu=name, gpu_count=1, gpu_memory=int(gpu.memory * GIB), flops=peak_flops(name)
            )
            offers.append(
                Offer(
                    id=f"{gpu.pool}/{gpu.id}",
                    provider=self.name,
                    tier="secure",
                    price_per_hour=price,
                    hardware=hardware,
                )
            )
        return cheapest_first(offers, need)

    async def _catalogue(self) -> list[_GpuType]:
        """Return every GPU type, those that nobody offers among them. An answer without a list is not an empty one."""
        params = {
            "include": "AVAILABILITY",
            "product": "SERVERLESS",
            "count": "1",
            "minCudaVersion": self.settings.min_cuda,
        }
        document = await self._client.ask("GET", "catalog/gpus", kind="catalogue", params=params)
        rows = document.get("gpus") if isinstance(document, dict) else None
        if not isinstance(rows, list):
            raise self._client.unreadable("catalogue without GPUs")
        return list(_valid(rows))

    async def _endpoints(self) -> list[_Endpoint]:
        return [self._read(row) for row in await self._every("serverless", "endpoints")]

    def _read(self, row: Any) -> _Endpoint:
        try:
            return _Endpoint.model_validate(row)
        except ValidationError as error:
            raise self._client.unreadable(f"an endpoint with a strange {error.errors()[0]['loc'][:1]}") from None

    def _described(self, endpoint: _Endpoint) -> Machine:
        return Machine(
            provider=self.name,
            provider_id=endpoint.id,
            name=endpoint.name or "",
            status="running",
            created_at=epoch(endpoint.createdAt),
        )


def worker_environment(model: ServedModel) -> dict[str, str]:
    """Return what RunPod's vLLM worker is told. Whoever may read the endpoint reads it, so no secret is ever in it.

    The adapter is named as ``name=path``: vLLM takes no list of JSON objects, whatever the worker's documentation shows.
    """
    found = {
        "MODEL_NAME": _place(model.base, model),
        "OPENAI_SERVED_MODEL_NAME_OVERRIDE": "base" if model.adapter else model.name,
    }
    if model.base_revision and not model.volume:
        found["MODEL_REVISION"] = model.base_revision
    if model.context:
        found["MAX_MODEL_LEN"] = str(model.context)
    if model.quantised:
        found["QUANTIZATION"] = "bitsandbytes"
    if model.adapter:
        found |= {
            "ENABLE_LORA": "true",
            "MAX_LORAS": "1",
            "MAX_LORA_RANK": str(lora_rank(model.rank)),
            "LORA_MODULES": f"{model.name}={_place(model.adapter, model)}",
        }
    return found


def _place(path: str, model: ServedModel) -> str:
    return f"{VOLUME_MOUNT}/{path}" if model.volume else path


def _safe(provider_id: str) -> str:
    """Return an id as part of an address. What is not an id was never given out."""
    if not _ID.fullmatch(provider_id):
        raise NotFoundError("RunPod has no endpoint of that name", where=SERVICE, kind=ErrorKind.NOT_FOUND)
    return provider_id


def _valid(rows: Iterable[Any]) -> Iterable[_GpuType]:
    for row in rows:
        try:
            yield _GpuType.model_validate(row)
        except ValidationError:
            continue
