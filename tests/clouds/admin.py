"""``/_standin/…``: look into a stand-in cloud and make things go wrong from outside its process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from tests.clouds.core import Cloud, Instance
from tests.clouds.faults import KNOWN


def admin(cloud: Cloud, application: Callable[..., Awaitable[None]]) -> Starlette:
    """The cloud with its back door."""

    async def state(_request: Request) -> Response:
        return JSONResponse(
            {
                "now": cloud.clock.now(),
                "balance": cloud.balance,
                "spent": cloud.ledger.total(),
                "faults": [vars(fault) for fault in cloud.faults.on()],
                "known_faults": KNOWN,
                "requests": len(cloud.requests),
                "instances": [_instance(cloud, i) for i in cloud.instances.values()],
            }
        )

    async def set_fault(request: Request) -> Response:
        body = await request.json()
        try:
            cloud.faults.set(body.pop("name"), **body)
        except (KeyError, TypeError, ValueError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"on": [vars(fault) for fault in cloud.faults.on()]})

    async def clear(request: Request) -> Response:
        cloud.faults.clear(request.query_params.get("name", ""))
        return JSONResponse({"on": [vars(fault) for fault in cloud.faults.on()]})

    async def seen(_request: Request) -> Response:
        return JSONResponse([{k: v for k, v in vars(r).items() if k != "key"} for r in cloud.requests])

    async def money(request: Request) -> Response:
        cloud.prepaid = float((await request.json())["balance"]) + cloud.ledger.total()
        return JSONResponse({"balance": cloud.balance})

    async def happen(request: Request) -> Response:
        instance = cloud.instances.get(request.path_params["id"])
        if instance is None:
            return JSONResponse({"error": "no such machine"}, 404)
        return await _happen(cloud, instance, request.path_params["what"], request.query_params.get("value"))

    return Starlette(
        routes=[
            Route("/_standin/state", state),
            Route("/_standin/requests", seen),
            Route("/_standin/faults", set_fault, methods=["POST"]),
            Route("/_standin/faults", clear, methods=["DELETE"]),
            Route("/_standin/balance", money, methods=["POST"]),
            Route("/_standin/machines/{id}/{what}", happen, methods=["POST"]),
            Mount("/", application),
        ]
    )


async def _happen(cloud: Cloud, instance: Instance, what: str, value: str | None) -> Response:
    links = instance.machine.links if instance.machine else []
    if what == "die":
        await cloud.die(instance)
    elif what in ("outbid", "stop"):
        await cloud.stop(instance)
    elif what == "vanish":
        await cloud.end(instance)
    elif what == "cut":
        for link in links:
            await link.cut()
    elif what in ("stall", "flow"):
        for link in links:
            link.stall(what == "stall")
    elif what == "slow":
        for link in links:
            link.bytes_per_second = float(value) if value else None
    else:
        return JSONResponse({"error": f"unknown event {what}: die outbid stop vanish cut stall flow slow"}, 400)
    return JSONResponse({"stage": instance.stage})


def _instance(cloud: Cloud, instance: Instance) -> dict[str, Any]:
    return {
        "id": instance.id,
        "name": instance.name,
        "stage": instance.stage,
        "foreign": instance.foreign,
        "touched": instance.touched,
        "created": instance.created,
        "running_since": instance.running_since,
        "gone_at": instance.gone_at,
        "cost": cloud.ledger.total(instance.id),
        "items": cloud.ledger.items(instance.id),
    }
