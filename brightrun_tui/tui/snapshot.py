"""What the screens see of the world: one immutable picture, made anew when the store has changed."""

from __future__ import annotations

import asyncio
import math
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.errors import StoreError
from brightrun_tui.domain.events import Alert, Body, Checkpoint, Event, Phase, Sample
from brightrun_tui.domain.model import Endpoint, ModelVersion
from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.spending import Spending
from brightrun_tui.orchestrator.client import EngineStatus, engine_status
from brightrun_tui.paths import Paths
from brightrun_tui.registry.attention import needs_attention
from brightrun_tui.store import (
    Database,
    corrections,
    datasets,
    endpoints,
    engine,
    events,
    leases,
    metrics,
    models,
    runs,
)
from brightrun_tui.store.runs import DamagedRun

B = TypeVar("B", Alert, Checkpoint, Phase, Sample)

LOOK_SECONDS = 0.5
"""Between two looks at whether the store has changed."""
ENGINE_LOOK_SECONDS = 3.0
"""Between two looks at the engine, which can die without writing anything."""


class Curve:
    """One metric of one run, by step. Points only ever get added or replaced; ``version`` counts the changes."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.values: list[float] = []
        self.gaps: list[int] = []
        self.version = 0

    def add(self, step: int, value: float | None) -> None:
        """``value`` None (the worker saw NaN or infinity) is kept as NaN and its step among ``gaps``."""
        number = math.nan if value is None or not math.isfinite(value) else value
        if self.steps and step <= self.steps[-1]:
            index = bisect_left(self.steps, step)
            if self.steps[index] == step:
                self.values[index] = number
            else:
                self.steps.insert(index, step)
                self.values.insert(index, number)
        else:
            self.steps.append(step)
            self.values.append(number)
        if step in self.gaps:
            self.gaps.remove(step)
        if math.isnan(number):
            self.gaps.append(step)
        self.version += 1


@dataclass(frozen=True)
class RunDetail:
    """The chosen run's curves, what its worker said, by kind of event, and every machine that was rented for it."""

    run_id: str
    curves: Mapping[str, Curve] = field(default_factory=dict)
    samples: tuple[Event[Sample], ...] = ()
    checkpoints: tuple[Event[Checkpoint], ...] = ()
    alerts: tuple[Event[Alert], ...] = ()
    phases: tuple[Event[Phase], ...] = ()
    leases: tuple[Lease, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """Everything that the store says, at one moment. Lists are newest first. ``month``: what this calendar month has cost so far.

    ``attention``: by ``name:version`` why a model needs somebody.
    ``damaged``: runs whose record cannot be read. ``trouble``: why the store cannot be read just now, and all this is older.
    """

    runs: tuple[Run, ...] = ()
    damaged: tuple[DamagedRun, ...] = ()
    models: tuple[ModelVersion, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    datasets: tuple[DatasetReport, ...] = ()
    leases: tuple[Lease, ...] = ()
    month: Spending = field(default_factory=Spending)
    services: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    engine: EngineStatus | None = None
    detail: RunDetail | None = None
    loaded: bool = False
    trouble: str = ""
    attention: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def run(self, run_id: str) -> Run | None:
        return next((run for run in self.runs if run.id == run_id), None)

    def damaged_run(self, run_id: str) -> DamagedRun | None:
        return next((run for run in self.damaged if run.id == run_id), None)

    def model(self, ref: str) -> ModelVersion | None:
        return next((model for model in self.models if model.ref == ref), None)

    def endpoint_of(self, model: ModelVersion) -> Endpoint | None:
        """The newest endpoint of a version that has not been stopped."""
        return next(
            (
                e
                for e in self.endpoints
                if e.state != "stopped" and (e.model, e.model_version) == (model.name, model.version)
            ),
            None,
        )

    def leases_of(self, run_id: str) -> tuple[Lease, ...]:
        """Machines rented for a run and not yet proven gone."""
        return tuple(lease for lease in self.leases if lease.run_id == run_id)

    @property
    def needs_engine(self) -> bool:
        """Something is active, and no engine looks after it."""
        if self.engine is None or self.engine.running:
            return False
        serving = any(endpoint.state in ("starting", "ready", "stopping") for endpoint in self.endpoints)
        return serving or bool(self.leases) or any(run.active for run in self.runs)

    @property
    def cost_per_hour(self) -> float:
        """US dollars that rented machines cost right now; one that is not proven gone still counts."""
        return sum(hourly(lease) for lease in self.leases)


def hourly(lease: Lease) -> float:
    """US dollars an hour: as observed, else as quoted; nothing while it is only intended."""
    return 0.0 if lease.state == "intended" else lease.rate


class Watch:
    """What the readers of snapshots want to see, and whether they want to see it now."""

    def __init__(self) -> None:
        self.run_id = ""
        self.wanted = asyncio.Event()
        self.stale = False

    def choose(self, run_id: str) -> None:
        """Carry the detail of this run from now on."""
        if run_id != self.run_id:
            self.run_id = run_id
            self.wanted.set()

    def look_now(self) -> None:
        """Read everything again at once: `data_version` does not show changes of our own."""
        self.stale = True
        self.wanted.set()


async def follow(db: Database, paths: Paths, watch: Watch) -> AsyncIterator[Snapshot]:
    """A new picture whenever the store has changed, or another run is watched; without end.

    While the store cannot be read the last picture comes again, with the trouble in it, once.
    """
    reader = SnapshotReader(db, paths)
    snapshot = Snapshot()
    version, since_engine = -1, 0.0
    while True:
        before = snapshot
        try:
            newest = await db.data_version()
            if newest != version or watch.stale or snapshot.trouble or since_engine >= ENGINE_LOOK_SECONDS:
                watch.wanted.clear()
                watch.stale = False
                snapshot = await reader.read(watch.run_id)
                version, since_engine = newest, 0.0
            elif watch.wanted.is_set():
                watch.wanted.clear()
                snapshot = await reader.read_detail(snapshot, watch.run_id)
        except StoreError as error:
            if not snapshot.trouble:
                snapshot = replace(snapshot, trouble=str(error))
        if snapshot is not before:
            yield snapshot
        with suppress(TimeoutError):
            await asyncio.wait_for(watch.wanted.wait(), LOOK_SECONDS)
        since_engine += LOOK_SECONDS


class SnapshotReader:
    """Reads snapshots from one connection, and only the news of the run being watched."""

    def __init__(self, db: Database, paths: Paths) -> None:
        self._db = db
        self._paths = paths
        self._mark = 0
        self._seq = -1
        self._detail = RunDetail("")

    async def read(self, watched: str) -> Snapshot:
        """``watched`` is the id of the run whose detail is wanted, or empty."""
        db = self._db
        whole, damaged = await runs.list_all(db)
        versions, serving = await models.list_models(db), await endpoints.list_endpoints(db)
        data = await datasets.list_datasets(db)
        waiting = await corrections.waiting(db)
        return Snapshot(
            runs=tuple(whole),
            damaged=tuple(damaged),
            models=tuple(versions),
            endpoints=tuple(serving),
            datasets=tuple(data),
            leases=tuple(await leases.list_leases(db, open_only=True)),
            month=await leases.month_spending(db),
            services=await engine.services(db),
            engine=await engine_status(db, self._paths),
            detail=await self._read_detail(watched) if watched else None,
            attention=await asyncio.to_thread(needs_attention, versions, serving, data, waiting, time.time()),
            loaded=True,
        )

    async def read_detail(self, snapshot: Snapshot, watched: str) -> Snapshot:
        """The same picture with the detail of another run."""
        return replace(snapshot, detail=await self._read_detail(watched) if watched else None)

    async def _read_detail(self, run_id: str) -> RunDetail:
        if run_id != self._detail.run_id:
            self._detail, self._mark, self._seq = RunDetail(run_id), 0, -1
        changes = await metrics.changes(self._db, run_id, self._mark)
        curves = {name: curve for name, curve in self._detail.curves.items()}
        for point in changes.points:
            curves.setdefault(point.name, Curve()).add(point.step, point.value)
        fresh = await events.read(self._db, run_id, after=self._seq)
        self._mark = changes.mark
        self._seq = fresh[-1].seq if fresh else self._seq
        old = self._detail
        self._detail = RunDetail(
            run_id,
            curves,
            old.samples + _of(fresh, Sample),
            old.checkpoints + _of(fresh, Checkpoint),
            old.alerts + _of(fresh, Alert),
            old.phases + _of(fresh, Phase),
            tuple(await leases.list_leases(self._db, run_id=run_id)),
        )
        return self._detail


def _of(said: list[Event[Body]], kind: type[B]) -> tuple[Event[B], ...]:
    return tuple(Event(event.seq, event.time, event.body) for event in said if isinstance(event.body, kind))
