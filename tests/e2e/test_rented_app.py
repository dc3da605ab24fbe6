"""Renting from the app, by keyboard: a key typed unseen, a machine chosen, real training on it, the model in the Registry."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from brightrun_tui.domain.run import Run
from brightrun_tui.hosts.connection import new_key_pair
from brightrun_tui.integrations import credentials
from brightrun_tui.paths import get_paths
from brightrun_tui.tui.widgets.fields import TextField
from brightrun_tui.tui.widgets.service_card import ServiceCard
from tests.clouds import runpod, vast
from tests.clouds.server import CloudServer, why_not
from tests.e2e.conftest import TIMINGS, Home, UntaughtWorker
from tests.e2e.renting import books, check_cost, cloud_of
from tests.tui.conftest import Driver, Opened, first_mode, opened

__all__ = ["first_mode", "opened"]

KEYS = {"runpod": runpod.KEY, "vast": vast.KEY}
TITLES = {"runpod": "RunPod", "vast": "Vast.ai", "ssh": "Your own machines"}


@pytest.fixture
def clouds(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudServer]:
    """Both clouds, no credential anywhere, no way to the outside, and this home for the app in this very process."""
    if reason := why_not():
        pytest.skip(reason)
    with CloudServer() as server:
        addresses = {name: value for name, value in server.environment.items() if not name.endswith("_API_KEY")}
        own = {
            "BRIGHTRUN_HOME": str(home.root),
            "HF_ENDPOINT": "http://127.0.0.1:9",
            "BRIGHTRUN_ENGINE_IDLE_SECONDS": "3",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        }
        for name, value in {**addresses, **TIMINGS, **own}.items():
            monkeypatch.setenv(name, value)
        for name in ("RUNPOD_API_KEY", "VAST_API_KEY", "HF_TOKEN", "NO_COLOR"):
            monkeypatch.delenv(name, raising=False)
        yield server


async def eventually(driver: Driver, fact: Callable[[], Any], what: str, seconds: float = 120.0) -> Any:
    """Wait for a fact that takes a machine; the screen is shown when it does not come."""
    deadline = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < deadline, f"never happened: {what}\n{driver.text()}"
        await asyncio.sleep(0.1)
        await driver.pilot.pause()
    return found


async def connect_cloud(driver: Driver, name: str) -> None:
    """The key is typed unseen, tried, and saved; the card shows the balance."""
    driver.one(f"#card-{name}", ServiceCard).focus()
    await driver.press("enter")
    await driver.sees(f"Connect {TITLES[name]}")
    for character in KEYS[name]:
        await driver.pilot.press({"_": "underscore", "-": "minus"}.get(character, character))
    field = driver.app.screen.query_one(TextField)
    assert field.value == KEYS[name] and KEYS[name] not in driver.text()
    await driver.press("enter")
    await driver.sees("signed in as someone@example.com; $50.00 left", "spends now", "this month")


async def connect_box(driver: Driver, clouds: CloudServer, directory: Path) -> None:
    """Address, user, port and key file; the machine is tried before it is saved, and its host key kept."""
    box, keys = await clouds.new_box("studio"), new_key_pair("test")
    box.authorise(keys.public)
    key = directory / "id_ed25519"
    key.touch(mode=0o600)
    key.write_text(keys.private)
    driver.one("#card-ssh", ServiceCard).focus()
    await driver.press("enter")
    await driver.sees("Your own machine", "Address")
    typed = {"name": "studio", "host": "127.0.0.1", "user": box.user, "port": str(box.links[0].port), "key": str(key)}
    for field in driver.app.screen.query(TextField):
        field.value = typed.get(field.key, field.value)
    driver.app.screen.query(TextField).last().focus()
    await driver.press("enter")
    await driver.sees("it lets us in", "studio")
    assert box.host_key.split()[1] in get_paths().config_file.read_text()


async def set_up(driver: Driver, home: Home, place: str) -> None:
    """Data, base model, machine and budget, until the plan is ready."""
    await driver.press("2")
    await driver.until(lambda: driver.app.current_mode == "new_run" and driver.app.screen.query("#checks"))
    await driver.press("escape", "d")
    await driver.until(lambda: driver.app.screen.query("#narrow"))
    driver.one("#narrow").value = str(home.data)
    await driver.sees("120 of 120 records usable")
    await driver.press("enter", "escape", "b")
    await driver.until(lambda: driver.app.screen.query("#narrow"))
    driver.one("#narrow").value = str(home.base)
    await driver.press("enter")
    await driver.sees("✓ base model")
    await driver.press("escape", "m")
    await driver.sees("Machines for rent", "this run", "✓ fits")
    driver.one("#narrow").value = "studio" if place == "ssh" else TITLES[place]
    await driver.press("enter")
    await driver.sees(f"‹ {TITLES[place]} ›", "✓ ready")
    driver.new_run.form.row("budget_usd").field.focus()
    await driver.press("enter", "5", "enter")
    await driver.until(lambda: driver.new_run.draft.budget_usd == 5.0 and driver.plan.ready)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["vast", "ssh"])
async def test_from_a_key_to_a_model_without_leaving_the_app(
    clouds: CloudServer, home: Home, opened: Opened, tmp_path: Path, request: pytest.FixtureRequest, place: str
) -> None:
    """Everything a person does on the four screens, in order; what it cost is what the cloud says, to the second. The machine of
    the cloud really trains."""
    untaught: UntaughtWorker | None = request.getfixturevalue("untaught") if place == "ssh" else None
    if untaught:
        untaught.hold(3)
    async with opened(get_paths(), (120, 40)) as driver:
        if place == "ssh":
            await connect_box(driver, clouds, tmp_path)
        else:
            await connect_cloud(driver, place)
            assert credentials.where(place) == "file" and KEYS[place] not in os.environ.values()
        await set_up(driver, home, place)
        await driver.press("escape", "s")
        await driver.sees("Start the run", TITLES[place])
        await driver.press("y")
        await eventually(driver, lambda: driver.app.current_mode == "monitor", "Monitor is shown")
        await driver.press("i")
        shown = ["● in use"] if place == "ssh" else ["● rented", "of $5.00 at $", "/h"]
        await eventually(
            driver, lambda: all(word in driver.text() for word in shown), "machine and price are on the screen", 60
        )
        if untaught:
            untaught.go_on()
        run: Run = await eventually(
            driver,
            lambda: next((r for r in driver.app.snapshot.runs if r.state in ("completed", "failed")), None),
            "it ends",
        )
        assert run.state == "completed", run.failure
        done = "left as it was" if place == "ssh" else "returned"
        await eventually(
            driver,
            lambda: f"✓ {done}" in driver.text() and "still billing" not in driver.text(),
            "the machine is gone",
            60,
        )
        assert not driver.app.snapshot.leases
        await driver.press("o")
        await driver.sees("Models 1", "data:1", "records it has never seen" if untaught else "held-out")
    leases = await asyncio.to_thread(books, home, run.id)
    if place == "ssh":
        assert run.cost_usd == 0 and not clouds.runpod.instances and not clouds.vast.instances
        return
    cloud = cloud_of(clouds, place)
    assert len(cloud.instances) == 1 and not cloud.alive()
    await asyncio.to_thread(check_cost, cloud, await asyncio.to_thread(home.run, run.id), leases)
