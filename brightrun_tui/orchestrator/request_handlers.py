"""What people ask of the engine is answered here: one small function for each kind of request."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DamagedRecordError, UsageError
from brightrun_tui.domain.model import Endpoint, ModelVersion
from brightrun_tui.domain.requests import Request, RequestKind
from brightrun_tui.domain.run import Run, RunAction
from brightrun_tui.orchestrator import endpoints as serving_endpoints
from brightrun_tui.orchestrator import lifecycle
from brightrun_tui.orchestrator.endpoints import EndpointRequest, EndpointWatcher
from brightrun_tui.orchestrator.lease_manager import LeaseManager
from brightrun_tui.orchestrator.lifecycle import Signal
from brightrun_tui.orchestrator.run_commands import RunCommand
from brightrun_tui.orchestrator.runner import Runner
from brightrun_tui.orchestrator.targets import LocalTarget
from brightrun_tui.orchestrator.warm_worker import WarmWorker
from brightrun_tui.paths import Paths
from brightrun_tui.planning.names import new_run_id
from brightrun_tui.serving import read_key_file
from brightrun_tui.serving.engines import ENGINE_CHOICES
from brightrun_tui.store import Database, endpoints, models, runs

_ENDPOINT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Answer = dict[str, Any]


class Engine(Protocol):
    """What a handler needs of the engine. ``runners`` and ``watchers`` by the id of their run and endpoint."""

    db: Database
    paths: Paths
    runners: dict[str, Runner]
    watchers: dict[str, EndpointWatcher]
    warm_worker: WarmWorker
    lease_manager: LeaseManager
    started_at: float
    ending: asyncio.Event

    async def next_gpu(self) -> str | None:
        """The UUID of the GPU of this machine that the next run would get, empty where it has none; None: there is no room."""

    def keep(self, endpoint: Endpoint) -> None:
        """Watch a new endpoint."""


async def ask_run(engine: Engine, run_id: str, signal: Signal) -> Run:
    """Bring a command to a run: to its runner when one is at work, else straight to the lifecycle."""
    runner = engine.runners.get(run_id)
    if runner is not None:
        command = RunCommand(signal)
        runner.commands.add(command)
        return await command.answer
    run = await runs.get(engine.db, run_id)
    decision = lifecycle.step(run, signal)
    return await runs.transition(engine.db, run_id, decision.state, **decision.changes)


async def _stop(engine: Engine, request: Request) -> Answer:
    """Each stop of a run that is stopping already takes the next step at once; ``force`` begins with the last."""
    run = await ask_run(engine, request.target, "force_asked" if request.payload.get("force") else "stop_asked")
    return {"state": run.state, "ending": run.ending}


async def _pause(engine: Engine, request: Request) -> Answer:
    return {"state": (await ask_run(engine, request.target, "pause_asked")).state}


async def _resume(engine: Engine, request: Request) -> Answer:
    return {"state": (await ask_run(engine, request.target, "resume_asked")).state}


async def _retry(engine: Engine, request: Request) -> Answer:
    """Without changes the same run goes on from its newest checkpoint; with changes it is a new run of the same name."""
    run = await runs.get(engine.db, request.target)
    overrides = dict(request.payload.get("overrides") or {})
    if request.payload.get("apply_suggestion") and run.failure:
        overrides = {**run.failure.suggestion, **overrides}
    if not overrides:
        return {"run": run.id, "state": (await ask_run(engine, run.id, "retry_asked")).state}
    lifecycle.step(run, "retry_asked")
    settings = run.spec.settings.with_overrides(overrides)
    spec = run.spec.model_copy(update={"run_id": new_run_id(), "created_at": time.time(), "settings": settings})
    again = await runs.create(engine.db, spec, str(engine.paths.run_directory(spec.run_id)), run.estimate)
    return {"run": again.id, "state": again.state}


async def _checkpoint(engine: Engine, request: Request) -> Answer:
    run = await runs.get(engine.db, request.target)
    if not run.permits(RunAction.CHECKPOINT) or run.id not in engine.runners:
        raise UsageError(
            f"run {run.name} is {run.state}", fix="ask for a checkpoint while it trains", kind=ErrorKind.WRONG_STATE
        )
    await engine.runners[run.id].target.ask("checkpoint")
    return {"state": run.state}


async def _delete(engine: Engine, request: Request) -> Answer:
    """A run whose record is damaged is no longer followed: whatever it still has on this machine ends first."""
    directory = engine.paths.run_directory(request.target)
    try:
        run = await runs.get(engine.db, request.target)
        if not run.permits(RunAction.DELETE):
            raise UsageError(f"run {run.name} is {run.state}", fix="stop it first", kind=ErrorKind.RUN_ACTIVE)
        directory = Path(run.directory)
    except DamagedRecordError:
        await LocalTarget(directory, 0.0, engine.warm_worker).end()
    await runs.delete(engine.db, request.target)
    await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
    return {"deleted": request.target}


async def _move(engine: Engine, request: Request) -> Answer:
    """Another place in the queue; ``to``: first, last, up, down, or a number from 1."""
    order = await runs.move(engine.db, request.target, str(request.payload.get("to", "first")))
    return {"queue": [run.id for run in order]}


async def _deploy(engine: Engine, request: Request) -> Answer:
    """Serve a version: by a name that keeps its address and key where one is given, which may serve another version now."""
    version = await models.find(engine.db, request.target)
    wanted = await asyncio.to_thread(_endpoint_request, request)
    if wanted.name:
        known = next((each for each in await endpoints.list_endpoints(engine.db) if each.id == wanted.name), None)
        if known is not None and known.state in ("starting", "ready"):
            return await _redeploy(engine, known, version, wanted)
        if known is not None and known.state == "stopping":
            raise UsageError(
                f"endpoint {known.id} is ending", fix="try again in some seconds", kind=ErrorKind.ENDPOINT_NOT_READY
            )
        engine.keep(await serving_endpoints.create(engine.db, engine.paths, version, wanted))
        return {"endpoint": wanted.name, "already": False}
    for endpoint in await endpoints.list_endpoints(engine.db, live_only=True):
        if (endpoint.model, endpoint.model_version) == (version.name, version.version) and endpoint.state != "stopping":
            return {"endpoint": endpoint.id, "already": True}
    endpoint = await serving_endpoints.create(engine.db, engine.paths, version, wanted)
    engine.keep(endpoint)
    return {"endpoint": endpoint.id, "already": False}


async def _redeploy(engine: Engine, known: Endpoint, version: ModelVersion, wanted: EndpointRequest) -> Answer:
    """A name that serves already: another version takes the place of the present one, without a pause."""
    if known.model != version.name:
        raise UsageError(
            f"endpoint {known.id} serves another model, {known.model}",
            fix=f"end it first (brightrun undeploy {known.id}), or give another name",
            kind=ErrorKind.IN_USE,
        )
    if (
        (wanted.port and wanted.port != known.wanted_port)
        or wanted.engine not in ("auto", known.wanted_engine)
        or wanted.key
        or wanted.idle_unload not in (0, known.idle_unload)
    ):
        raise UsageError(
            f"endpoint {known.id} runs; its port, engine, key and idle time are fixed",
            fix=f"brightrun undeploy {known.id}, and deploy it again",
            kind=ErrorKind.IN_USE,
        )
    same = known.model_version == version.version
    await endpoints.advance(
        engine.db,
        known,
        follows=wanted.follows,
        wanted_version=0 if same else version.version,
        refused_version=0,
        error="",
    )
    return {"endpoint": known.id, "already": same, "takes": 0 if same else version.version}


def _endpoint_request(request: Request) -> EndpointRequest:
    """What was asked for beside the model. Raises ``UsageError``."""
    given = request.payload
    name, engine, key_file = str(given.get("name", "")), given.get("engine", "auto"), str(given.get("key_file", ""))
    if name and not _ENDPOINT_NAME.fullmatch(name):
        raise UsageError(
            f"“{name}” cannot be an endpoint's name",
            where="--name",
            fix="letters, digits, “.”, “_” and “-”, beginning with a letter or digit, 64 at most",
            kind=ErrorKind.BAD_NAME,
        )
    if engine not in ENGINE_CHOICES:
        raise UsageError(
            f"there is no engine “{engine}”",
            where="--engine",
            fix=f"one of {', '.join(ENGINE_CHOICES)}",
            kind=ErrorKind.UNKNOWN_ENGINE,
        )
    return EndpointRequest(
        name=name,
        port=int(given.get("port", 0)),
        engine=engine,
        key=read_key_file(Path(key_file)) if key_file else "",
        keeps_key=bool(given.get("keeps_key")),
        follows=str(given.get("follows", "")),
        idle_unload=float(given.get("idle_unload", 0.0)),
    )


async def _undeploy(engine: Engine, request: Request) -> Answer:
    endpoint = await endpoints.find(engine.db, request.target)
    if endpoint.state not in ("stopped", "failed"):
        await endpoints.advance(engine.db, endpoint, state="stopping")
    if (watcher := engine.watchers.get(endpoint.id)) is not None:
        watcher.leave.set()
    return {"endpoint": endpoint.id}


async def _sweep(engine: Engine, request: Request) -> Answer:
    """Now, not at the next turn of the timer; what no run is using is on its way back from here on."""
    return {"returning": [lease.name for lease in await engine.lease_manager.sweep()]}


async def _prewarm(engine: Engine, request: Request) -> Answer:
    """Somebody is about to start a run on this machine."""
    gpu_id = await engine.next_gpu()
    return {"ready": gpu_id is not None and await engine.warm_worker.want(gpu_id)}


async def _stop_engine(engine: Engine, request: Request) -> Answer:
    if request.created_at >= engine.started_at:
        engine.ending.set()
    return {}


HANDLERS: dict[RequestKind, Callable[[Engine, Request], Awaitable[Answer]]] = {
    "stop_run": _stop,
    "pause_run": _pause,
    "resume_run": _resume,
    "retry_run": _retry,
    "checkpoint_run": _checkpoint,
    "delete_run": _delete,
    "move_run": _move,
    "deploy": _deploy,
    "undeploy": _undeploy,
    "sweep": _sweep,
    "stand_by": _prewarm,
    "stop_engine": _stop_engine,
}
