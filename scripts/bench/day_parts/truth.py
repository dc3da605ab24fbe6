"""What happened, from the store, with the moment at which it stood there: states, news, and what the numbers say is wrong."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from brightrun_tui.domain.alerts import Numbers, find_alerts
from brightrun_tui.domain.notification import Notification
from brightrun_tui.domain.run import Run
from brightrun_tui.store import Database, metrics, notifications, runs

LOOK_SECONDS = 0.25
JUDGED = 120


@dataclass(frozen=True)
class Happened:
    """``what``: "state", "news" or "alert"; ``word``: the state, or the sentence; ``until``: when it was over."""

    time: float
    what: str
    run: str
    word: str
    code: str = ""
    until: float = float("inf")


@dataclass
class Truth:
    """The book of a day."""

    happened: list[Happened] = field(default_factory=list)
    states: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    _news: int = 0
    _wrong: dict[str, Happened] = field(default_factory=dict)

    async def follow(self, db: Database, over: asyncio.Event) -> None:
        """Look at the store four times a second, and once in a second at the numbers, until it is over."""
        looked = 0.0
        while not over.is_set():
            everything, now = await runs.list_runs(db), time.time()
            for run in everything:
                self._state(run, now)
            for one in reversed(await notifications.latest(db, 50)):
                self._take(one)
            if now - looked >= 1.0:
                looked = now
                await self._judge(db, everything, now)
            await asyncio.sleep(LOOK_SECONDS)
        self.happened += [*self._wrong.values(), *self._state_changes(time.time())]
        self.happened.sort(key=lambda one: one.time)

    def state(self, run: str, at: float) -> str:
        """Return what the store said at a moment; empty before the run was there."""
        return next((state for since, state in reversed(self.states.get(run, [])) if since <= at), "")

    def _state(self, run: Run, now: float) -> None:
        known = self.states.setdefault(run.name, [])
        if not known or known[-1][1] != run.state:
            known.append((now, run.state))

    def _state_changes(self, end: float) -> list[Happened]:
        return [
            Happened(since, "state", run, state, until=known[number + 1][0] if number + 1 < len(known) else end)
            for run, known in self.states.items()
            for number, (since, state) in enumerate(known)
        ]

    def _take(self, one: Notification) -> None:
        if one.id > self._news:
            self._news = one.id
            self.happened.append(Happened(time.time(), "news", one.subject, one.message, one.code))

    async def _judge(self, db: Database, everything: list[Run], now: float) -> None:
        wrong: dict[str, Happened] = {}
        for run in everything:
            if run.active:
                for alert in find_alerts(run, await self._numbers(db, run, now)):
                    wrong[alert.key] = Happened(now, "alert", run.name, alert.what, alert.code)
        for key, one in list(self._wrong.items()):
            if key not in wrong:
                del self._wrong[key]
                self.happened.append(Happened(one.time, one.what, one.run, one.word, one.code, now))
        for key, one in wrong.items():
            self._wrong.setdefault(key, one)

    async def _numbers(self, db: Database, run: Run, now: float) -> Numbers:
        points = {
            name: [
                (point.step, float("nan") if point.value is None else point.value)
                for point in await metrics.newest(db, run.id, name, JUDGED, run.upto(name))
            ]
            for name in ("train_loss", "eval_loss", "grad_norm", "utilisation")
        }
        return Numbers(
            now=now,
            heard_at=await metrics.heard_at(db, run),
            train=points["train_loss"],
            held_out=points["eval_loss"],
            gradient=points["grad_norm"],
            load=[value for _, value in points["utilisation"]],
        )
