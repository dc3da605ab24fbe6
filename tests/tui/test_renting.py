"""Renting from the app, against stand-in clouds: a price before anything starts, and nothing rented by a slip."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial

import pytest
from filelock import FileLock

from brightrun_tui.domain.errors import EngineError
from brightrun_tui.domain.money import GIB, Hardware, Lease, month_start
from brightrun_tui.domain.requests import Deploy
from brightrun_tui.domain.run import Notice
from brightrun_tui.paths import Paths
from brightrun_tui.planning import plan
from brightrun_tui.planning.draft import Draft
from brightrun_tui.store import leases, open_database, requests, runs
from brightrun_tui.tui.screens.data_choices import examples
from brightrun_tui.tui.widgets.fields import ChoiceField
from tests.clouds import runpod, vast
from tests.clouds.core import Cloud
from tests.clouds.fixtures import server
from tests.clouds.server import CloudServer
from tests.orchestrator.samples import lease_of
from tests.tui.conftest import SIZES, Driver, Opened
from tests.tui.test_registry import choose

__all__ = ["server"]

REAL_BASE = "Qwen/Qwen2.5-7B-Instruct"


async def rented_draft(driver: Driver, provider: str = "runpod") -> None:
    """The example on a real base model, on a rented machine."""
    await driver.press("2")
    await driver.until(lambda: driver.app.current_mode == "new_run" and driver.app.screen.query("#checks"))
    if not driver.new_run.draft.data:
        await driver.app.show_draft(Draft(data=examples()[0].id, base=REAL_BASE))
        await driver.until(lambda: driver.new_run.draft.base == REAL_BASE)
    where = next(field for field in driver.app.screen.query(ChoiceField) if field.key == "provider")
    where.focus()
    while where.value != provider:
        await driver.press("right")


async def test_the_price_is_known_and_agreed_before_anything_is_rented(
    paths: Paths, opened: Opened, quiet_network: None, server: CloudServer
) -> None:
    """A rented run shows machine, hourly price and sum; Enter on the question rents nothing; a budget forbids it."""
    async with opened(paths, SIZES[0]) as driver:
        await rented_draft(driver)
        await driver.until(lambda: driver.new_run.offer is not None, "a machine with a price")
        await driver.sees_at_every_size("✓ ready", "up to $")
        await driver.press("escape", "s")
        await driver.sees_at_every_size("Start the run", "It costs about $", "an hour")
        await driver.press("enter")
        await driver.until(lambda: len(driver.app.screen_stack) == 1)
        assert not driver.app.snapshot.runs and server.runpod.count("POST", "/v2/pods") == 0
        driver.new_run.form.row("budget_usd").field.focus()
        await driver.press("enter", *"0.01")
        await driver.sees_at_every_size("✗ budget", "✗ not yet")


async def test_what_the_month_has_cost_is_seen_in_a_small_terminal(
    paths: Paths, opened: Opened, quiet_network: None, server: CloudServer
) -> None:
    """A card that has room for two facts shows this one; a wide header has it on every screen."""
    async with open_database(paths.database) as db:
        now = time.time()
        times = {"created_at": now - 1.0, "released_at": now}
        await leases.save(db, lease_of(provider="vast", state="released", price_per_hour=3600.0, **times))
    async with opened(paths, (80, 24)) as driver:
        await driver.press("1")
        driver.one("#card-vast").focus()
        await driver.press("t")
        await driver.sees("this month  $1.00 by your runs")


def titles_stand_over_columns(text: str) -> bool:
    """Whether the price of the run ends where its title does."""
    lines = text.splitlines()
    head = next(line for line in lines if "this run" in line)
    row = next(line for line in lines if "RTX 3060 " in line and line.count("$") == 2)
    return max(match.end() for match in re.finditer(r"\$[\d.]+", row)) == head.index("this run") + len("this run")


async def test_a_base_that_nothing_lets_fit_here_names_a_machine_that_has_room_and_one_key_takes_both(
    paths: Paths, opened: Opened, quiet_network: None, server: CloudServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine of 4 GiB: no settings help, so the cheapest machine for rent is named with its price."""
    small = Hardware(device="cpu", memory=4 * GIB, cores=2, flops=1e11, disk_free=10**12)
    monkeypatch.setattr(plan, "hardware", lambda *_: small)
    async with opened(paths, (80, 24)) as driver:
        await driver.press("2")
        await driver.until(lambda: driver.app.current_mode == "new_run" and driver.app.screen.query("#checks"))
        await driver.app.show_draft(Draft(data=examples()[0].id))
        await driver.until(lambda: driver.new_run.plan and driver.new_run.plan.estimate)
        await driver.press("escape", "b", *"qwen2.5 7b")
        await driver.sees("✗ too much", "→ Needs", "GiB: ", "/h, this run about $", "f5 So that")
        assert server.runpod.count("POST", "/v2/pods") == 0
        await driver.press("f5")
        await driver.until(lambda: driver.new_run.draft.base == REAL_BASE and driver.new_run.offer is not None)
        await driver.until(lambda: driver.new_run.plan and driver.new_run.plan.ready, "it can start there")


async def test_machines_of_every_service_are_compared_by_what_this_run_would_cost(
    paths: Paths, opened: Opened, quiet_network: None, server: CloudServer
) -> None:
    """One table: price an hour, time and cost of this run, whether it fits; typing narrows it, enter takes a machine."""
    async with opened(paths, SIZES[0]) as driver:
        await rented_draft(driver)
        await driver.until(lambda: driver.new_run.offer is not None)
        await driver.press("escape", "m")
        await driver.sees_at_every_size(
            "Machines for rent", "$/hour", "this run", "RunPod", "Vast.ai", "✓ fits", "up to $", "on demand"
        )
        for size in SIZES:
            await driver.resize(size)
            await driver.until(lambda: titles_stand_over_columns(driver.text()), f"titles above columns at {size}")
            regions = driver.sees if size[0] > 100 else driver.sees_no
            await regions("Lyon, FR")  # a wide terminal shows the region of every machine
        await driver.press(*"3090", "space", *"inter")
        await driver.sees_at_every_size("Texas, US", "It can be taken away at any time")
        await driver.sees_no("4090")
        await driver.press("enter")
        await driver.until(lambda: driver.plan.offer == driver.new_run.offer, "it is planned for")
        draft, offer = driver.new_run.draft, driver.new_run.offer
        assert offer and (draft.provider, draft.interruptible, offer.interruptible) == ("vast", True, True)
        await driver.sees_at_every_size("‹ Vast.ai ›", "‹ yes ›", "✓ account", "✓ ready")


async def test_one_service_that_is_silent_hides_no_other(
    paths: Paths, opened: Opened, quiet_network: None, server: CloudServer
) -> None:
    """The table says who gave no answer and why, and lists what the others have."""
    server.vast.faults.set("edge_block")
    async with opened(paths) as driver:
        await rented_draft(driver)
        await driver.until(lambda: driver.new_run.offer is not None)
        await driver.press("escape", "m")
        await driver.sees("RTX 4090", "✗ Vast.ai's edge network refuses")


def wrong_key(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_wrong")
    monkeypatch.setenv("VAST_API_KEY", "wrong")


def no_scope(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", runpod.NO_PODS_KEY)
    monkeypatch.setenv("VAST_API_KEY", vast.NO_INSTANCES_KEY)


def empty(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.prepaid = 0.0


def edge_block(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.faults.set("edge_block")


def down(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.faults.set("api_down")


TROUBLES = (
    (wrong_key, "does not accept this API key", "✗ does not work", "make a new key"),
    (no_scope, "the API key may not do this", "✗ does not work", "permissions"),
    (empty, "the account has $0.00", "$0.00 left", "add funds"),
    (edge_block, "edge network refuses", "✗ does not work", "another network"),
    (down, "does not answer as it should", "✗ does not work", "try again"),
)


@pytest.mark.parametrize(("trouble", "said", "card", "fix"), TROUBLES, ids=[row[0].__name__ for row in TROUBLES])
async def test_what_stands_in_the_way_is_one_sentence_and_a_few_requests(
    paths: Paths, opened: Opened, quiet_network: None, server: CloudServer, monkeypatch: pytest.MonkeyPatch,
    trouble: Callable[[Cloud, pytest.MonkeyPatch], None], said: str, card: str, fix: str,
) -> None:  # fmt: skip
    """On the card and in the pre-flight list: what is wrong, with the fix; nothing starts, and nobody is pestered."""
    for cloud in server.clouds:
        trouble(cloud, monkeypatch)
    async with opened(paths, (120, 40)) as driver:
        tested: dict[str, int] = {}
        for cloud in server.clouds:
            await driver.until(partial(found_out_at, driver, cloud.name))
            tested[cloud.name] = len(cloud.requests)
        await driver.until(lambda: driver.text().count(card) >= 2, f"“{card}” on both cards")
        for cloud in server.clouds:
            await rented_draft(driver, cloud.name)
            await driver.until(partial(is_seen, said, driver, cloud.name), f"“{said}” in the checks")
            assert fix in seen(driver, cloud.name) or trouble is no_scope
            await driver.sees("✗ not yet")
            assert not driver.plan.ready
            await driver.press("escape", "f5")
            assert len(driver.app.screen_stack) == 1, "it would start all the same"
        for cloud in server.clouds:
            assert tested[cloud.name] <= 4 and len(cloud.requests) <= 12, [
                f"{r.method} {r.path}" for r in cloud.requests
            ]
            assert not cloud.instances


def found_out_at(driver: Driver, service: str) -> object:
    return driver.app.snapshot.services.get(service, {}).get("checked_at")


def is_seen(said: str, driver: Driver, provider: str) -> bool:
    return said in seen(driver, provider)


def seen(driver: Driver, provider: str) -> str:
    """The checks of the plan for this provider and their fixes as one line, however they are wrapped."""
    plan = driver.new_run.plan
    known = plan.checks if plan is not None and plan.draft.provider == provider else ()
    return " ".join(f"{check.what} {check.fix}" for check in known)


async def test_a_key_that_is_mended_is_noticed_on_coming_back(
    paths: Paths, opened: Opened, quiet_network: None, server: CloudServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New Run asks again by itself once the service has been tested anew."""
    server.runpod.faults.set("edge_block")
    async with opened(paths) as driver:
        await rented_draft(driver)
        await driver.sees("✗ not yet", "edge network")
        server.runpod.faults.clear()
        await driver.press("escape", "1")
        driver.one("#card-runpod").focus()
        await driver.press("t")
        await driver.sees("signed in as someone@example.com")
        await driver.press("2")
        await driver.sees("✓ ready", "✓ account")


async def test_a_machine_that_still_bills_is_shown_red(seeded: Paths, opened: Opened) -> None:
    """A lease that is not proven gone stands in the header's hourly cost and in words at its run."""
    now = time.time()
    since = max(now - 900, month_start(now))
    async with open_database(seeded.database) as db:
        lease = Lease(
            name="br-1-r-0003", run_id="r-0003", provider="runpod", state="releasing", provider_id="pod-9",
            price_per_hour=0.69, created_at=since, note="asked to end; not yet confirmed",
        )  # fmt: skip
        await leases.save(db, lease)
        notice = Notice(time=time.time(), level="warning", code="budget_80", message="80 % of the budget is spent")
        await runs.update(db, "r-0006", notices=(notice,))
    async with opened(seeded, SIZES[0]) as driver:
        await driver.press("3")
        for size in SIZES:
            await driver.resize(size)
            await driver.sees("80 % of the budget is spent", "$0.69/h")
            spent = [f"month ${0.69 * (moment - since) / 3600:.2f}" for moment in (now, time.time())]
            assert any(words in driver.text() for words in spent) == (size[0] >= 120)
        driver.one("#runs").go("r-0003")
        await driver.sees_at_every_size("! still billing", "$0.69/h · RunPod pod-9")


async def test_where_a_model_serves_is_asked_with_prices_and_no_machine_is_rented_by_a_slip(
    seeded: Paths, opened: Opened, quiet_network: None, server: CloudServer
) -> None:
    """d lists this machine and every service; a rented one needs a yes, and then the engine is asked for that very machine."""
    async with opened(seeded, SIZES[0]) as driver:
        await choose(driver, "poems:1")
        await driver.press("d")
        await driver.sees_at_every_size(
            "Where is poems:1 to serve?", "This machine", "costs nothing", "runpod", "an hour", "vast"
        )
        await driver.press(*"runpod")
        await driver.sees_at_every_size("the first answer after about", "without a request")
        await driver.press("enter")
        await driver.sees_at_every_size("Serve poems:1 on", "at runpod?", "15 min")
        await driver.press("enter")
        await driver.until(lambda: len(driver.app.screen_stack) == 1)
        with FileLock(seeded.engine_lock):
            await driver.press("d")
            await driver.sees("Where is poems:1 to serve?")
            await driver.press(*"runpod", "enter")
            await driver.sees("Serve poems:1 on")
            await driver.press("y")
            async with open_database(seeded.database) as db:
                while not (waiting := await requests.pending(db)):
                    await driver.pilot.pause(0.05)
                await requests.refuse(db, waiting[0].id, EngineError("enough seen"))
            (asked,) = (request.ask for request in waiting)
            assert isinstance(asked, Deploy) and asked.rental is not None
            assert asked.rental.provider == "runpod" and asked.rental.offer and asked.rental.price_per_hour > 0
        assert server.runpod.count("POST", "/v2/pods") == 0


async def test_a_run_that_is_under_way_is_not_said_to_wait_for_its_turn(seeded: Paths, opened: Opened) -> None:
    """Its machine is paid for already; only one in the queue waits."""
    async with open_database(seeded.database) as db:
        await runs.update(db, "r-0006", total_steps=0, step=0, phase="starting", phase_detail="")
    async with opened(seeded, (120, 40)) as driver:
        await driver.press("3")
        driver.one("#runs").go("r-0006")
        await driver.sees("the first step has not come yet")
        assert "waiting for its turn" not in driver.text()


async def test_workers_that_come_and_go_are_asked_where_their_adapter_is(
    seeded: Paths, opened: Opened, quiet_network: None, server: CloudServer
) -> None:
    """What they need, and how it gets there; what cannot be looked at is an error, and nothing is made."""
    async with opened(seeded, SIZES[0]) as driver:
        await choose(driver, "poems:1")
        await driver.press("d")
        await driver.sees_at_every_size("Where is poems:1 to serve?", "runpod-serverless")
        await driver.press(*"serverless")
        await driver.sees_at_every_size("only while somebody asks")
        await driver.press("enter")
        await driver.sees_at_every_size(
            "Serve poems:1 at runpod-serverless",
            "public there",
            "poems:1 --to OWNER/NAME --public",
            "Repository of the adapter",
        )
        await driver.press("enter")
        await driver.sees("Repository of the adapter")
        await driver.resize(SIZES[0])
        await driver.press(*"me/poems", "enter")
        await driver.until(lambda: len(driver.app.screen_stack) == 1)
        await driver.sees("That did not work", "“starter”", "(--volume)")
        assert server.runpod.count("POST", "/v2/serverless") == 0
