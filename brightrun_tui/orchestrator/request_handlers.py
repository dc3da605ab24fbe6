"""What people ask of the engine is answered here: one small function for each kind of request."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, assert_never

from brightrun_tui.domain.endpoint import NAME, NAME_RULE, Endpoint
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DamagedRecordError, UsageError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.rental import EndpointRental
from brightrun_tui.domain.requests import (
    Answer,
    ChangeAnswer,
    ChangeRun,
    CheckpointRun,
    DeleteAnswer,
    DeleteRun,
    Deploy,
    DeployAnswer,
    MoveAnswer,
    MoveRun,
    PauseRun,
    Request,
    ResumeRun,
    RetryAnswer,
    RetryRun,
    RunAnswer,
    StandBy,
    StandByAnswer,
    StopAnswer,
    StopEngine,
    StopRun,
    SweepLeases,
    SweepLeasesAnswer,
    Undeploy,
    UndeployAnswer,
)
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.run_states import RunAction
from brightrun_tui.domain.settings import SettingValue
from brightrun_tui.orchestrator import lifecycle, live_changes, new_endpoints
from brightrun_tui.orchestrator.endpoints import EndpointWatcher
from brightrun_tui.orchestrator.lease_manager import LeaseManager
from brightrun_tui.orchestrator.lifecycle import Signal
from brightrun_tui.orchestrator.new_endpoints import EndpointRequest
from brightrun_tui.orchestrator.run_commands import RunCommand
from brightrun_tui.orchestrator.runner import Runner
from brightrun_tui.orchestrator.targets import LocalTarget, Target
from brightrun_tui.orchestrator.warm_worker import WarmWorker
from brightrun_tui.paths import Paths
from brightrun_tui.planning.names import new_run_id
from brightrun_tui.serving import read_key_file
from brightrun_tui.serving.engines import ENGINE_CHOICES, what_is_missing
from brightrun_tui.store import Database, endpoints, models, runs


class EngineApi(Protocol):
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
        """Return the UUID of the GPU of this machine that the next run would get, empty if it has none; None: there is no
        room.
        """

    def keep(self, endpoint: Endpoint) -> None:
        """Watch a new endpoint."""


async def ask_run(engine: EngineApi, run_id: str, signal: Signal, number: int = 0) -> Run:
    """Bring a command to a run: to its runner when one is at work, else straight to the lifecycle. ``number``: of the request."""
    runner, command = engine.runners.get(run_id), RunCommand(signal, number)
    if runner is not None:
        runner.commands.add(command)
        return await command.answer
    run = await runs.get(engine.db, run_id)
    if command.was_granted(run):
        return run
    decision = command.noted_in(lifecycle.step(run, signal))
    return await runs.transition(engine.db, run_id, decision.state, **decision.changes)


async def _stop(engine: EngineApi, ask: StopRun, number: int) -> StopAnswer:
    if ask.after:
        run = await live_changes.stop_later(engine.db, ask.target, ask.after, _target(engine, ask.target))
        return StopAnswer(state=run.state, ending=run.ending, stop_after=run.stop_after)
    run = await ask_run(engine, ask.target, "force_asked" if ask.force else "stop_asked", number)
    return StopAnswer(state=run.state, ending=run.ending)


async def _change(engine: EngineApi, ask: ChangeRun) -> ChangeAnswer:
    run = await live_changes.change(engine.db, ask, _target(engine, ask.target))
    return ChangeAnswer(state=run.state, change=run.changes[-1].number, changed=run.changes[-1].words)


def _target(engine: EngineApi, run_id: str) -> Target | None:
    """Say where a run is at work now."""
    runner = engine.runners.get(run_id)
    return runner.target if runner else None


async def _retry(engine: EngineApi, ask: RetryRun) -> RetryAnswer:
    """Let the same run go on from its newest checkpoint, or start a new run of the same name where there are changes."""
    run = await runs.get(engine.db, ask.target)
    overrides: Mapping[str, SettingValue | list[str]] = ask.overrides
    if ask.apply_suggestion and run.failure:
        overrides = {**run.failure.suggestion, **overrides}
    if not overrides:
        return RetryAnswer(run=run.id, state=(await ask_run(engine, run.id, "retry_asked")).state)
    lifecycle.step(run, "retry_asked")
    settings = run.spec.settings.with_overrides(overrides)
    spec = run.spec.model_copy(
        update={"run_id": new_run_id(), "created_at": time.time(), "settings": settings, "limits": run.limits}
    )
    again = await runs.create(engine.db, spec, str(engine.paths.run_directory(spec.run_id)), run.estimate)
    return RetryAnswer(run=again.id, state=again.state)


async def _checkpoint(engine: EngineApi, ask: CheckpointRun) -> RunAnswer:
    run = await runs.get(engine.db, ask.target)
    if not run.permits(RunAction.CHECKPOINT) or run.id not in engine.runners:
        raise UsageError(
            f"run {run.name} is {run.state}", fix="ask for a checkpoint while it trains", kind=ErrorKind.WRONG_STATE
        )
    await engine.runners[run.id].target.ask("checkpoint")
    return RunAnswer(state=run.state)


async def _delete(engine: EngineApi, ask: DeleteRun) -> DeleteAnswer:
    """Delete a run. One whose record is damaged is no longer followed, so whatever it still has on this machine ends
    first.
    """
    directory = engine.paths.run_directory(ask.target)
    try:
        run = await runs.get(engine.db, ask.target)
        if not run.permits(RunAction.DELETE):
            raise UsageError(f"run {run.name} is {run.state}", fix="stop it first", kind=ErrorKind.RUN_ACTIVE)
        directory = Path(run.directory)
    except DamagedRecordError:
        await LocalTarget(directory, 0.0, engine.warm_worker).end()
    await runs.delete(engine.db, ask.target)
    await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
    return DeleteAnswer(deleted=ask.target)


async def _move(engine: EngineApi, ask: MoveRun) -> MoveAnswer:
    order = await runs.move(engine.db, ask.target, ask.to)
    return MoveAnswer(queue=tuple(run.id for run in order))


async def _deploy(engine: EngineApi, ask: Deploy) -> DeployAnswer:
    """Serve a version: by a name that keeps its address and key where one is given, which may serve another version now."""
    version = await models.find(engine.db, ask.target)
    wanted = await asyncio.to_thread(_endpoint_request, ask)
    if wanted.name:
        known = next((each for each in await endpoints.list_endpoints(engine.db) if each.id == wanted.name), None)
        if known is not None and known.serving:
            return await _redeploy(engine, known, version, wanted)
        if known is not None and known.state == "stopping":
            raise UsageError(
                f"endpoint {known.id} is ending", fix="try again in some seconds", kind=ErrorKind.ENDPOINT_NOT_READY
            )
        engine.keep(await new_endpoints.create(engine.db, engine.paths, version, wanted))
        return DeployAnswer(endpoint=wanted.name, already=False)
    for endpoint in await endpoints.list_endpoints(engine.db, live_only=True):
        same = endpoint.serves_base_of(version) if wanted.base_alone else endpoint.serves(version)
        there = wanted.rental is None or _place(endpoint.rental) == _place(wanted.rental)
        if same and there and endpoint.serving:
            return DeployAnswer(endpoint=endpoint.id, already=True)
    endpoint = await new_endpoints.create(engine.db, engine.paths, version, wanted)
    engine.keep(endpoint)
    return DeployAnswer(endpoint=endpoint.id, already=False)


async def _redeploy(engine: EngineApi, known: Endpoint, version: ModelVersion, wanted: EndpointRequest) -> DeployAnswer:
    """Replace the version that an endpoint serves by another, without a pause."""
    if known.model != version.name:
        raise UsageError(
            f"endpoint {known.id} serves another model, {known.model}",
            fix=f"end it first (brightrun undeploy {known.id}), or give another name",
            kind=ErrorKind.IN_USE,
        )
    fixed = known.rental is not None and known.rental.serverless is not None and known.model_version != version.version
    if _place(known.rental) != _place(wanted.rental) or fixed:
        raise UsageError(
            f"endpoint {known.id} serves {known.model}:{known.model_version} on {_place(known.rental)}",
            fix=f"end it first (brightrun undeploy {known.id}), or give another name",
            kind=ErrorKind.IN_USE,
        )
    if (
        (wanted.port and wanted.port != known.wanted_port)
        or wanted.host not in ("", known.wanted_host)
        or wanted.engine not in ("auto", known.wanted_engine)
        or wanted.key
        or wanted.idle_unload not in (0, known.idle_unload)
    ):
        raise UsageError(
            f"endpoint {known.id} runs; its address, port, engine, key and idle time are fixed",
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
    return DeployAnswer(endpoint=known.id, already=same, takes=0 if same else version.version)


def _place(rental: EndpointRental | None) -> str:
    return rental.place if rental else "this machine"


def _endpoint_request(ask: Deploy) -> EndpointRequest:
    """Return what was asked for beside the model. Raises ``UsageError``."""
    if ask.base_alone and (ask.rental is not None or ask.name):
        raise UsageError(
            "a base model alone is served on this machine only, for comparison, and under no name of its own",
            where="deploy",
            fix="deploy the model that was trained from it",
            kind=ErrorKind.BAD_OPTION,
        )
    if ask.name and not NAME.fullmatch(ask.name):
        raise UsageError(
            f"“{ask.name}” cannot be an endpoint's name", where="--name", fix=NAME_RULE, kind=ErrorKind.BAD_NAME
        )
    engine = next((choice for choice in ENGINE_CHOICES if choice == ask.engine), None)
    if engine is None:
        raise UsageError(
            f"there is no engine “{ask.engine}”",
            where="--engine",
            fix=f"one of {', '.join(ENGINE_CHOICES)}",
            kind=ErrorKind.UNKNOWN_ENGINE,
        )
    if ask.rental is None and (missing := what_is_missing(engine)):
        raise UsageError(
            missing,
            where="--engine",
            fix="install it, or leave --engine out: the fastest engine that is here serves",
            kind=ErrorKind.SERVE_EXTRA_MISSING,
        )
    return EndpointRequest(
        name=ask.name,
        port=ask.port,
        host=ask.host,
        engine=engine,
        key=read_key_file(Path(ask.key_file)) if ask.key_file else "",
        keeps_key=ask.keeps_key,
        follows=ask.follows,
        idle_unload=ask.idle_unload,
        rental=ask.rental,
        base_alone=ask.base_alone,
    )


async def _undeploy(engine: EngineApi, ask: Undeploy) -> UndeployAnswer:
    endpoint = await endpoints.find(engine.db, ask.target)
    if endpoint.state == "failed":
        await endpoints.advance(engine.db, endpoint, state="stopped")  # nothing of it runs; it is to be forgotten
    elif endpoint.state != "stopped":
        await endpoints.advance(engine.db, endpoint, state="stopping", rest_reason="")
    if (watcher := engine.watchers.get(endpoint.id)) is not None:
        watcher.leave.set()
    return UndeployAnswer(endpoint=endpoint.id)


async def _sweep(engine: EngineApi) -> SweepLeasesAnswer:
    """Sweep now, not at the next turn of the timer; machines that no run uses are on their way back from here on."""
    return SweepLeasesAnswer(returning=tuple(lease.name for lease in await engine.lease_manager.sweep()))


async def _prewarm(engine: EngineApi) -> StandByAnswer:
    gpu_id = await engine.next_gpu()
    return StandByAnswer(ready=gpu_id is not None and await engine.warm_worker.want(gpu_id))


async def respond(engine: EngineApi, request: Request) -> Answer:
    """Do what was asked for. Raises ``BrightrunError`` with why it is refused."""
    ask = request.ask
    match ask:
        case StopRun():
            return await _stop(engine, ask, request.id)
        case ChangeRun():
            return await _change(engine, ask)
        case PauseRun():
            return RunAnswer(state=(await ask_run(engine, ask.target, "pause_asked", request.id)).state)
        case ResumeRun():
            return RunAnswer(state=(await ask_run(engine, ask.target, "resume_asked", request.id)).state)
        case RetryRun():
            return await _retry(engine, ask)
        case CheckpointRun():
            return await _checkpoint(engine, ask)
        case DeleteRun():
            return await _delete(engine, ask)
        case MoveRun():
            return await _move(engine, ask)
        case Deploy():
            return await _deploy(engine, ask)
        case Undeploy():
            return await _undeploy(engine, ask)
        case SweepLeases():
            return await _sweep(engine)
        case StandBy():
            return await _prewarm(engine)
        case StopEngine():
            if request.created_at >= engine.started_at:
                engine.ending.set()
            return Answer()
        case _:
            assert_never(ask)
