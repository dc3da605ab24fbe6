"""One thing that fails takes nothing else along: a damaged run, a provider, an endpoint, a request."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.errors import EngineError, UnclearError
from brightrun_tui.domain.money import Estimate, Lease
from brightrun_tui.domain.requests import RetryRun, StandBy, SweepLeases
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, RunSpec
from brightrun_tui.orchestrator import client, lease_manager, lifecycle
from brightrun_tui.orchestrator.endpoints import EndpointWatcher
from brightrun_tui.orchestrator.engine import Engine
from brightrun_tui.orchestrator.engine_status import engine_status, lock_is_held
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.orchestrator.troubles import Troubles
from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.store import Database, endpoints, open_database, requests, runs
from brightrun_tui.store import engine as engine_facts
from brightrun_tui.store import leases as lease_store
from tests.orchestrator.virtual import Lying, Rented
from tests.processes import end_all, of_home

QUICK = EngineTimings(
    request_seconds=0.02,
    beat_seconds=0.05,
    verify_seconds=0.05,
    lease_poll_seconds=0.05,
    sweep_seconds=1.0,
    poll_seconds=0.05,
    spare_seconds=0,
    idle_seconds=0.2,
)


@dataclass
class Clouds:
    """The providers of one test, by name."""

    known: dict[str, Any] = field(default_factory=dict)

    async def provider(self, _landlord: object, name: str) -> Any:
        found = self.known[name]
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def clouds(monkeypatch: pytest.MonkeyPatch) -> Clouds:
    clouds = Clouds({"lying": Lying(time)})  # type: ignore[arg-type]  # the module has what is used of a Clock

    async def provider(of: object, name: str) -> Any:
        return await clouds.provider(of, name)

    monkeypatch.setattr(lease_manager.LeaseManager, "provider", provider)
    monkeypatch.setattr(lease_manager, "connected_providers", lambda _paths: list(clouds.known))
    return clouds


@asynccontextmanager
async def an_engine(
    home: Path, before: Callable[[Database, Paths], Any]
) -> AsyncIterator[tuple[Engine, asyncio.Task[None]]]:
    """At work on what ``before`` has put into the store."""
    paths = Paths(home / "config", home / "data", home / "cache", home / "logs")
    async with open_database(paths.database) as db:
        await before(db, paths)
        engine = Engine(db, paths, QUICK)
        task = asyncio.create_task(engine.serve())
        try:
            yield engine, task
        finally:
            engine.ending.set()
            await asyncio.gather(task, return_exceptions=True)
            await engine.close()


async def until(fact: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        found = fact()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline, f"it did not become true that {what}"
        await asyncio.sleep(0.02)


async def add_run(
    db: Database,
    run_id: str,
    provider: str = "lying",
    path: str = "/nowhere.jsonl",
    estimate: Estimate | None = None,
    **more: Any,
) -> None:
    data = DatasetRef(path=path, name="d", format="messages", fingerprint="f", records=1, usable=1)
    spec = RunSpec(
        run_id=run_id,
        name=run_id,
        created_at=time.time(),
        base=BaseModelRef(id="b"),
        dataset=data,
        provider=provider,
        **more,
    )
    await runs.create(db, spec, str(db.path.parent / "runs" / run_id), estimate)


async def rent(db: Database, cloud: Lying, run_id: str, provider: str = "lying") -> str:
    """A machine that lives, and its lease; the lease's name."""
    name = f"br-{await engine_facts.installation(db)}-{run_id}-1"
    cloud.machines[name] = Rented(name, name, 0.5, time.time())
    await lease_store.save(
        db,
        Lease(
            name=name,
            run_id=run_id,
            provider=provider,
            state="live",
            provider_id=name,
            created_at=time.time(),
            price_per_hour=0.5,
        ),
    )
    return name


async def test_a_damaged_run_gives_its_machine_back_and_the_others_are_looked_after(
    tmp_path: Path, clouds: Clouds
) -> None:
    async def before(db: Database, _: Paths) -> None:
        await add_run(db, "bad")
        await runs.transition(db, "bad", "preparing")
        await runs.transition(db, "bad", "launching")
        await rent(db, clouds.known["lying"], "bad")
        async with db.transaction():
            await db.execute("UPDATE runs SET doc = replace(doc, '\"step\":0', '\"step\":\"poison\"') WHERE id = 'bad'")
        await add_run(db, "good", "local")

    async with an_engine(tmp_path, before) as (engine, task):
        (machine,) = clouds.known["lying"].machines.values()
        await until(lambda: not machine.alive, "the machine of the damaged run is returned")
        row = await until(
            lambda: engine.db.one("SELECT doc FROM runs WHERE id = 'good' AND state = 'failed'"), "one goes on"
        )
        assert "nowhere.jsonl" in row["doc"]

        async def said() -> list[str]:
            return list((await engine_facts.fact(engine.db, "engine") or {}).get("troubles", ()))

        (trouble,) = await until(said, "its status says so")
        assert trouble.startswith("run bad: what is stored of it cannot be read")
        await until(task.done, "it ends when nothing is left that it could do")


@pytest.mark.parametrize(
    "fault",
    [
        UnicodeEncodeError("ascii", "“", 0, 1, "x"),
        KeyError("lost"),
        RuntimeError("odd"),
        UnclearError("?", kind="unclear"),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_one_provider_that_fails_in_any_way_leaves_the_others_swept(
    tmp_path: Path, clouds: Clouds, fault: Exception
) -> None:
    clouds.known = {"broken": fault, **clouds.known}

    async def before(db: Database, _: Paths) -> None:
        installation = await engine_facts.installation(db)
        name = f"br-{installation}-forgotten-1"
        clouds.known["lying"].machines[name] = Rented(name, name, 0.5, time.time())

    async with an_engine(tmp_path, before) as (engine, _):
        (machine,) = clouds.known["lying"].machines.values()
        await until(lambda: not machine.alive, "what nobody uses is returned")
        assert any(trouble.startswith("sweep of broken: ") for trouble in engine.troubles.words())


async def test_machines_are_returned_while_no_provider_is_known_to_be_connected(
    tmp_path: Path, clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_paths: Paths) -> list[str]:
        raise RuntimeError("keyring")

    monkeypatch.setattr(lease_manager, "connected_providers", fails)

    async def before(db: Database, _: Paths) -> None:
        await rent(db, clouds.known["lying"], "gone")

    async with an_engine(tmp_path, before) as (_, _task):
        (machine,) = clouds.known["lying"].machines.values()
        await until(lambda: not machine.alive, "it is returned")


async def test_a_lease_whose_return_fails_oddly_is_tried_again_and_others_are_returned(
    tmp_path: Path, clouds: Clouds
) -> None:
    class Odd(Lying):
        asked = 0

        async def terminate(self, provider_id: str) -> None:
            self.asked += 1
            if self.asked < 3:
                raise KeyError("odd")
            await super().terminate(provider_id)

    odd = Odd(time)  # type: ignore[arg-type]  # the module has what is used of a Clock
    clouds.known["odd"] = odd

    async def before(db: Database, _: Paths) -> None:
        await rent(db, odd, "one", "odd")
        await rent(db, clouds.known["lying"], "two")

    async with an_engine(tmp_path, before) as (engine, _):
        machines = [*odd.machines.values(), *clouds.known["lying"].machines.values()]
        await until(lambda: not any(machine.alive for machine in machines), "all are returned")

        async def all_released() -> bool:
            return all(lease.state == "released" for lease in await lease_store.list_leases(engine.db))

        await until(all_released, "the books say so")
        assert odd.asked == 3


async def test_an_endpoint_whose_keeper_breaks_is_tried_again_with_pauses(
    tmp_path: Path, clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    failed = Troubles.failed

    async def breaks(_keeper: EndpointWatcher) -> None:
        raise RuntimeError("odd")

    def noted(troubles: Troubles, name: str, error: BaseException) -> float:
        pause = failed(troubles, name, error)
        pauses.extend([pause] if str(error) == "odd" else [])
        return pause

    monkeypatch.setattr(Troubles, "failed", noted)
    monkeypatch.setattr(EndpointWatcher, "keep", breaks)

    async def before(db: Database, paths: Paths) -> None:
        await endpoints.save(
            db,
            Endpoint(
                id="e",
                model="m",
                model_version=1,
                state="ready",
                directory=str(paths.endpoints / "e"),
                created_at=0.0,
                updated_at=0.0,
            ),
        )
        await add_run(db, "good", "local")

    async with an_engine(tmp_path, before) as (engine, _):
        await until(lambda: len(pauses) >= 3, "it is tried again")
        assert pauses[0] < pauses[1] < pauses[2], "after growing pauses"
        await until(
            lambda: engine.db.one("SELECT 1 FROM runs WHERE id = 'good' AND state = 'failed'"), "the run is seen to"
        )


async def test_a_request_that_nobody_foresaw_is_answered_in_words_and_the_next_is_served(
    tmp_path: Path, clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unforeseen(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(lifecycle, "step", unforeseen)

    async def before(db: Database, _: Paths) -> None:
        await add_run(db, "done")
        await runs.transition(db, "done", "failed")
        await requests.add(db, RetryRun(target="done"))
        await requests.add(db, SweepLeases())

    async with an_engine(tmp_path, before) as (engine, _):

        async def answers() -> list[str]:
            return [row["state"] for row in await engine.db.all("SELECT state FROM requests ORDER BY id")]

        async def both() -> bool:
            return "pending" not in await answers()

        await until(both, "both are answered")
        assert await answers() == ["failed", "done"]
        first = await requests.get(engine.db, 1)
        assert first is not None and "the engine itself failed" in first.result["error"]["what"]


async def test_where_the_engine_dies_before_it_answers_the_next_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request to return a machine would wait for whoever comes next, who may come in the morning."""
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path))
    monkeypatch.setenv("BRIGHTRUN_ENGINE_SPARE_SECONDS", "0")
    paths = get_paths()
    async with open_database(paths.database) as db:
        try:
            with FileLock(paths.engine_lock):  # as an engine that comes to nothing more
                asked = asyncio.create_task(client.ask(db, paths, StandBy(), wait=60))
                await until(lambda: requests.pending(db), "the request is made")
            assert (await asked).answer is not None
        finally:
            end_all(tmp_path)


async def test_a_clock_that_is_set_is_told_to_the_runs_that_are_on(
    tmp_path: Path, clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    clouds.known["lying"].outages["down"] = time.time() + 9e9

    async def before(db: Database, _: Paths) -> None:
        await add_run(db, "r", estimate=Estimate(memory=1))
        await runs.transition(db, "r", "preparing")
        await runs.transition(db, "r", "launching")

    async with an_engine(tmp_path, before) as (engine, _):
        await until(lambda: "r" in engine.runners, "the run is driven")
        real = time.time
        monkeypatch.setattr("time.time", lambda: real() + 2 * 86400)

        async def told() -> list[str]:
            return [notice.message for notice in (await runs.get(engine.db, "r")).notices]

        (message,) = await until(told, "the run has a notice")
        assert "set forward by 2 d 0 h" in message and (await runs.get(engine.db, "r")).state == "launching"


async def test_those_who_ask_for_the_engine_at_once_do_not_take_one_another_for_it(tmp_path: Path) -> None:
    """App and verbs ask whenever they like; while none runs all of them are told so, and while one runs, that."""
    paths = Paths(*(tmp_path / name for name in ("config", "data", "cache", "logs")))
    async with open_database(paths.database) as db:

        async def asked() -> set[bool]:
            many = await asyncio.gather(*(engine_status(db, paths) for _ in range(300)))
            return {status.running for status in many}

        with FileLock(paths.engine_lock):
            assert await asked() == {True}
        assert await asked() == {False}


@pytest.mark.slow
async def test_an_engine_that_hangs_names_the_way_to_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped by somebody's Ctrl-Z or a debugger it answers nobody; the command that is printed ends it, and a new one starts."""
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path))
    paths = get_paths()
    try:
        async with open_database(paths.database) as db:
            await client.ensure_engine(paths)
            while (pid := (await engine_status(db, paths)).pid) is None:
                await asyncio.sleep(0.02)
            os.kill(pid, signal.SIGSTOP)
            with pytest.raises(EngineError) as hangs:
                await client.stop_engine(db, paths, timeout=0.5)
            words = hangs.value.fix.split()
            assert words[:3] == ["kill", "-9", str(pid)]
            subprocess.run(words[:3], check=True)
            while (await engine_status(db, paths)).running:
                await asyncio.sleep(0.02)
            await client.ensure_engine(paths)
            await client.stop_engine(db, paths)
            assert not (await engine_status(db, paths)).running
    finally:
        end_all(tmp_path)


@pytest.mark.slow
async def test_two_engines_never_look_after_one_directory_whatever_becomes_of_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody tidies the data directory up: the engine takes the lock anew, and of two that might only one goes on."""
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path))
    monkeypatch.setenv("BRIGHTRUN_ENGINE_BEAT_SECONDS", "0.2")
    monkeypatch.setenv("BRIGHTRUN_ENGINE_SPARE_SECONDS", "0")
    paths = get_paths()

    def engines() -> set[int]:
        return {process.pid for process in of_home(tmp_path, "brightrun_tui.orchestrator")}

    async def one_alone() -> bool:
        return lock_is_held(paths) and len(engines()) == 1

    try:
        await client.ensure_engine(paths)
        (first,) = engines()
        paths.engine_lock.unlink()
        await until(one_alone, "it has the lock again")
        assert engines() == {first}
        paths.engine_lock.unlink()
        await client.ensure_engine(paths)
        await until(one_alone, "one of two has the lock, and the other has ended")
    finally:
        end_all(tmp_path)
