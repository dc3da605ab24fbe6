"""A stand-in for Vast.ai: search, rent, read, list, destroy; prose errors, odd nulls and all."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import time
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.clouds.core import Cloud, Instance
from tests.clouds.gate import BrokenOff, Gate
from tests.clouds.machine import Machine
from tests.clouds.vast_market import Market
from tests.clouds.vast_schema import OPERATORS, CreateInstance, search

KEY = "vast-standin-key"
NO_INSTANCES_KEY = "vast-standin-user-only"
READ_ONLY_KEY = "vast-standin-read-only"
MAX_COMMAND = 4096
IMAGE_GB = 10.0
"""What every image takes in traffic, which is billed by the byte like all other traffic."""
THRESHOLDS = {"create": 4.5, "destroy": 3.0, "get": 2.0, "list": 1.0, "search": 6.0, "user": 1.0}

_STATUS = {
    "provisioning": None,
    "starting": "loading",
    "running": "running",
    "stopped": "stopped",
    "error": "created",
    "offline": "offline",
}


class Vast(Cloud):
    """GPU time bills while an instance is running, its disk from creation to destruction, traffic by the byte.

    ``pace`` scales the least time between calls to one endpoint; 0 switches that limit off.
    """

    name = "vast"
    bills_gpu_from_creation = False

    def __init__(self, *args: Any, pace: float = 0.0, **options: Any) -> None:
        super().__init__(*args, **options)
        self.keys |= {KEY: "all", NO_INSTANCES_KEY: "user", READ_ONLY_KEY: "read"}
        self.market = Market()
        self.pace = pace
        self.page_size = 25
        self._next = 1_000_000
        self._last_call: dict[tuple[str, str], float] = {}

    def app(self) -> Gate:
        return Gate(
            Starlette(
                routes=[
                    Route("/api/v0/users/current/", self.user),
                    Route("/api/v0/bundles/", self.bundles, methods=["POST"]),
                    Route("/api/v0/asks/{id:int}/", self.create, methods=["PUT"]),
                    Route("/api/v0/instances/", self.dead_list),
                    Route("/api/v1/instances/", self.list_instances),
                    Route("/api/v0/instances/{id:int}/", self.show),
                    Route("/api/v0/instances/{id:int}/", self.manage, methods=["PUT"]),
                    Route("/api/v0/instances/{id:int}/", self.destroy, methods=["DELETE"]),
                    Route("/api/v0/instances/{id:int}/ssh/", self.attach_key, methods=["POST"]),
                    Route("/api/v0/instances/bid_price/{id:int}/", self.bid, methods=["PUT"]),
                    Route("/api/v0/charges/", self.charges),
                ]
            ),
            self,
            self.limits,
        )

    def new_id(self) -> str:
        self._next += 1
        return str(self._next)

    # -- refusals ---------------------------------------------------------------------------------------------

    def limits(self, request: Request) -> Response | None:
        if fault := self.faults.hit("rate_limit"):
            headers = {"Retry-After": str(int(fault.value))} if fault.value else None
            return JSONResponse({"detail": "API requests too frequent endpoint threshold=4.5"}, 429, headers=headers)
        if self.faults.hit("rate_limit_plain"):
            return PlainTextResponse("API requests too frequent: endpoint threshold=3.0", 429)
        kind = _kind_of_call(request)
        if self.pace and kind:
            who = (request.headers.get("authorization", ""), kind)
            now, least = time.monotonic(), THRESHOLDS[kind] * self.pace
            if now - self._last_call.get(who, -math.inf) < least * 0.98:
                return PlainTextResponse(f"API requests too frequent: endpoint threshold={THRESHOLDS[kind]}", 429)
            self._last_call[who] = now
        return None

    def refuse(self, request: Request, *, code: int = 401) -> Response | None:
        """Whether this key may use this route; on some routes a bad key is answered with 404."""
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not key:
            return PlainTextResponse("Please log in or sign up", 401)
        scope = self.keys.get(key)
        if scope is None:
            return error(code, "auth_error", "Invalid user key")
        if scope == "user" and "/users/" not in request.url.path:
            return error(403, "forbidden", "This API key does not have the required permission: instance_read")
        if scope == "read" and (request.method == "DELETE" or request.method == "PUT"):
            return error(403, "forbidden", "This API key does not have the required permission: instance_write")
        if scope.startswith("machine:"):
            if scope != f"machine:{request.path_params.get('id')}":
                return error(403, "forbidden", "This key belongs to another instance")
            if request.method == "DELETE" and self.faults.hit("scoped_key_refused"):
                return error(403, "forbidden", "This API key does not have the required permission: instance_write")
        return None

    # -- routes -----------------------------------------------------------------------------------------------

    async def user(self, request: Request) -> Response:
        if refusal := self.refuse(request):
            return refusal
        return JSONResponse(
            {
                "id": 4711,
                "key_id": 1,
                "email": "someone@example.com",
                "balance": 0.0,
                "credit": round(self.balance, 4),
                "ssh_key": "",
                "sid": "x",
                "api_key": "must-not-be-logged",
            }
        )

    async def bundles(self, request: Request) -> Response:
        if refusal := self.refuse(request, code=404):
            return refusal
        if self.faults.hit("search_quota"):
            midnight = (int(self.clock.now()) // 86400 + 1) * 86400
            return JSONResponse(
                {"success": False, "error": "search_quota_exceeded", "msg": "Daily search quota exceeded"},
                429,
                headers={"X-RateLimit-Reset": str(midnight)},
            )
        try:
            query = await request.json()
            kind = query.get("type", "on-demand")
            if kind not in ("on-demand", "ondemand", "bid", "reserved"):
                raise ValueError(f"Error in query parameters: type {kind}")
            if self.faults.hit("new_ids"):
                self.market.renumber()
            offers = self.market.offers(float(query.get("allocated_storage", 5)), kind)
            found = search(
                offers, {"verified": {"eq": True}, "rentable": {"eq": True}, "rented": {"eq": False}, **query}
            )
        except ValueError as problem:
            return JSONResponse({"error": "invalid_request", "msg": str(problem)}, 400)
        return JSONResponse({"offers": [] if self.faults.hit("no_capacity") else found})

    async def create(self, request: Request) -> Response:
        if refusal := self.refuse(request):
            return refusal
        ask = request.path_params["id"]
        try:
            wanted = CreateInstance.model_validate(await request.json())
        except ValueError as problem:
            return error(400, "invalid_args", f"error 400/3467: Invalid args: {str(problem)[:120]}", ask_id=ask)
        if wanted.command_length > MAX_COMMAND:
            return error(400, "invalid_args", "error 400/3470: args + args_str + onstart longer than 4096", ask_id=ask)
        if self.faults.hit("no_funds") or self.balance <= 0:
            return error(400, "insufficient_credit", "Your account lacks credit; see the billing page", ask_id=ask)
        if self.faults.hit("create_500_nothing"):
            return PlainTextResponse("Internal Server Error", 500)
        offer = self.market.offer(ask, wanted.disk, wanted.price is not None)
        if offer is None:
            return error(
                404,
                "invalid_args",
                f"error 404/3603: no_such_ask Instance type by id {ask} is not available.",
                ask_id=ask,
            )
        if self.faults.hit("no_capacity"):
            return error(
                410,
                "no_such_ask",
                f"error 410/3907: no_such_ask Instance type {ask} is no longer available.",
                ask_id=ask,
            )
        instance = self._rent(wanted, offer, ask)
        return await self._answer_create(instance, wanted, offer)

    def _rent(self, wanted: CreateInstance, offer: dict[str, Any], ask: int) -> Instance:
        rate = offer["dph_base"] if wanted.price is None else wanted.price
        storage = wanted.disk * offer["storage_cost"] / 30 / 24
        instance = self.new_instance(
            wanted.label or "",
            gpu_rate=rate,
            storage_rate=storage,
            stopped_rate=storage,
            request=wanted.model_dump(),
            offer=offer,
            bid=wanted.price,
        )
        self.market.rent(int(offer["machine_id"]))
        env = wanted.env if isinstance(wanted.env, dict) else {}
        environment = {
            **{k: v for k, v in env.items() if not k.startswith("-")},
            "CONTAINER_ID": instance.id,
            "CONTAINER_API_KEY": instance.scoped_key,
            "VAST_CONTAINERLABEL": f"C.{instance.id}",
            "GPU_COUNT": str(offer["num_gpus"]),
        }
        outbid = wanted.price is not None and wanted.price < offer["min_bid"]
        if outbid or wanted.target_state == "stopped" or self.faults.hit("create_rejected_but_exists"):
            instance.stage = "stopped"
        else:
            self.begin_life(
                instance,
                environment=environment,
                boot=self._boot,
                gpu=(offer["gpu_name"], offer["gpu_ram"], offer["num_gpus"]),
            )
        return instance

    async def _answer_create(self, instance: Instance, wanted: CreateInstance, offer: dict[str, Any]) -> Response:
        if instance.stage == "stopped" and wanted.target_state == "running":
            return error(
                400, "invalid_price", "error 400/3480: bid is below the minimum", new_contract=int(instance.id)
            )
        if self.faults.hit("create_500"):
            return PlainTextResponse("Internal Server Error", 500)
        if hang := self.faults.hit("create_hangs"):
            await asyncio.sleep(self.clock.real(float(hang.value or 5)))
            return BrokenOff()
        if self.faults.hit("create_odd"):
            return JSONResponse({"ok": 1})
        return JSONResponse(
            {
                "success": True,
                "new_contract": int(instance.id),
                "instance_api_key": instance.scoped_key,
                "ask_id": offer["id"],
            }
        )

    def _boot(self, instance: Instance, machine: Machine) -> None:
        if instance.request["onstart"]:
            machine.run(instance.request["onstart"])

    async def dead_list(self, request: Request) -> Response:
        return error(410, "deprecated_endpoint", "/api/v0/instances/ is deprecated. Use /api/v1/instances/ instead.")

    async def list_instances(self, request: Request) -> Response:
        if refusal := self.refuse(request):
            return refusal
        if self.faults.hit("list_null"):
            return JSONResponse({"success": True, "instances_found": 0, "next_token": None, "instances": None})
        query = request.query_params
        found = sorted((i for i in self.instances.values() if i.alive), key=lambda i: int(i.id))
        for column, condition in json.loads(query.get("select_filters", "{}")).items():
            if column not in ("id", "label", "actual_status", "gpu_name", "verification"):
                return error(400, "invalid_request", f"Error in query parameters: {column} is not a valid search key")
            for operator, value in condition.items():
                found = [i for i in found if OPERATORS[operator](self.instance(i).get(column), value)]
        if found and self.faults.hit("list_misses"):
            ours = [i for i in found if not i.foreign]
            found = [i for i in found if not ours or i is not ours[-1]]
        limit = int(query.get("limit", 25))
        limit = min(5 if limit <= 0 else limit, self.page_size)
        try:
            after = json.loads(base64.b64decode(query["after_token"]))["values"]["id"] if "after_token" in query else 0
        except (ValueError, KeyError):
            return error(400, "invalid_token", "Invalid pagination token")
        rest = [i for i in found if int(i.id) > after]
        page = rest[:limit]
        token = None
        if len(rest) > limit:
            token = base64.b64encode(json.dumps({"values": {"id": int(page[-1].id)}}).encode()).decode()
        return JSONResponse(
            {
                "success": True,
                "instances_found": len(page),
                "total_instances": len(found),
                "label_counts": {},
                "next_token": token,
                "instances": [self.instance(i) for i in page],
            }
        )

    async def show(self, request: Request) -> Response:
        if refusal := self.refuse(request):
            return refusal
        instance = self.instances.get(str(request.path_params["id"]))
        gone = instance is None or not instance.alive or self.faults.hit("get_misses")
        return JSONResponse({"instances": None if gone or instance is None else self.instance(instance)})

    async def manage(self, request: Request) -> Response:
        if refusal := self.refuse(request):
            return refusal
        instance = self.instances.get(str(request.path_params["id"]))
        if instance is None or not instance.alive:
            return error(404, "no_such_instance", "No such instance")
        instance.touched += 1
        body = await request.json()
        if body.get("state") == "stopped":
            await self.stop(instance)
        elif body.get("state") == "running":
            self.resume(instance, self._boot)
        if "label" in body:
            instance.name = body["label"]
        return JSONResponse({"success": True})

    async def destroy(self, request: Request) -> Response:
        if refusal := self.refuse(request):
            return refusal
        instance = self.instances.get(str(request.path_params["id"]))
        if instance is None or not instance.alive:
            return error(404, "no_such_instance", "No such instance")
        if self.faults.hit("delete_fails"):
            return PlainTextResponse("Internal Server Error", 500)
        instance.touched += 1
        if not self.faults.hit("delete_ignored"):
            await self.end(instance)
        return JSONResponse({"success": True})

    async def attach_key(self, request: Request) -> Response:
        if refusal := self.refuse(request):
            return refusal
        instance = self.instances.get(str(request.path_params["id"]))
        key = (await request.json()).get("ssh_key", "")
        if instance is None or not instance.alive or not key:
            return error(404, "no_such_instance", "No such instance")
        if instance.machine is not None and instance.stage == "running":
            instance.machine.authorise(key)
        return JSONResponse({"success": True, "msg": "SSH key attached successfully"})

    async def bid(self, request: Request) -> Response:
        if refusal := self.refuse(request):
            return refusal
        instance = self.instances.get(str(request.path_params["id"]))
        if instance is None or not instance.alive:
            return error(404, "no_such_instance", "No such instance")
        instance.bid = float((await request.json())["price"])
        return JSONResponse({"success": True})

    async def charges(self, request: Request) -> Response:
        if refusal := self.refuse(request, code=404):
            return refusal
        day = json.loads(request.query_params.get("select_filters", "{}")).get("day", {})
        if not {"gte", "lte"} <= set(day):
            missing = "Must provide both 'day' gte and lte filters for instance charges"
            return JSONResponse({"success": False, "msg": missing}, 400)
        late = self.faults.hit("bill_late") is not None
        for instance in self.alive():
            self._charge_traffic(instance)
        results = [self._charges_of(i) for i in self.instances.values() if not late and i.created <= day["lte"]]
        return JSONResponse(
            {"success": True, "count": len(results), "total": len(results), "next_token": None, "results": results}
        )

    def _charges_of(self, instance: Instance) -> dict[str, Any]:
        items, names = self.ledger.items(instance.id), {"gpu": "gpu", "storage": "disk", "down": "bwd", "up": "bwu"}
        start, end = int(instance.created), int(instance.gone_at or self.clock.now())
        listed: list[dict[str, Any]] = [
            {
                "start": start,
                "end": end,
                "type": names[what],
                "source": None,
                "description": what,
                "amount": amount,
                "metadata": {},
                "items": [],
            }
            for what, amount in items.items()
        ]
        return {
            "start": start,
            "end": end,
            "type": "instance",
            "source": f"instance-{instance.id}",
            "description": f"Instance {instance.id} Charges",
            "amount": round(sum(items.values()), 3),
            "metadata": {"label": instance.name},
            "items": listed,
        }

    # -- what happens to machines -----------------------------------------------------------------------------

    async def end(self, instance: Instance) -> None:
        await super().end(instance)
        self.market.give_back(int(instance.offer.get("machine_id", 0)))

    async def die(self, instance: Instance) -> None:
        await super().die(instance)
        instance.stage = "offline"
        self.ledger.rate(instance.id, "gpu", 0.0)

    async def run_out_of_money(self) -> None:
        self.prepaid = self.ledger.total()
        for instance in [i for i in self.instances.values() if i.alive]:
            await self.stop(instance)

    def _charge_image(self, instance: Instance) -> None:
        self.ledger.charge(instance.id, "down", IMAGE_GB * float(instance.offer.get("inet_down_cost", 0.0)))

    def _charge_traffic(self, instance: Instance) -> None:
        links = instance.machine.links if instance.machine else []
        down, up = (float(instance.offer.get(f"inet_{way}_cost", 0.0)) for way in ("down", "up"))
        for link in links:
            self.ledger.charge(instance.id, "down", link.bytes_in / 1e9 * down)
            self.ledger.charge(instance.id, "up", link.bytes_out / 1e9 * up)
            link.bytes_in = link.bytes_out = 0

    # -- shapes -----------------------------------------------------------------------------------------------

    def instance(self, instance: Instance) -> dict[str, Any]:
        """The instance object as list and show answer it."""
        status: str | None = _STATUS[instance.stage]
        message = "OCI runtime create failed: no such device" if instance.stage == "error" else f"success, {status}"
        if fault := self.faults.hit("odd_status"):
            status = fault.value if fault.value != "null" else None
        running, machine, offer = instance.stage == "running", instance.machine, instance.offer
        state = "stopped" if instance.stage == "stopped" else "running"
        ports = (
            {"22/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(machine.links[0].port)}]} if running and machine else None
        )
        return {
            "id": int(instance.id),
            "label": instance.name or None,
            "actual_status": status,
            "cur_state": state,
            "next_state": state,
            "intended_status": state,
            "status_msg": f"{message}\n",
            "machine_id": offer.get("machine_id"),
            "host_id": offer.get("host_id"),
            "image_uuid": instance.request.get("image"),
            "ports": ports,
            "image_runtype": "ssh ssh_direc ssh_proxy",
            "ssh_host": "127.0.0.1",
            "ssh_idx": "1",
            "ssh_port": machine.links[1].port if machine else 10000,
            "public_ipaddr": "127.0.0.1\n",
            "gpu_name": offer.get("gpu_name"),
            "num_gpus": offer.get("num_gpus"),
            "gpu_ram": offer.get("gpu_ram"),
            "gpu_util": 91.0 if running else None,
            "gpu_temp": None,
            "dph_base": instance.gpu_rate,
            "dph_total": instance.gpu_rate + instance.storage_rate,
            "storage_total_cost": instance.storage_rate,
            "inet_down_cost": offer.get("inet_down_cost"),
            "inet_up_cost": offer.get("inet_up_cost"),
            "min_bid": offer.get("min_bid"),
            "is_bid": instance.bid is not None,
            "start_date": instance.created,
            "end_date": offer.get("end_date"),
            "duration": offer.get("duration"),
            "extra_env": [],
            "uptime_mins": (self.clock.now() - instance.running_since) / 60
            if running and instance.running_since
            else None,
            "verification": offer.get("verification"),
            "geolocation": offer.get("geolocation"),
            "someNewField": 1,
        }


def error(status: int, code: str, message: str, **more: Any) -> JSONResponse:
    return JSONResponse({"success": False, "error": code, "msg": message, **more}, status)


def _kind_of_call(request: Request) -> str:
    path, method = request.url.path, request.method
    if path.startswith("/api/v0/asks/"):
        return "create"
    if path.startswith("/api/v0/bundles/"):
        return "search"
    if path.startswith("/api/v1/instances/"):
        return "list"
    if path.startswith("/api/v0/instances/"):
        return {"DELETE": "destroy", "GET": "get"}.get(method, "")
    return "user" if path.startswith("/api/v0/users/") else ""
