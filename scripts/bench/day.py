#!/usr/bin/env python3
"""A day at Monitor in ten minutes: fifty runs that start, fail, pause and finish, and what an operator saw of it, and when.

    scripts/bench/day.py [--runs 50] [--parallel 7] [--quick] [--keep DIRECTORY] [--json]

Real are the engine, the store, the run directories, SSH, and the app in tmux at 120 × 40, whose screen is read once a second; the
clouds are stand-ins, and the worker learns nothing and meets what the name of its run says (`day_parts/worker.py`). Somebody
else pauses, resumes and stops some runs meanwhile. The operator does nothing but change the screen: New Run and Registry
get a tenth of the day each. For everything that happened, by the store, the table says when it first stood on the screen.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from brightrun_tui.domain.money import Limits
from brightrun_tui.domain.requests import PauseRun, ResumeRun, StopRun
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, Run, RunSpec
from brightrun_tui.domain.run_states import TERMINAL
from brightrun_tui.orchestrator import client
from brightrun_tui.paths import get_paths
from brightrun_tui.store import Database, open_database, runs
from scripts.bench.campaign import ESTIMATE, SETTINGS, make_interpreter
from scripts.bench.day_parts.screen import Look, Terminal
from scripts.bench.day_parts.truth import Happened, Truth
from tests.clouds.server import CloudServer
from tests.serving.toy import Toy, make_toy

WORKER = Path(__file__).resolve().parent / "day_parts" / "worker.py"
DAY = {
    "fine": 14,
    "pause": 5,
    "nan": 3,
    "oom": 3,
    "killed": 3,
    "silent": 3,
    "climbs": 3,
    "stop": 3,
    "disk": 2,
    "crash": 2,
    "hot": 2,
    "full": 2,
    "lost": 2,
    "tight": 2,
    "frozen": 1,
}
"""Runs by what happens to them; ``lost``: the machine dies, ``tight``: its budget is too small."""
QUICK = {"fine": 1, "pause": 1, "nan": 1, "killed": 1, "climbs": 1, "silent": 1, "hot": 1, "stop": 1}
TIGHT_BUDGET = 0.006
ASKED_AT, RESUMED_AFTER = 12, 12.0
"""The step after which somebody asks something of a run, and the seconds for which a pause lasts."""
SHORT = 2.0
"""Seconds: what is over sooner cannot be expected on a screen that is read once a second."""
LATE = 3.0
ELSEWHERE = ((0.4, "2"), (0.5, "4"), (0.6, "3"))
"""Where the operator goes, after which part of the runs."""


@dataclass(frozen=True)
class Seen:
    """``delay``: seconds until it stood on the screen, None where it never did; ``how``: in which way first."""

    time: float
    what: str
    run: str
    word: str
    code: str
    delay: float | None
    how: str


async def submit(db: Database, kind: str, number: int, toy: Toy, data: Path) -> Run:
    spec = RunSpec(
        run_id=f"d{number:03d}-{random.getrandbits(24):06x}",
        name=f"{kind}-{number:02d}",
        created_at=time.time(),
        base=BaseModelRef(id=str(toy.base)),
        provider="runpod" if number % 2 else "vast",
        limits=Limits(budget_usd=TIGHT_BUDGET if kind == "tight" else 1.0),
        dataset=DatasetRef(path=str(data), name="d", format="messages", fingerprint="", records=20, usable=20),
    )
    return await runs.create(db, spec, str(get_paths().run_directory(spec.run_id)), ESTIMATE)


class Somebody:
    """Asks things of runs from elsewhere, and lets machines die."""

    def __init__(self, db: Database, clouds: CloudServer) -> None:
        self._db, self._clouds = db, clouds
        self._done: set[str] = set()
        self._paused: dict[str, float] = {}

    async def act(self, everything: Sequence[Run]) -> None:
        for run in everything:
            kind = run.name.partition("-")[0]
            if run.state == "running" and run.step >= ASKED_AT and run.id not in self._done:
                self._done.add(run.id)
                if kind == "pause":
                    await client.ask(self._db, get_paths(), PauseRun(target=run.id))
                elif kind == "stop":
                    await client.ask(self._db, get_paths(), StopRun(target=run.id))
                elif kind == "lost":
                    await self._let_die(run)
            if run.state == "paused":
                since = self._paused.setdefault(run.id, time.monotonic())
                if time.monotonic() - since > RESUMED_AFTER:
                    await client.ask(self._db, get_paths(), ResumeRun(target=run.id))

    async def _let_die(self, run: Run) -> None:
        for cloud in self._clouds.clouds:
            for machine in list(cloud.instances.values()):
                if f"-{run.id}-" in machine.name and machine.stage == "running":
                    await self._clouds.ask(cloud.die(machine))


async def play(kinds: list[str], parallel: int, clouds: CloudServer, toy: Toy, data: Path) -> tuple[Truth, list[Look]]:
    paths, truth, over = get_paths(), Truth(), asyncio.Event()
    async with open_database(paths.database) as db:
        await client.ensure_engine(paths)
        following = asyncio.create_task(truth.follow(db, over))
        try:
            with Terminal() as terminal:
                terminal.press("3")
                await start_all(db, kinds, parallel, Somebody(db, clouds), terminal, toy, data)
                await asyncio.sleep(5.0)
            over.set()
            await following
        finally:
            await client.stop_engine(db, paths)
    return truth, terminal.looks


async def start_all(
    db: Database, kinds: list[str], parallel: int, somebody: Somebody, terminal: Terminal, toy: Toy, data: Path
) -> None:
    """Start runs as others end; a paused one keeps its place."""
    started, gone = 0, 0
    while True:
        everything = await runs.list_runs(db)
        waiting = [run for run in everything if run.state not in TERMINAL]
        if started == len(kinds) and not waiting:
            return
        while started < len(kinds) and len(waiting) < parallel:
            waiting.append(await submit(db, kinds[started], started, toy, data))
            started += 1
        await somebody.act(everything)
        if gone < len(ELSEWHERE) and started >= ELSEWHERE[gone][0] * len(kinds):
            terminal.press(ELSEWHERE[gone][1])
            gone += 1
        if sys.stderr.isatty():
            print(f"\r{started - len(waiting)}/{len(kinds)} runs ended ", end="", file=sys.stderr)
        await asyncio.sleep(0.5)


def seen_of(one: Happened, number: int, looks: Sequence[Look], ending: str) -> Seen:
    """Return the first look that shows it. ``number``: how much news there was by then; ``ending``: what the news said
    of this end.
    """
    found: dict[str, float] = {}
    for look in looks:
        if look.time < one.time:
            continue
        if look.time > one.until + LATE and one.what != "news":
            break
        ways = {
            "row": one.what == "state" and look.states.get(one.run) == one.word,
            "words": one.what != "state" and look.says(one.word) and one.run in look.text,
            "count": one.what == "news" and look.unread >= number,
            "toast": bool(ending) and one.what == "state" and one.run in look.text and look.says(ending),
            "mark": one.code == "silent" and "silent" in _row(one.run, look),
        }
        for way, true in ways.items():
            if true:
                found.setdefault(way, look.time - one.time)
        if set(found) - {"count"}:
            break
    how = min(found, key=lambda way: (way == "count", found[way]), default="")
    return Seen(one.time, one.what, one.run, one.word, one.code, found[how] if how else None, how)


def _row(run: str, look: Look) -> str:
    return next((line for line in look.text.splitlines() if f" {run} " in line), "")


def stale_rows(truth: Truth, looks: Sequence[Look]) -> list[tuple[float, str, str, str]]:
    """Return rows whose state had been true, but not within the last `LATE` seconds: when, run, what was said, what was
    true. A state that came and went between two looks at the store does not count: the screen may well have seen it.
    """
    found = []
    for look in looks:
        for run, said in look.states.items():
            recent = {truth.state(run, look.time - LATE), truth.state(run, look.time)}
            recent |= {state for since, state in truth.states.get(run, []) if look.time - LATE <= since <= look.time}
            past = {state for since, state in truth.states.get(run, []) if since < look.time - LATE}
            if said in past - recent:
                found.append((look.time, run, said, truth.state(run, look.time)))
    return found


def table(seen: Sequence[Seen]) -> list[dict[str, object]]:
    """Count by kind of thing: how many, how many were shown on the screen, in which way first, and after how long."""
    groups: defaultdict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        groups[f"{one.what}: {one.word if one.what == 'state' else one.code}"].append(one)
    rows: list[dict[str, object]] = []
    for name, members in sorted(groups.items()):
        delays = sorted(one.delay for one in members if one.delay is not None)
        ways = Counter(one.how for one in members if one.how)
        rows.append(
            {
                "what": name,
                "happened": len(members),
                "seen": len(delays),
                "median_s": round(statistics.median(delays), 1) if delays else None,
                "worst_s": round(delays[-1], 1) if delays else None,
                "how": ", ".join(f"{way} {count}" for way, count in ways.most_common()),
            }
        )
    return rows


def judge_day(truth: Truth, looks: Sequence[Look]) -> list[Seen]:
    """Say of everything that lasted long enough when and where it was seen."""
    began, number, seen = looks[0].time, 0, []
    endings = {(one.run, one.code): one.word for one in truth.happened if one.what == "news"}
    for one in truth.happened:
        number += one.what == "news"
        if one.until - one.time >= SHORT and one.time >= began:
            seen.append(seen_of(one, number, looks, endings.get((one.run, f"run_{one.word}"), "")))
    return seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parallel", type=int, default=7, help="runs at the same time")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the runs")
    parser.add_argument("--quick", action="store_true", help="8 runs, three minutes")
    parser.add_argument("--keep", type=Path, help="write every look at the screen to this directory")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    kinds = [kind for kind, count in (QUICK if given.quick else DAY).items() for _ in range(count)]
    random.Random(given.seed).shuffle(kinds)
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(
            signal_number, signal.default_int_handler
        )  # the clouds, their machines and the engine end with us
    toy = make_toy()
    with tempfile.TemporaryDirectory() as scratch, CloudServer() as clouds:
        data = Path(scratch) / "data.jsonl"
        data.write_text("".join(json.dumps({"prompt": f"q{i}", "completion": f"a{i}"}) + "\n" for i in range(20)))
        os.environ.update(
            {
                **clouds.environment,
                **SETTINGS,
                "BRIGHTRUN_HOME": str(Path(scratch) / "home"),
                "BRIGHTRUN_ENGINE_REMOTE_PYTHON": str(make_interpreter(Path(scratch), toy.run, WORKER)),
            }
        )
        began = time.monotonic()
        truth, looks = asyncio.run(play(kinds, given.parallel, clouds, toy, data))
        minutes = (time.monotonic() - began) / 60
    seen, stale = judge_day(truth, looks), stale_rows(truth, looks)
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
        for look in looks:
            (given.keep / f"{look.time:.1f}.txt").write_text(f"{look.title}\n{look.text}")
        (given.keep / "seen.json").write_text(json.dumps([asdict(one) for one in seen], indent=1))
        (given.keep / "stale.json").write_text(json.dumps(stale))
    rows = table(seen)
    if given.json:
        print(json.dumps({"name": "day", "runs": len(kinds), "minutes": minutes, "rows": rows, "stale": stale}))
        return 0
    print(f"{len(kinds)} runs in {minutes:.1f} minutes, {len(looks)} looks at the screen\n")
    print("| what happened | how often | seen | median, s | worst, s | first seen as |\n|---|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join("" if row[key] is None else str(row[key]) for key in row) + " |")
    missed = [one for one in seen if one.delay is None]
    print(f"\nnot seen: {len(missed)}")
    for one in missed:
        print(f"  {time.strftime('%H:%M:%S', time.localtime(one.time))} {one.run}: {one.what} {one.code} {one.word}")
    print(f"\nrows that said what had not been true for {LATE:g} s: {len(stale)}")
    for at, run, said, true in stale[:40]:
        print(f"  {time.strftime('%H:%M:%S', time.localtime(at))} {run}: “{said}” instead of “{true}”")
    return 0


if __name__ == "__main__":
    sys.exit(main())
