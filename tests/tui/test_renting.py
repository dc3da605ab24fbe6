"""Renting from the app, against stand-in clouds: a price before anything starts, and nothing rented by a slip."""

from __future__ import annotations

import time

import pytest

from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.run import Notice
from brightrun_tui.paths import Paths
from brightrun_tui.store import leases, open_database, runs
from brightrun_tui.widgets.fields import ChoiceField
from tests.clouds.fixtures import server
from tests.clouds.server import CloudServer
from tests.tui.conftest import SIZES, Driver, Opened

__all__ = ["server"]


async def rented_draft(driver: Driver) -> None:
    """The example on a real base model, on RunPod."""
    await driver.press("2")
    await driver.until(lambda: driver.app.current_mode == "new_run" and driver.app.screen.query("#checks"))
    await driver.press("escape", "d")
    await driver.sees("records usable")
    await driver.press("enter")
    await driver.sees("✓ ready")
    await driver.press("escape", "b", *"qwen2.5 7", "enter")
    where = next(field for field in driver.app.screen.query(ChoiceField) if field.key == "provider")
    where.focus()
    while where.value != "runpod":
        await driver.press("right")


@pytest.mark.parametrize("size", SIZES)
async def test_the_price_is_known_and_agreed_before_anything_is_rented(
    paths: Paths, opened: Opened, quiet_network: None, server: CloudServer, size: tuple[int, int]
) -> None:
    """A rented run shows machine, hourly price and sum; Enter on the question rents nothing; a budget forbids it."""
    async with opened(paths, size) as driver:
        await rented_draft(driver)
        await driver.until(lambda: driver.app.screen._offer is not None, "a machine with a price")
        await driver.sees("✓ ready", "at most $")
        await driver.press("escape", "s")
        await driver.sees("Start the run", "It costs about $", "an hour")
        await driver.press("enter")
        await driver.until(lambda: len(driver.app.screen_stack) == 1)
        assert not driver.app.snapshot.runs and server.runpod.count("POST", "/v2/pods") == 0
        driver.app.screen.form.row("budget_usd").field.focus()
        await driver.press(*"0.01")
        await driver.sees("✗ budget", "✗ not yet")


async def test_machines_are_compared_by_what_this_run_would_cost(
    paths: Paths, opened: Opened, quiet_network: None, server: CloudServer
) -> None:
    """m lists machines with hourly price, the run's price and time; the chosen one is planned for."""
    async with opened(paths) as driver:
        await rented_draft(driver)
        await driver.until(lambda: driver.app.screen._offer is not None)
        first = driver.app.screen._offer.id
        await driver.press("escape", "m")
        await driver.sees("Machine", "/h · this run $")
        await driver.press("down", "enter")
        await driver.until(lambda: driver.app.screen._offer.id != first)
        await driver.until(lambda: driver.app.screen._plan.offer == driver.app.screen._offer)


async def test_a_refused_key_is_said_where_the_machine_should_be(
    paths: Paths, opened: Opened, quiet_network: None, server: CloudServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a wrong key there is no price and no start, and the form says why."""
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_wrong")
    async with opened(paths) as driver:
        await rented_draft(driver)
        await driver.until(lambda: driver.app.screen._offer_words.startswith("✗"))
        await driver.sees("✗ not yet", "no machine is chosen")


@pytest.mark.parametrize("size", SIZES)
async def test_a_machine_that_still_bills_is_shown_red(seeded: Paths, opened: Opened, size: tuple[int, int]) -> None:
    """A lease that is not proven gone stands in the header's hourly cost and in words at its run."""
    async with open_database(seeded.database) as db:
        lease = Lease(
            name="br-1-r-0003", run_id="r-0003", provider="runpod", state="releasing", provider_id="pod-9",
            price_per_hour=0.69, created_at=time.time() - 900, note="asked to end; not yet confirmed",
        )  # fmt: skip
        await leases.save(db, lease)
        notice = Notice(time=time.time(), level="warning", code="budget_80", message="80 % of the budget is spent")
        await runs.update(db, "r-0006", notices=(notice,))
    async with opened(seeded, size) as driver:
        await driver.press("3")
        await driver.sees("80 % of the budget is spent", "$0.69/h")
        driver.one("#runs").choose("r-0003")
        await driver.sees("! still billing", "$0.69/h · runpod pod-9")
