"""A budget is a ceiling, and so is the month's: under any price, any pace and any number of runs side by side."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brightrun_tui.config import MoneyLimits
from brightrun_tui.domain.money import Lease, Limits, month_start
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, Run, RunSpec
from brightrun_tui.orchestrator import budget, run_budget
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.paths import get_paths
from brightrun_tui.store import leases
from tests.orchestrator.virtual import memory_store

FINISH, RELEASE, POLL = 180.0, 30.0, 2.0
seconds = st.floats(0.1, 20_000)


def play(
    price: float, ceiling: float, needed: float, ending: float, releasing: float
) -> tuple[float, list[budget.BudgetVerdict]]:
    """What a run costs that would take ``needed`` seconds, ends in ``ending`` when asked to, and is let go in ``releasing``."""
    now, asked_at, said = 0.0, None, []
    while True:
        verdict = budget.judge_spending(
            now * price / 3600, price, ceiling, finish_seconds=FINISH, release_seconds=RELEASE
        )
        said.append(verdict)
        over = now >= needed or (asked_at is not None and now - asked_at >= ending)
        if over or verdict == "release":
            return (now + releasing) * price / 3600, said
        if verdict == "finish" and asked_at is None:
            asked_at = now
        now += POLL


@given(
    price=st.floats(0.05, 10),
    ceiling=st.floats(0.05, 50),
    needed=seconds,
    ending=st.floats(0, 2 * FINISH),
    releasing=st.floats(0, RELEASE - POLL),
)
def test_no_run_costs_more_than_its_budget(
    price: float, ceiling: float, needed: float, ending: float, releasing: float
) -> None:
    cost, said = play(price, ceiling, needed, ending, releasing)
    too_small_to_begin = price * 2 * FINISH / 3600 > ceiling
    assert cost <= ceiling or too_small_to_begin
    if needed * price / 3600 > ceiling and not too_small_to_begin:
        assert "finish" in said, "it was cut off without being asked to end in order"


@given(price=st.floats(0.05, 10), ceiling=st.floats(0.05, 50), spent_share=st.floats(0, 1))
def test_the_guard_ends_a_lease_before_the_budget_does(price: float, ceiling: float, spent_share: float) -> None:
    """The engine is dead: from the guard's deadline to the end of the bill there is still ``release_seconds`` of money."""
    timings, spent = EngineTimings(), ceiling * spent_share
    left = budget.lease_seconds(ceiling, spent, price, None, timings=timings)
    if left > budget.LEAST_SECONDS:
        assert spent + (left + timings.release_seconds) * price / 3600 <= ceiling * 1.0001 or left == 7 * 86400


async def test_runs_side_by_side_share_what_the_month_leaves() -> None:
    """Both end in order in time: each is told only of the part of the rest that its own machine costs."""
    db, now = memory_store(), time.time()
    begun = max(now - 3600, month_start(now))
    hours = (now - begun) / 3600
    for name, rate in (("a", 1.0), ("b", 3.0)):
        await leases.save(
            db,
            Lease(
                name=f"br-x-{name}-1",
                run_id=name,
                provider="p",
                provider_id=name,
                state="live",
                price_per_hour=rate,
                created_at=begun,
            ),
        )
    spent = (await leases.month_spending(db)).total
    assert abs(spent - 4 * hours) < 0.01
    limits = MoneyLimits(monthly_limit_usd=spent + 1.0)
    first, second = (
        await run_budget.look(db, limits, a_run("a", 50.0)),
        await run_budget.look(db, limits, a_run("b", None)),
    )
    assert first.monthly and abs(first.left - 0.25) < 0.01 and abs(second.left - 0.75) < 0.01
    own = await run_budget.look(db, MoneyLimits(monthly_limit_usd=1000.0), a_run("a", hours + 0.1))
    assert not own.monthly and abs(own.left - 0.1) < 0.01


def test_a_change_of_the_months_limit_holds_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for runs that are under way; while the file is wrong, the last limit that could be read holds on."""
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path))
    config = get_paths().config_file
    config.parent.mkdir(parents=True)
    watch = run_budget.LiveLimits(get_paths(), MoneyLimits(monthly_limit_usd=9.0))
    assert watch.now().monthly_limit_usd is None, "no file, no limit"
    for text, limit in (
        ("[money]\nmonthly_limit_usd = 5", 5.0),
        ("[money]\nmonthly_limit_usd = 2.5", 2.5),
        ("[money", 2.5),
        ("[money]\nmonthly_limit_usd = -1", 2.5),
        ("[money]\nmonthly_limit_usd = 7", 7.0),
    ):
        config.write_text(text)
        assert watch.now().monthly_limit_usd == limit


async def test_last_months_machines_count_only_from_the_first() -> None:
    db, now = memory_store(), time.time()
    begin = month_start(now)
    await leases.save(
        db,
        Lease(
            name="br-x-a-1",
            run_id="a",
            provider="p",
            provider_id="a",
            state="released",
            price_per_hour=3600.0,
            created_at=begin - 100,
            released_at=min(begin + 5, now),
        ),
    )
    assert abs((await leases.month_spending(db)).total - min(5.0, now - begin)) < 0.01


def a_run(run_id: str, budget_usd: float | None) -> Run:
    data = DatasetRef(path="d", name="d", format="messages", fingerprint="f", records=1, usable=1)
    spec = RunSpec(
        run_id=run_id,
        name=run_id,
        created_at=0.0,
        base=BaseModelRef(id="b"),
        dataset=data,
        provider="p",
        limits=Limits(budget_usd=budget_usd),
    )
    return Run(id=run_id, name=run_id, state="running", spec=spec, directory="/d", created_at=0.0, updated_at=0.0)
