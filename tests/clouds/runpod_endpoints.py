"""RunPod's serverless part: endpoints, workers that come when they are asked and go when they are not, and their bill.

A worker is a real process with a real model, see `vllm_worker`; what it is told is read as vLLM reads it.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import secrets
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import httpx
from pydantic import Field, ValidationError, model_validator
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tests import preloaded
from tests.clouds.gate import BrokenOff
from tests.clouds.runpod_schema import Cpu, Strict, problems
from tests.clouds.wording import iso, ok, problem

if TYPE_CHECKING:
    from tests.clouds.runpod import RunPod

Files = dict[str, bytes]

POOLS = {
    "NVIDIA GeForce RTX 4090": ("ADA_24", 1.10),
    "NVIDIA RTX A5000": ("ADA_24", 0.69),
    "NVIDIA RTX A4000": ("AMPERE_16", 0.58),
    "NVIDIA L40S": ("ADA_48_PRO", 1.90),
    "NVIDIA A100 80GB PCIe": ("AMPERE_80", 2.72),
}
"""Pool and US dollars an hour of a worker with one such GPU."""


class Gpu(Strict):
    pools: Annotated[list[str], Field(min_length=1)]
    excludedTypes: list[Annotated[str, Field(pattern=r"^\s*[^-\s]")]] = Field(default_factory=list)
    count: Annotated[int, Field(ge=1)] = 1
    allowedCudaVersions: list[Annotated[str, Field(pattern=r"^\d+\.\d+$")]] | None = None
    minCudaVersion: Annotated[str, Field(pattern=r"^\d+\.\d+$")] | None = None


class Workers(Strict):
    min: Annotated[int, Field(ge=0)] = 0
    max: Annotated[int, Field(ge=0)] = 3
    idleTimeout: Annotated[int, Field(ge=1, le=3600)] = 10


class QueueDelay(Strict):
    type: Literal["QUEUE_DELAY"]
    queueDelay: Annotated[float, Field(ge=0.5)]


class RequestCount(Strict):
    type: Literal["REQUEST_COUNT"]
    requestCount: Annotated[int, Field(ge=1)]


class CreateEndpoint(Strict):
    name: Annotated[str, Field(min_length=1)]
    type: Literal["QUEUE", "LOAD_BALANCER"]
    scaling: Annotated[QueueDelay | RequestCount, Field(discriminator="type")]
    image: str | None = None
    templateId: Annotated[str, Field(min_length=1)] | None = None
    args: str = ""
    disk: Annotated[int, Field(ge=1)] = 20
    ports: list[str] = Field(default_factory=list)
    env: dict[str, str] = Field(default_factory=dict)
    registry: str | None = None
    gpu: Gpu | None = None
    cpu: Annotated[list[Cpu], Field(min_length=1)] | None = None
    dataCenterIds: list[str] = Field(default_factory=list)
    networkVolumes: list[str] = Field(default_factory=list)
    timeout: int = 300000
    flashboot: Literal["OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT"] = "OFF"
    workers: Workers = Workers()

    @model_validator(mode="after")
    def _whole(self) -> CreateEndpoint:
        if self.image is None and self.templateId is None:
            raise ValueError("missing property 'image'")
        if self.type == "LOAD_BALANCER" and self.scaling.type != "REQUEST_COUNT":
            raise ValueError("a load balancer scales on 'requestCount'")
        if (self.type, self.scaling.type) == (
            "QUEUE",
            "REQUEST_COUNT",
        ) and "idleTimeout" in self.workers.model_fields_set:
            raise ValueError("workers.idleTimeout is not applicable")
        return self


def broken_rule(wanted: CreateEndpoint, known: set[str]) -> str:
    """The sentence of a 400; empty where there is none. ``known``: the catalogue's GPU types."""
    gpu = wanted.gpu
    if (gpu is None) == (wanted.cpu is None):
        return "exactly one of gpu or cpu must be set"
    if gpu is None:
        return ""
    if gpu.minCudaVersion and gpu.allowedCudaVersions:
        return "gpu.minCudaVersion and gpu.allowedCudaVersions are mutually exclusive"
    types = {name for name, (pool, _price) in POOLS.items() if pool in gpu.pools and name in known}
    if not types:
        return f"no such pool: {', '.join(gpu.pools)}"
    if strange := [one for one in gpu.excludedTypes if one.strip() not in types]:
        return f"gpu.excludedTypes: {strange[0]} is not in these pools"
    return "" if types - {one.strip() for one in gpu.excludedTypes} else "the selection leaves no GPU type"


@dataclass
class Worker:
    """``status`` as RunPod calls it; ``since`` when it began to cost, None while it waits for a GPU."""

    id: str
    status: str
    gpu: str = ""
    since: float | None = None
    port: int = 0
    process: preloaded.Forked | None = None
    life: asyncio.Task[None] | None = None


@dataclass
class Endpoint:
    """One endpoint, with the provider's own view of it."""

    id: str
    name: str
    created: float
    wanted: CreateEndpoint
    foreign: bool = False
    alive: bool = True
    workers: list[Worker] = field(default_factory=list)
    asked: int = 0
    answering: int = 0
    idle_since: float = 0.0
    touched: int = 0


class Endpoints:
    """The serverless part of one account.

    Attributes:
        repository: the files of a model at the Hub at a revision (empty: the main branch), as a worker without a token gets them;
            None where it gets none.
        queue_seconds: how long a request waits for a worker before the service gives it up, in cloud seconds.
        fresh: extra seconds that a worker takes to start.
    """

    def __init__(self, cloud: RunPod) -> None:
        self.cloud = cloud
        self.found: dict[str, Endpoint] = {}
        self.repository: Callable[[str, str], Files | None] = lambda _name, _revision: None
        self.queue_seconds = 20.0
        self.fresh = 0.0
        self.started = 0
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(120.0, connect=2.0), trust_env=False)
        self._watch: asyncio.Task[None] | None = None

    def routes(self) -> list[Route]:
        return [
            Route("/v2/serverless", self.list),
            Route("/v2/serverless", self.create, methods=["POST"]),
            Route("/v2/serverless/{id}", self.get),
            Route("/v2/serverless/{id}", self.delete, methods=["DELETE"]),
            Route("/v2/serverless/{id}/workers", self.workers),
            Route("/v2/billing/serverless", self.billing),
            Route("/invoke/{id}/openai/v1/{path:path}", self.invoke, methods=["GET", "POST"]),
        ]

    def alive(self, *, foreign: bool = False) -> list[Endpoint]:
        return [one for one in self.found.values() if one.alive and one.foreign == foreign]

    def add_foreign(self, name: str) -> Endpoint:
        """Somebody else's endpoint on the same account."""
        wanted = CreateEndpoint.model_validate(
            {
                "name": name,
                "type": "QUEUE",
                "image": "somebody/else:1",
                "gpu": {"pools": ["ADA_24"]},
                "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4.0},
            }
        )
        return self._new(wanted, foreign=True)

    # -- the API ----------------------------------------------------------------------------------------------

    async def list(self, request: Request) -> Response:
        if refusal := self.cloud.refuse(request):
            return refusal
        if self.cloud.faults.hit("list_null"):
            return ok({"endpoints": None})
        listed = [one for one in self.found.values() if one.alive]
        if self.alive() and self.cloud.faults.hit("list_misses"):
            newest = max(self.alive(), key=lambda one: one.created)
            listed = [one for one in listed if one is not newest]
        return ok({"endpoints": [self._document(one) for one in listed]})

    async def create(self, request: Request) -> Response:
        if refusal := self.cloud.refuse(request, write=True):
            return refusal
        try:
            body = json.loads(await request.body())
            wanted = CreateEndpoint.model_validate(body)
        except ValueError as error:
            listed = problems(error, body) if isinstance(error, ValidationError) else ["$: not JSON"]
            return problem(422, "Request validation failed.", errors=listed)
        if rule := broken_rule(wanted, set(POOLS)):
            return problem(400, rule)
        faults = self.cloud.faults
        if faults.hit("no_funds") or self.cloud.balance <= 0:
            return problem(402, "insufficient balance: add funds to your account")
        if faults.hit("create_500_nothing"):
            return problem(500, "internal server error")
        made = self._new(wanted)
        if faults.hit("create_500"):
            return problem(500, "internal server error")
        if hang := faults.hit("create_hangs"):
            await asyncio.sleep(self.cloud.clock.real(float(hang.value or 5)))
            return BrokenOff()
        if faults.hit("create_odd"):
            return PlainTextResponse("ok", 201)
        return ok(self._document(made), 201)

    async def get(self, request: Request) -> Response:
        if refusal := self.cloud.refuse(request):
            return refusal
        found = self._named(request)
        if found is None or self.cloud.faults.hit("get_misses"):
            return problem(404, "resource not found")
        return ok(self._document(found))

    async def delete(self, request: Request) -> Response:
        if refusal := self.cloud.refuse(request, write=True):
            return refusal
        found = self._named(request)
        if found is None:
            return problem(404, "resource not found")
        if self.cloud.faults.hit("delete_fails"):
            return problem(500, "internal server error")
        found.touched += 1
        if not self.cloud.faults.hit("delete_ignored"):
            await self.end(found)
        return Response(status_code=204)

    async def workers(self, request: Request) -> Response:
        if refusal := self.cloud.refuse(request):
            return refusal
        found = self._named(request)
        if found is None:
            return problem(404, "resource not found")
        if self.cloud.faults.hit("workers_odd"):
            return ok({"workers": "two", "summary": None})
        counts = dict.fromkeys(("running", "idle", "initializing", "throttled", "unhealthy"), 0)
        for one in found.workers:
            counts[one.status.lower()] += 1
        summary = counts | {"total": len(found.workers)}
        return ok({"endpointVersion": 1, "summary": summary, "workers": [self._worker(one) for one in found.workers]})

    async def billing(self, request: Request) -> Response:
        if refusal := self.cloud.refuse(request):
            return refusal
        query = request.query_params
        if "lastN" in query and ("startTime" in query or "endTime" in query):
            return problem(400, "lastN and startTime/endTime are mutually exclusive")
        late = self.cloud.faults.hit("bill_late") is not None
        wanted = query.get("serverlessId")
        records = [
            self._record(one)
            for one in self.found
            if one in self.cloud.ledger.accounts and not late and wanted in (None, one)
        ]
        names = ("totalAmount", "gpuAmount", "cpuAmount", "diskAmount", "feeAmount")
        totals = {name: math.fsum(record[name] for record in records) for name in names}
        metadata = {
            "query": dict(query),
            "recordCount": len(records),
            "totals": totals,
            "uniqueServerlessCount": len(records),
        }
        return ok({"records": records, "metadata": metadata})

    # -- asking the model -------------------------------------------------------------------------------------

    async def invoke(self, request: Request) -> Response:
        """What somebody asks in OpenAI's form: it waits for a worker, which is started where there is none."""
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.cloud.keys:
            return problem(401, "missing bearer token")
        found = self._named(request)
        if found is None:
            return problem(404, "resource not found")
        if fault := self.cloud.faults.hit("invoke_status"):
            return PlainTextResponse("no", int(fault.value or 500))
        found.asked += 1
        found.answering += 1
        streams = False
        try:
            worker = await self._have_worker(found)
            if worker is None:
                return HTMLResponse("<html>upstream request timeout</html>", 504)
            worker.status = "RUNNING"
            sent = self._client.build_request(
                request.method,
                f"http://127.0.0.1:{worker.port}/v1/{request.path_params['path']}",
                content=await request.body(),
                headers={"content-type": "application/json"},
            )
            reply = await self._client.send(sent, stream=True)
            streams = True

            async def pieces() -> AsyncIterator[bytes]:
                try:
                    async for piece in reply.aiter_raw():
                        yield piece
                finally:
                    await reply.aclose()
                    self._answered(found, worker)

            return StreamingResponse(pieces(), reply.status_code, media_type=reply.headers.get("content-type"))
        except httpx.HTTPError:
            return problem(500, "the worker broke off")
        finally:
            if not streams:
                self._answered(found, None)

    def _answered(self, endpoint: Endpoint, worker: Worker | None) -> None:
        endpoint.answering -= 1
        endpoint.idle_since = self.cloud.clock.now()
        if worker is not None and worker.status == "RUNNING" and not endpoint.answering:
            worker.status = "IDLE"

    async def _have_worker(self, endpoint: Endpoint) -> Worker | None:
        deadline = self.cloud.clock.now() + self.queue_seconds
        while endpoint.alive and self.cloud.clock.now() < deadline:
            if not endpoint.workers and endpoint.wanted.workers.max:
                self._start(endpoint)
            for worker in endpoint.workers:
                if worker.status in ("IDLE", "RUNNING"):
                    return worker
            await asyncio.sleep(0.05)
        return None

    # -- the life of a worker ---------------------------------------------------------------------------------

    def _start(self, endpoint: Endpoint) -> None:
        self._watch = self._watch or asyncio.get_running_loop().create_task(self._scale_down())
        gpu = endpoint.wanted.gpu
        assert gpu is not None
        left = [one for one in POOLS if POOLS[one][0] in gpu.pools and one not in gpu.excludedTypes]
        worker = Worker(secrets.token_hex(4), "INITIALIZING", left[0])
        endpoint.workers.append(worker)
        self.started += 1
        if self.cloud.faults.hit("no_capacity"):
            worker.status, worker.gpu = "THROTTLED", ""
            worker.life = asyncio.get_running_loop().create_task(self._throttled(endpoint, worker))
            return
        worker.life = asyncio.get_running_loop().create_task(self._live(endpoint, worker))

    async def _throttled(self, endpoint: Endpoint, worker: Worker) -> None:
        while any(fault.name == "no_capacity" for fault in self.cloud.faults.on()):
            await asyncio.sleep(0.05)
        endpoint.workers.remove(worker)

    async def _live(self, endpoint: Endpoint, worker: Worker) -> None:
        worker.since = self.cloud.clock.now()
        price = POOLS[worker.gpu][1] * endpoint.wanted.gpu.count  # type: ignore[union-attr]
        self.cloud.ledger.rate(endpoint.id, f"gpu {worker.id}", price)
        broken, never = self.cloud.faults.hit("starts_broken"), self.cloud.faults.hit("never_ready")
        await asyncio.sleep(self.cloud.clock.real(self.fresh))
        if broken:
            worker.status = "UNHEALTHY"
        if broken or never:
            return
        directory = self.cloud.directory / f"worker-{worker.id}"
        try:
            told = self._unpack(endpoint.wanted, directory)
        except ValueError as error:
            worker.status = "UNHEALTHY"
            (self.cloud.directory / "worker.log").write_text(str(error))
            return
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            worker.port = free.getsockname()[1]
        with (self.cloud.directory / "worker.log").open("ab") as log, open(os.devnull) as nothing:
            starting = asyncio.create_task(
                asyncio.to_thread(
                    preloaded.fork,
                    "tests.clouds.vllm_worker",
                    [json.dumps(told), str(worker.port)],
                    {name: value for name, value in os.environ.items() if not name.endswith(("KEY", "TOKEN"))},
                    [nothing.fileno(), log.fileno(), log.fileno()],
                )
            )
            try:
                worker.process = await asyncio.shield(starting)
            except asyncio.CancelledError:
                (await starting).kill()
                raise
        while worker.process.poll() is None:
            with suppress(httpx.HTTPError):
                if (await self._client.get(f"http://127.0.0.1:{worker.port}/health")).status_code == 200:
                    worker.status = "IDLE"
                    endpoint.idle_since = self.cloud.clock.now()
                    return
            await asyncio.sleep(0.1)
        worker.status = "UNHEALTHY"

    def _unpack(self, wanted: CreateEndpoint, directory: Path) -> dict[str, Any]:
        """What the worker is told, read as vLLM reads it, its model laid down. Raises ``ValueError`` as vLLM would end."""
        env = wanted.env
        told: dict[str, Any] = {
            "base": str(self._fetch(env["MODEL_NAME"], env.get("MODEL_REVISION", ""), directory / "base")),
            "names": [env.get("OPENAI_SERVED_MODEL_NAME_OVERRIDE") or env["MODEL_NAME"]],
            "nf4": env.get("QUANTIZATION") == "bitsandbytes",
            "length": int(env.get("MAX_MODEL_LEN") or 0),
        }
        if env.get("ENABLE_LORA") == "true":
            given = env["LORA_MODULES"]
            if given.startswith("["):
                raise ValueError("Invalid fields for --lora-modules")
            module = (
                json.loads(given)
                if given.startswith("{")
                else dict(zip(("name", "path"), given.split("=", 1), strict=True))
            )
            adapter = self._fetch(module["path"], "", directory / "adapter")
            rank = json.loads((adapter / "adapter_config.json").read_text())["r"]
            if rank > int(env.get("MAX_LORA_RANK", "16")):
                raise ValueError(f"LoRA rank {rank} is greater than max_lora_rank")
            told |= {"adapter": str(adapter), "adapter_name": module["name"]}
        return told

    def _fetch(self, name: str, revision: str, target: Path) -> Path:
        files = self.repository(name, revision)
        if files is None:
            raise ValueError(f"{name} is not a repository that can be read without a token")
        for file, data in files.items():
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            (target / file).write_bytes(data)
        return target

    async def _scale_down(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            now = self.cloud.clock.now()
            for endpoint in self.found.values():
                idle = now - endpoint.idle_since > endpoint.wanted.workers.idleTimeout
                if endpoint.alive and not endpoint.answering and idle:
                    for worker in [one for one in endpoint.workers if one.status == "IDLE"]:
                        await self._end_worker(endpoint, worker)

    async def _end_worker(self, endpoint: Endpoint, worker: Worker) -> None:
        self.cloud.ledger.rate(endpoint.id, f"gpu {worker.id}", 0.0)
        if worker in endpoint.workers:
            endpoint.workers.remove(worker)
        if worker.life is not None:
            worker.life.cancel()
            await asyncio.gather(worker.life, return_exceptions=True)
        if worker.process is not None:
            worker.process.kill()
            await asyncio.to_thread(worker.process.wait)
        shutil.rmtree(self.cloud.directory / f"worker-{worker.id}", ignore_errors=True)

    async def end(self, endpoint: Endpoint) -> None:
        """Deleted: its workers end, and it costs nothing from now on."""
        endpoint.alive = False
        for worker in list(endpoint.workers):
            await self._end_worker(endpoint, worker)

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        for endpoint in self.found.values():
            await self.end(endpoint)
        await self._client.aclose()

    # -- shapes -----------------------------------------------------------------------------------------------

    def _new(self, wanted: CreateEndpoint, *, foreign: bool = False) -> Endpoint:
        made = Endpoint(self.cloud.new_id(), wanted.name, self.cloud.clock.now(), wanted, foreign)
        self.found[made.id] = made
        return made

    def _named(self, request: Request) -> Endpoint | None:
        found = self.found.get(request.path_params["id"])
        return found if found is not None and found.alive else None

    def _document(self, endpoint: Endpoint) -> dict[str, Any]:
        wanted, base = endpoint.wanted, f"https://api.runpod.ai/v2/{endpoint.id}"
        gpu = wanted.gpu.model_dump() if wanted.gpu else None
        return {
            "id": endpoint.id,
            "name": endpoint.name,
            "type": wanted.type,
            "requestUrls": {
                "run": f"{base}/run",
                "runSync": f"{base}/runsync",
                "status": f"{base}/status/{{job_id}}",
                "stream": f"{base}/stream/{{job_id}}",
                "cancel": f"{base}/cancel/{{job_id}}",
                "retry": f"{base}/retry/{{job_id}}",
                "purgeQueue": f"{base}/purge-queue",
                "health": f"{base}/health",
            },
            "image": wanted.image,
            "args": wanted.args,
            "disk": wanted.disk,
            "ports": wanted.ports,
            "env": wanted.env,
            "registry": None,
            "gpu": gpu and gpu | {"allowedCudaVersions": gpu["allowedCudaVersions"] or []},
            "workers": wanted.workers.model_dump(),
            "scaling": wanted.scaling.model_dump(),
            "dataCenterIds": wanted.dataCenterIds,
            "networkVolumes": wanted.networkVolumes,
            "timeout": wanted.timeout,
            "flashboot": wanted.flashboot,
            "createdAt": iso(endpoint.created),
            "someNewField": {"unknown": True},
        }

    def _worker(self, worker: Worker) -> dict[str, Any]:
        running = None if worker.since is None else int(self.cloud.clock.now() - worker.since)
        return {
            "id": worker.id,
            "status": worker.status,
            "isStale": False,
            "version": 1,
            "gpuCount": 1,
            "image": "worker",
            "uptimeSeconds": running,
            "gpuTypeId": worker.gpu or None,
            "dataCenterId": "US-KS-2" if worker.gpu else None,
            "startedAt": iso(worker.since) if worker.since is not None else None,
        }

    def _record(self, endpoint_id: str) -> dict[str, Any]:
        total = math.fsum(self.cloud.ledger.items(endpoint_id).values())
        end = math.ceil(self.cloud.clock.now() / 3600) * 3600
        return {
            "startTime": iso(end - 3600),
            "endTime": iso(end),
            "serverlessId": endpoint_id,
            "totalAmount": total,
            "gpuAmount": total,
            "cpuAmount": 0.0,
            "diskAmount": 0.0,
            "feeAmount": 0.0,
        }
