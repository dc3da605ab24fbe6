"""What the screens see of the world: one immutable picture, made anew when the store has changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from brightrun_tui.domain.errors import StoreError
from brightrun_tui.domain.events import Alert, Body, Checkpoint, Done, Event, Phase, Sample
from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.notification import Notification
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.spending import Spending
from brightrun_tui.orchestrator.engine_status import EngineStatus, engine_status
from brightrun_tui.paths import Paths
from brightrun_tui.store import Database, engine, events, leases, metrics, notes, notifications, runs
from brightrun_tui.store.engine import ServiceFacts
from brightrun_tui.store.runs import DamagedRun
from brightrun_tui.tui.curve import MOST_GAPS, Curve
from brightrun_tui.tui.remembered import recall
from brightrun_tui.tui.run_reader import RunReader, Vitals

if TYPE_CHECKING:
    from brightrun_tui.domain.dataset import DatasetReport
    from brightrun_tui.domain.endpoint import Endpoint
    from brightrun_tui.domain.evaluation import Evaluation
    from brightrun_tui.domain.model import ModelVersion
    from brightrun_tui.registry.signing import Origin

B = TypeVar("B", Alert, Checkpoint, Done, Phase, Sample)

MOST_OTHERS = 4
"""Runs whose curves are drawn over those of the chosen one."""
AT_ONCE = 500
"""Points that are taken over before something else gets its turn."""
LOOK_SECONDS = 0.5
"""Between two looks at whether the store has changed."""
DRAW_SECONDS = 0.05
"""In which a first picture of the runs alone is drawn, before all the rest is read."""
ENGINE_LOOK_SECONDS = 3.0
"""Between two looks at the engine, which can die without writing anything."""


@dataclass(frozen=True)
class RunDetail:
    """The chosen run's curves, what its worker said, by kind of event, and every machine that was rented for it."""

    run_id: str
    curves: Mapping[str, Curve] = field(default_factory=dict)
    samples: tuple[Event[Sample], ...] = ()
    checkpoints: tuple[Event[Checkpoint], ...] = ()
    alerts: tuple[Event[Alert], ...] = ()
    phases: tuple[Event[Phase], ...] = ()
    ends: tuple[Event[Done], ...] = ()
    leases: tuple[Lease, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Snapshot:
    """Everything that the store says, at one moment. Lists are newest first. ``month``: what this calendar month has cost so far.

    ``news``: the newest of it; ``unread``: how much of all of it nobody has looked at. By ``name:version``: ``attention``, why a
    model needs somebody, and ``origins``, whose it is where it came from elsewhere. ``damaged``: runs whose record cannot be
    read. ``more``: ended runs that the first picture does without. ``trouble``: why the store cannot be read just now, and all
    this is older. ``runs_alone``: the very first picture of Monitor; whatever else there is follows at once.
    """

    runs: tuple[Run, ...] = ()
    damaged: tuple[DamagedRun, ...] = ()
    more: int = 0
    models: tuple[ModelVersion, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    datasets: tuple[DatasetReport, ...] = ()
    leases: tuple[Lease, ...] = ()
    month: Spending = field(default_factory=Spending)
    services: Mapping[str, ServiceFacts] = field(default_factory=dict)
    news: tuple[Notification, ...] = ()
    unread: int = 0
    engine: EngineStatus | None = None
    detail: RunDetail | None = None
    vitals: Mapping[str, Vitals] = field(default_factory=dict)
    others: Mapping[str, RunDetail] = field(default_factory=dict)
    runs_alone: bool = False
    loaded: bool = False
    trouble: str = ""
    attention: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    evaluations: tuple[Evaluation, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)

    @cached_property
    def _by_id(self) -> Mapping[str, Run | DamagedRun]:
        known: dict[str, Run | DamagedRun] = {run.id: run for run in self.damaged}
        known.update((run.id, run) for run in self.runs)
        return known

    def run(self, run_id: str) -> Run | None:
        found = self._by_id.get(run_id)
        return found if isinstance(found, Run) else None

    def damaged_run(self, run_id: str) -> DamagedRun | None:
        found = self._by_id.get(run_id)
        return found if isinstance(found, DamagedRun) else None

    def model(self, ref: str) -> ModelVersion | None:
        return next((model for model in self.models if model.ref == ref), None)

    def evaluations_of(self, model: ModelVersion) -> tuple[Evaluation, ...]:
        """Return what a version was measured to be worth besides its report card, newest first."""
        return tuple(each for each in self.evaluations if each.ref == model.ref)

    def endpoint_of(self, model: ModelVersion) -> Endpoint | None:
        """Return the newest endpoint of a version that has not been stopped; one that failed only where there is no other."""
        return _first_standing(each for each in self.endpoints if each.serves(model))

    def base_endpoint_of(self, model: ModelVersion) -> Endpoint | None:
        """Do as `endpoint_of`, of the version's base model alone."""
        return _first_standing(each for each in self.endpoints if each.serves_base_of(model))

    def leases_of(self, run_id: str) -> tuple[Lease, ...]:
        """Return machines rented for a run and not yet proven gone."""
        return tuple(lease for lease in self.leases if lease.run_id == run_id)

    @property
    def needs_engine(self) -> bool:
        """Something is active, and no engine looks after it."""
        if self.engine is None or self.engine.running:
            return False
        serving = any(endpoint.live for endpoint in self.endpoints)
        return serving or bool(self.leases) or any(run.active for run in self.runs)

    @property
    def cost_per_hour(self) -> float:
        """US dollars that rented machines cost right now; one that is not proven gone still counts."""
        return sum(hourly(lease) for lease in self.leases)


def hourly(lease: Lease) -> float:
    """Return US dollars an hour: as observed, else as quoted; nothing while it is only intended."""
    return 0.0 if lease.state == "intended" else lease.rate


class SnapshotInterest:
    """What the readers of snapshots want to see, and whether they want to see it now."""

    def __init__(self) -> None:
        self.run_id = ""
        self.others: tuple[str, ...] = ()
        self.wanted = asyncio.Event()
        self.stale = False

    def choose(self, run_id: str) -> None:
        """Carry the detail of this run from now on."""
        if run_id != self.run_id:
            self.run_id = run_id
            self.wanted.set()

    def overlay(self, run_ids: tuple[str, ...]) -> None:
        """Carry the curves of these runs as well, `MOST_OTHERS` at most."""
        if run_ids[:MOST_OTHERS] != self.others:
            self.others = run_ids[:MOST_OTHERS]
            self.wanted.set()

    def look_now(self) -> None:
        """Read everything again at once: `data_version` does not show changes of our own."""
        self.stale = True
        self.wanted.set()


async def follow(
    db: Database, paths: Paths, watch: SnapshotInterest, *, runs_first: bool = False
) -> AsyncIterator[Snapshot]:
    """Yield a new picture whenever the store has changed, or another run is watched; without end.

    While the store cannot be read the last picture comes again, with the trouble in it, once.
    """
    reader = SnapshotReader(db, paths, runs_first=runs_first)
    snapshot = Snapshot()
    version, since_engine = -1, 0.0
    while True:
        before = snapshot
        try:
            newest = await db.data_version()
            if newest != version or watch.stale or snapshot.trouble or since_engine >= ENGINE_LOOK_SECONDS:
                watch.wanted.clear()
                watch.stale = False
                snapshot = await reader.read(watch.run_id, watch.others)
                version, since_engine = newest, 0.0
                watch.stale = watch.stale or not reader.complete
            elif watch.wanted.is_set():
                watch.wanted.clear()
                snapshot = await reader.read_detail(snapshot, watch.run_id, watch.others)
        except StoreError as error:
            if not snapshot.trouble:
                snapshot = replace(snapshot, trouble=str(error))
        if snapshot is not before:
            yield snapshot
        with suppress(TimeoutError):
            await asyncio.wait_for(watch.wanted.wait(), DRAW_SECONDS if snapshot.runs_alone else LOOK_SECONDS)
        since_engine += LOOK_SECONDS


class SnapshotReader:
    """Reads snapshots from one connection, and only the news of the run being watched."""

    def __init__(self, db: Database, paths: Paths, *, runs_first: bool = False) -> None:
        """Read the store; with ``runs_first`` the first picture is of the runs alone and not `loaded`, as Monitor is
        opened for them.
        """
        self._db = db
        self._paths = paths
        self._runs = RunReader(db)
        self._runs_first = runs_first
        self._mark = 0
        self._seq = -1
        self._detail = RunDetail("")
        self._others: dict[str, tuple[int, RunDetail]] = {}
        self._first = True
        self.complete = False
        self._evaluations: dict[str, Evaluation | None] = {}

    async def read(self, watched: str, others: tuple[str, ...] = ()) -> Snapshot:
        """Return what is shown. ``watched``: the id of the run whose detail is wanted, or empty; of ``others`` only the
        curves.
        """
        db = self._db
        first = {watched, *others, *recall(self._paths).pinned} if self._first else frozenset[str]()
        whole, damaged, vitals = await self._runs.read(first)
        if self._runs_first:
            self._runs_first = self.complete = False
            rented, now = await leases.list_leases(db, open_only=True), await engine_status(db, self._paths)
            return Snapshot(
                runs=whole,
                damaged=damaged,
                vitals=vitals,
                more=self._runs.more,
                leases=tuple(rented),
                engine=now,
                runs_alone=True,
            )
        from brightrun_tui.store import corrections, datasets, endpoints, models

        versions, data = await models.list_models(db), await datasets.list_datasets(db)
        serving = await endpoints.list_endpoints(db)
        if any(endpoint.state == "ready" for endpoint in serving):
            serving = await asyncio.to_thread(_as_they_are, serving)
        waiting = await corrections.waiting(db)
        attention, origins = await self._needed(versions, serving, data, waiting)
        return Snapshot(
            runs=whole,
            damaged=damaged,
            vitals=vitals,
            more=self._runs.more,
            models=tuple(versions),
            endpoints=tuple(serving),
            datasets=tuple(data),
            leases=tuple(await leases.list_leases(db, open_only=True)),
            month=await leases.month_spending(db),
            services=await engine.services(db),
            news=tuple(await notifications.latest(db)),
            unread=await notifications.unread(db),
            engine=await engine_status(db, self._paths),
            detail=await self._read_detail(watched) if watched else None,
            others=await self._read_others(others),
            attention=attention,
            evaluations=await self._read_evaluations(),
            origins=origins,
            loaded=True,
        )

    async def _needed(
        self, versions: Sequence[ModelVersion], *of: Any
    ) -> tuple[Mapping[str, tuple[str, ...]], Mapping[str, Origin]]:
        """Return what each version needs, and its origin. The first picture does not wait for the imports this takes;
        it is not `complete` then.
        """
        put_off = self._first and bool(versions)
        self._first, self.complete = False, not (put_off or self._runs.more)
        if put_off or not versions:
            return {}, {}
        return await asyncio.to_thread(_attention_and_origins, self._paths, versions, *of)

    async def _read_evaluations(self) -> tuple[Evaluation, ...]:
        """Read evaluations, each once: they never change."""
        from brightrun_tui.store import evaluations

        wanted = await evaluations.ids(self._db)
        for run_id in wanted:
            if run_id not in self._evaluations:
                self._evaluations[run_id] = await evaluations.by_run(self._db, run_id)
        return tuple(found for run_id in wanted if (found := self._evaluations[run_id]) is not None)

    async def read_detail(self, snapshot: Snapshot, watched: str, others: tuple[str, ...] = ()) -> Snapshot:
        """Return the same picture with the detail of another run."""
        detail = await self._read_detail(watched) if watched else None
        return replace(snapshot, detail=detail, others=await self._read_others(others))

    async def _read_others(self, run_ids: tuple[str, ...]) -> Mapping[str, RunDetail]:
        kept: dict[str, tuple[int, RunDetail]] = {}
        for run_id in run_ids:
            curves, mark = await self._read_curves(run_id, *self._others.get(run_id, (0, None)))
            kept[run_id] = (mark, RunDetail(run_id, curves))
        self._others = kept
        return {run_id: detail for run_id, (_, detail) in kept.items()}

    async def _read_curves(self, run_id: str, mark: int, before: RunDetail | None) -> tuple[dict[str, Curve], int]:
        """Return all curves the first time, later what is new, and the mark to go on from."""
        if before is None:
            mark, first = await metrics.overview(self._db, run_id)
            curves = {name: await self._curve(run_id, name, entries) for name, entries in first.items()}
        else:
            curves = dict(before.curves)
        changes = await metrics.changes(self._db, run_id, mark)
        for number, point in enumerate(changes.points):
            curves.setdefault(point.name, Curve()).add(point.step, point.value, point.time)
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
        run = await runs.readable(self._db, run_id)  # read last, so no point is newer than it
        if run is not None:
            for name, curve in curves.items():
                curve.go_back(run.upto(name))
        return curves, changes.mark

    async def _read_detail(self, run_id: str) -> RunDetail:
        if run_id != self._detail.run_id:
            self._detail, self._seq = RunDetail(run_id), -1
            curves, mark = await self._read_curves(run_id, 0, None)
        else:
            curves, mark = await self._read_curves(run_id, self._mark, self._detail)
        fresh = await events.read(self._db, run_id, after=self._seq)
        self._mark = mark
        self._seq = fresh[-1].seq if fresh else self._seq
        old = self._detail
        self._detail = RunDetail(
            run_id,
            curves,
            old.samples + _of(fresh, Sample),
            old.checkpoints + _of(fresh, Checkpoint),
            old.alerts + _of(fresh, Alert),
            old.phases + _of(fresh, Phase),
            old.ends + _of(fresh, Done),
            tuple(await leases.list_leases(self._db, run_id=run_id)),
            await notes.get(self._db, run_id),
        )
        return self._detail

    async def _curve(self, run_id: str, name: str, entries: list[metrics.CurveEntry]) -> Curve:
        curve = Curve()
        for start in range(0, len(entries), AT_ONCE):
            curve.extend(entries[start : start + AT_ONCE])
            await asyncio.sleep(0)
        curve.gaps = await metrics.gaps(self._db, run_id, name, MOST_GAPS)
        return curve


def _first_standing(serving: Iterable[Endpoint]) -> Endpoint | None:
    from brightrun_tui.domain.endpoint import standing

    return next(iter(standing(serving)), None)


def _as_they_are(serving: Sequence[Endpoint]) -> list[Endpoint]:
    from brightrun_tui.serving import with_liveness

    return with_liveness(serving)


def _attention_and_origins(
    paths: Paths,
    versions: Sequence[ModelVersion],
    serving: Sequence[Endpoint],
    data: Sequence[DatasetReport],
    waiting: Mapping[str, int],
) -> tuple[Mapping[str, tuple[str, ...]], Mapping[str, Origin]]:
    from brightrun_tui.registry.attention import needs_attention
    from brightrun_tui.registry.signing import origins_of

    return needs_attention(versions, serving, data, waiting, time.time()), origins_of(paths, versions)


def _of(said: list[Event[Body]], kind: type[B]) -> tuple[Event[B], ...]:
    return tuple(Event(event.seq, event.time, event.body) for event in said if isinstance(event.body, kind))
