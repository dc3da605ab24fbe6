"""A stand-in for RunPod's REST v2 and its GraphQL balance query."""

from __future__ import annotations

import asyncio
import json
import math
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.clouds.core import Cloud, Instance
from tests.clouds.gate import BrokenOff, Gate
from tests.clouds.machine import Machine
from tests.clouds.runpod_endpoints import POOLS, Endpoints
from tests.clouds.runpod_schema import CreatePod, PodAction, broken_rule, problems
from tests.clouds.wording import iso, ok, problem

KEY = "rpa_standin_key"
READ_ONLY_KEY = "rpa_standin_read_only"
NO_PODS_KEY = "rpa_standin_no_pods"
HOURS_PER_MONTH = 730
DISK_PER_GB_MONTH = 0.10
VOLUME_STOPPED_PER_GB_MONTH = 0.20
NO_CAPACITY = (
    "There are no longer any instances available with the requested specifications. Please refresh and try again."
)

#       id                            name        GB  secure community max  availability cuda
GPUS = (
    ("NVIDIA GeForce RTX 4090", "RTX 4090", 24, 0.69, 0.34, (8, 4), "HIGH", "12.8"),
    ("NVIDIA RTX A4000", "RTX A4000", 16, 0.25, 0.17, (8, 4), "MEDIUM", "12.8"),
    ("NVIDIA L40S", "L40S", 48, 0.86, 0.79, (8, 4), "HIGH", "12.8"),
    ("NVIDIA A100 80GB PCIe", "A100 PCIe", 80, 1.64, 1.19, (8, 4), "LOW", "12.8"),
    ("NVIDIA H100 80GB HBM3", "H100 SXM", 80, 2.99, 2.69, (8, 2), "MEDIUM", "12.9"),
    ("NVIDIA RTX A5000", "RTX A5000", 24, 0.27, 0.16, (8, 4), "NONE", "12.4"),
    ("NVIDIA B200", "B200", 180, 5.98, 0, (8, 0), "LOW", "13.0"),
    ("unknown", "unknown", 0, 0, 0, (0, 0), "NONE", "12.8"),
)
_STATUS = {
    "provisioning": "PROVISIONING",
    "starting": "STARTING",
    "running": "RUNNING",
    "stopped": "EXITED",
    "error": "ERROR",
    "offline": "RUNNING",
    "gone": "TERMINATED",
}


class RunPod(Cloud):
    """Pods bill from their creation, by the second, at the rate of `cost`."""

    name = "runpod"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.keys |= {KEY: "all", READ_ONLY_KEY: "read", NO_PODS_KEY: "account"}
        self.account_ssh_keys: list[str] = []
        self.page_size = 100
        self.api_url = ""
        self.endpoints = Endpoints(self)

    def app(self) -> Gate:
        return Gate(
            Starlette(
                routes=[
                    Route("/v2/account/ssh-keys", self.ssh_keys),
                    Route("/v2/catalog/gpus", self.gpus),
                    Route("/v2/pods", self.list_pods),
                    Route("/v2/pods", self.create_pod, methods=["POST"]),
                    Route("/v2/pods/{id}", self.get_pod),
                    Route("/v2/pods/{id}", self.delete_pod, methods=["DELETE"]),
                    Route("/v2/pods/{id}/action", self.act, methods=["POST"]),
                    Route("/v2/pods/{id}/logs", self.logs),
                    Route("/v2/billing/pods", self.billing),
                    Route("/graphql", self.graphql, methods=["POST"]),
                    *self.endpoints.routes(),
                ],
                exception_handlers={404: _not_found, 405: _not_allowed},
            ),
            self,
            self.limits,
        )

    async def close(self) -> None:
        await self.endpoints.close()
        await super().close()

    # -- refusals ---------------------------------------------------------------------------------------------

    def limits(self, request: Request) -> Response | None:
        if fault := self.faults.hit("rate_limit"):
            return problem(
                429, "rate limit exceeded for the minute window", headers={"Retry-After": str(int(fault.value or 1))}
            )
        if self.faults.hit("rate_limit_plain"):
            return PlainTextResponse("Too Many Requests", 429)
        return None

    def refuse(self, request: Request, *, write: bool = False, pod: str = "", ends: bool = False) -> Response | None:
        """401 or 403 for this key on this route, or None."""
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not key:
            return problem(401, "missing bearer token")
        scope = self.keys.get(key)
        if scope is None:
            return problem(401, "invalid bearer token")
        if scope.startswith("machine:"):
            own = bool(pod) and scope == f"machine:{pod}"
            return (
                None if own and not (ends and self.faults.hit("scoped_key_refused")) else problem(403, "access denied")
            )
        if (write and scope == "read") or (scope == "account" and "/account/" not in request.url.path):
            return problem(403, "access denied")
        return None

    # -- routes -----------------------------------------------------------------------------------------------

    async def ssh_keys(self, request: Request) -> Response:
        return self.refuse(request) or ok({"keys": self.account_ssh_keys})

    async def gpus(self, request: Request) -> Response:
        if refusal := self.refuse(request):
            return refusal
        query = request.query_params
        include = query.get("include") == "AVAILABILITY"
        if include != ("product" in query):
            return problem(400, "product is required with include=AVAILABILITY and only valid with it")
        if "minCudaVersion" in query and "cudaVersions" in query:
            return problem(400, "minCudaVersion and cudaVersions are mutually exclusive")
        empty = self.faults.hit("no_capacity") is not None
        community = query.get("cloud", "SECURE") == "COMMUNITY"
        count, floor = int(query.get("count", "1")), _version(query.get("minCudaVersion", "0.0"))
        return ok({"gpus": [_gpu_row(row, include, empty, community, count, floor) for row in GPUS]})

    async def list_pods(self, request: Request) -> Response:
        if refusal := self.refuse(request):
            return refusal
        if self.faults.hit("list_null"):
            return ok({"pods": None})
        pods = sorted((i for i in self.instances.values() if i.alive), key=lambda i: (i.created, i.id))
        if pods and self.faults.hit("list_misses"):
            pods = [
                p
                for p in pods
                if p is not max((q for q in pods if not q.foreign), key=lambda q: q.created, default=None)
            ]
        first = int(request.query_params.get("cursor") or 0)
        size = min(self.page_size, int(request.query_params.get("limit") or self.page_size))
        more = first + size < len(pods)
        return ok(
            {
                "pods": [self.pod(i) for i in pods[first : first + size]],
                "pagination": {"hasNextPage": more, "nextCursor": str(first + size) if more else None},
            }
        )

    async def create_pod(self, request: Request) -> Response:
        if refusal := self.refuse(request, write=True):
            return refusal
        raw = await request.body()
        if len(raw) > 102_400:
            return problem(413, "request body too large")
        try:
            body = json.loads(raw)
            wanted = CreatePod.model_validate(body)
        except ValueError as error:
            listed = problems(error, body) if isinstance(error, ValidationError) else ["$: not JSON"]
            return problem(422, "Request validation failed.", errors=listed)
        if rule := broken_rule(wanted):
            return problem(400, rule)
        if "does-not-exist" in (wanted.image or ""):
            return problem(422, f"image {wanted.image} not found in registry")
        if self.faults.hit("no_funds") or self.balance <= 0:
            return problem(402, "insufficient balance: add funds to your account")
        if self.faults.hit("create_500_nothing"):
            return problem(500, "internal server error")
        row = next((g for g in GPUS if wanted.gpu and g[0] == wanted.gpu.id), None)
        assert wanted.gpu is not None
        if (
            row is None
            or row[6] == "NONE"
            or self.faults.hit("no_capacity")
            or (_version(wanted.gpu.minCudaVersion or "0.0") > _version(row[7]))
        ):
            return problem(400, NO_CAPACITY)
        instance = self._rent(wanted, row)
        return await self._answer_create(instance)

    def _rent(self, wanted: CreatePod, row: tuple[Any, ...]) -> Instance:
        assert wanted.gpu is not None
        price = row[3] if wanted.cloud == "SECURE" else row[4]
        volume = wanted.mounts.persistent.size if wanted.mounts and wanted.mounts.persistent else 0
        instance = self.new_instance(
            wanted.name,
            gpu_rate=price * wanted.gpu.count,
            storage_rate=(wanted.disk + volume) * DISK_PER_GB_MONTH / HOURS_PER_MONTH,
            stopped_rate=volume * VOLUME_STOPPED_PER_GB_MONTH / HOURS_PER_MONTH,
            request=wanted.model_dump(exclude_unset=True),
        )
        if "PUBLIC_KEY" in wanted.env and self.faults.hit("public_key_null"):
            instance.request["env"] = {**wanted.env, "PUBLIC_KEY": "null"}
        environment = {
            **instance.request.get("env", {}),
            "RUNPOD_POD_ID": instance.id,
            "RUNPOD_API_KEY": instance.scoped_key,
            "RUNPOD_DC_ID": "US-KS-2",
        }
        self.begin_life(
            instance, environment=environment, boot=self._boot, gpu=(row[1], row[2] * 1024, wanted.gpu.count)
        )
        return instance

    def _boot(self, instance: Instance, machine: Machine) -> None:
        """The official image: its start script takes PUBLIC_KEY and runs sshd; other arguments replace the script."""
        args = instance.request.get("args", "")
        if args:
            machine.run(args.replace("exec /start.sh", "exec sleep 0"))
        if (not args or "/start.sh" in args) and (key := instance.request.get("env", {}).get("PUBLIC_KEY")):
            machine.authorise(key)

    async def _answer_create(self, instance: Instance) -> Response:
        if self.faults.hit("create_500"):
            return problem(500, "internal server error")
        if hang := self.faults.hit("create_hangs"):
            await asyncio.sleep(self.clock.real(float(hang.value or 5)))
            return BrokenOff()
        if self.faults.hit("create_odd"):
            return PlainTextResponse("ok", 201)
        return ok(self.pod(instance), 201)

    async def get_pod(self, request: Request) -> Response:
        if refusal := self.refuse(request, pod=request.path_params["id"]):
            return refusal
        instance = self.instances.get(request.path_params["id"])
        if instance is None or not instance.alive or self.faults.hit("get_misses"):
            return problem(404, "resource not found")
        return ok(self.pod(instance))

    async def delete_pod(self, request: Request) -> Response:
        refusal = self.refuse(request, write=True, pod=request.path_params["id"], ends=True)
        return refusal or await self._terminate(request)

    async def _terminate(self, request: Request) -> Response:
        instance = self.instances.get(request.path_params["id"])
        if instance is None or not instance.alive:
            return problem(404, "resource not found")
        if self.faults.hit("delete_fails"):
            return problem(500, "internal server error")
        instance.touched += 1
        if not self.faults.hit("delete_ignored"):
            await self.end(instance)
        return Response(status_code=204)

    async def act(self, request: Request) -> Response:
        try:
            action = PodAction.model_validate(await request.json()).action
        except ValueError:
            return problem(422, "Request validation failed.")
        if refusal := self.refuse(request, write=True, pod=request.path_params["id"], ends=action == "terminate"):
            return refusal
        if action == "terminate":
            return await self._terminate(request)
        instance = self.instances.get(request.path_params["id"])
        if instance is None or not instance.alive:
            return problem(404, "resource not found")
        if action != "stop" or instance.stage != "running":
            return problem(409, f"action {action} is not allowed while {_STATUS[instance.stage]}")
        instance.touched += 1
        await self.stop(instance)
        return ok(self.pod(instance))

    async def logs(self, request: Request) -> Response:
        if refusal := self.refuse(request, pod=request.path_params["id"]):
            return refusal
        instance = self.instances.get(request.path_params["id"])
        if instance is None or instance.machine is None or not instance.alive:
            return problem(404, "resource not found")
        key = instance.machine.host_key

        async def stream() -> Any:
            now = datetime.fromtimestamp(self.clock.now(), UTC).isoformat()
            for number, line in enumerate(("SSH host keys:", key)):
                yield f"id: {now}/{number}\ndata: {json.dumps({'ts': now, 'source': 'container', 'line': line})}\n\n"
            await asyncio.sleep(3600)

        return StreamingResponse(stream(), media_type="text/event-stream")

    async def billing(self, request: Request) -> Response:
        if refusal := self.refuse(request):
            return refusal
        query = request.query_params
        if "lastN" in query and ("startTime" in query or "endTime" in query):
            return problem(400, "lastN and startTime/endTime are mutually exclusive")
        late = self.faults.hit("bill_late") is not None
        records = [
            self._record(pod)
            for pod in self.ledger.accounts
            if not late and pod in self.instances and query.get("podId", pod) == pod
        ]
        totals = {key: sum(r[key] for r in records) for key in ("totalAmount", "gpuAmount", "cpuAmount", "diskAmount")}
        return ok(
            {
                "records": records,
                "metadata": {
                    "query": dict(query),
                    "recordCount": len(records),
                    "totals": totals,
                    "uniquePodCount": len({r["podId"] for r in records}),
                },
            }
        )

    def _record(self, pod: str) -> dict[str, Any]:
        items, end = self.ledger.items(pod), math.ceil(self.clock.now() / 3600) * 3600
        return {
            "startTime": iso(end - 3600),
            "endTime": iso(end),
            "podId": pod,
            "totalAmount": sum(items.values()),
            "gpuAmount": items.get("gpu", 0.0),
            "cpuAmount": 0.0,
            "diskAmount": items.get("storage", 0.0),
        }

    async def graphql(self, request: Request) -> Response:
        if self.faults.hit("graphql_gone"):
            return PlainTextResponse("gone", 410)
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.keys.get(key) not in ("all", "read"):
            return JSONResponse({"errors": [{"message": "Unauthorized"}]}, 401)
        if self.faults.hit("graphql_errors"):
            return JSONResponse({"errors": [{"message": "Something went wrong"}], "data": None})
        query = (await request.json()).get("query", "")
        if "myself" not in query:
            return JSONResponse({"errors": [{"message": f"Cannot query this: {query[:40]}"}]}, 400)
        return ok(
            {
                "data": {
                    "myself": {
                        "id": "user_standin",
                        "email": "someone@example.com",
                        "clientBalance": round(self.balance, 4),
                        "currentSpendPerHr": round(self.ledger.rate_now(), 4),
                        "spendLimit": 80,
                        "notifyLowBalance": True,
                    }
                }
            }
        )

    # -- shapes -----------------------------------------------------------------------------------------------

    def pod(self, instance: Instance) -> dict[str, Any]:
        """The Pod object as every route answers it."""
        wanted, running = instance.request, instance.stage == "running"
        status = _STATUS[instance.stage]
        if fault := self.faults.hit("odd_status"):
            status = str(fault.value or "MIGRATING")
        machine = instance.machine
        direct = proxy = None
        if running and machine is not None and "22/tcp" in wanted.get("ports", []):
            port = machine.links[0].port
            direct = {
                "host": "127.0.0.1",
                "port": port,
                "username": machine.user,
                "command": f"ssh {machine.user}@127.0.0.1 -p {port}",
            }
        if instance.stage != "provisioning":
            proxy = {
                "host": "ssh.runpod.invalid",
                "port": 22,
                "username": f"{instance.id}-64411eb2",
                "command": f"ssh {instance.id}-64411eb2@ssh.runpod.invalid",
            }
        runtime: dict[str, Any] | None = None
        if running:
            runtime = {
                "uptime": int(self.clock.now() - (instance.running_since or 0)),
                "gpus": [{"util": 90, "memoryUtil": 70}],
                "ports": [],
            }
        elif instance.stage == "starting":
            runtime = {}
        return {
            "id": instance.id,
            "name": instance.name,
            "status": status,
            "actions": ["stop", "terminate"],
            "image": wanted.get("image", ""),
            "args": wanted.get("args", ""),
            "disk": wanted.get("disk", 50),
            "mounts": wanted.get("mounts", {}),
            "ports": wanted.get("ports", []),
            "env": wanted.get("env", {}),
            "registry": None,
            "gpu": wanted.get("gpu", {"id": "NVIDIA L40S", "count": 1}),
            "cloud": wanted.get("cloud", "SECURE"),
            "dataCenterId": "US-KS-2",
            "cudaVersion": "12.8",
            "ssh": {"proxy": proxy, "direct": direct},
            "template": None,
            "cost": 0.0 if instance.stage in ("stopped", "gone") else instance.gpu_rate + instance.storage_rate,
            "locked": False,
            "globalNetworking": {"enabled": False},
            "runtime": runtime,
            "createdAt": iso(instance.created),
            "startedAt": iso(instance.running_since) if instance.running_since else None,
            "someNewField": {"unknown": True},
        }


async def _not_found(_request: Request, _error: Exception) -> Response:
    return problem(404, "resource not found")


async def _not_allowed(_request: Request, _error: Exception) -> Response:
    return problem(405, "The requested method is not allowed for this path.")


def _gpu_row(
    row: tuple[Any, ...], include: bool, empty: bool, community: bool, count: int, floor: tuple[int, ...]
) -> dict[str, Any]:
    identifier, name, memory, secure, cheap, most, availability, cuda = row
    offered = {
        "id": identifier,
        "name": name,
        "pool": POOLS.get(identifier, (None, 0.0))[0],
        "manufacturer": "NVIDIA" if memory else "UNKNOWN",
        "memory": memory,
        "secure": bool(secure),
        "community": bool(cheap),
        "price": {"secure": secure, "community": cheap}
        | ({"serverless": POOLS[identifier][1]} if identifier in POOLS else {}),
        "maxCount": {"secure": most[0], "community": most[1]},
    }
    if not include:
        return offered
    if empty or not (cheap if community else secure) or count > most[community] or _version(cuda) < floor:
        availability = "NONE"
    offered["availability"] = availability
    offered["cudaVersions"] = [{"version": cuda, "available": availability != "NONE"}]
    if availability != "NONE":
        offered["dataCenters"] = [{"id": "US-KS-2", "name": "US Kansas 2", "availability": availability}]
    return offered


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
