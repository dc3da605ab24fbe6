"""What is said of a version and what becomes of it, by keys alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.paths import Paths
from brightrun_tui.store import models, open_database
from tests.tui.conftest import Driver, Opened
from tests.tui.test_registry import choose


@pytest.fixture
def first_mode() -> str:
    return "registry"


async def stored(paths: Paths, ref: str) -> ModelVersion:
    async with open_database(paths.database) as db:
        return await models.find(db, ref)


def now(driver: Driver, ref: str) -> ModelVersion:
    model = driver.app.snapshot.model(ref)
    assert model is not None
    return model


async def typed(driver: Driver, key: str, title: str, text: str) -> None:
    """Open a dialogue, replace what stands there, and keep it with enter."""
    await driver.press(key)
    await driver.sees(title)
    await driver.press("home", "ctrl+k", *text, "enter")
    await driver.until(lambda: title not in driver.text(), "it is kept")


async def test_a_version_gets_names_and_a_description(seeded: Paths, opened: Opened) -> None:
    """An alias means the version at once, and is given up by leaving it out; the description stands on the card."""
    async with opened(seeded, (120, 40)) as driver:
        await choose(driver, "lamp-support:2")
        await typed(driver, "A", "Aliases of lamp-support:2", "live eu")
        await driver.sees("champion eu live")
        assert (await stored(seeded, "lamp-support:live")).version == 2
        await typed(driver, "A", "Aliases of lamp-support:2", "live")
        await driver.until(lambda: "eu live" not in driver.text(), "eu is no alias any more")
        assert {"champion", "live"} == set((await stored(seeded, "lamp-support:2")).aliases)
        await typed(driver, "i", "What lamp-support:2 is for", "lamps")
        await driver.until(lambda: now(driver, "lamp-support:2").description == "lamps", "it is described")


async def test_an_archived_version_is_found_again(seeded: Paths, opened: Opened) -> None:
    """It leaves the list, nothing of it is deleted, and a filter finds it for whoever wants it back."""
    async with opened(seeded, (120, 40)) as driver:
        await choose(driver, "lamp-support:1")
        await driver.press("Z", "g")
        await driver.until(lambda: "lamp-support:1" not in driver.text(), "it is out of the list")
        assert (await stored(seeded, "lamp-support:1")).archived
        await driver.press("slash", *"archived", "enter")
        await driver.sees("lamp-support:1")
        await driver.press("Z")
        await driver.sees("No model fits “archived”. esc drops the filter.")
        await driver.press("escape")
        await driver.until(lambda: not now(driver, "lamp-support:1").archived, "it is back")
        await driver.sees("lamp-support:1")


async def test_the_champion_is_not_archived(seeded: Paths, opened: Opened) -> None:
    """Nobody would know which version the bare name means."""
    async with opened(seeded, (120, 40)) as driver:
        await choose(driver, "lamp-support:2")
        await driver.press("Z")
        await driver.sees("is the champion")
        assert not (await stored(seeded, "lamp-support:2")).archived


async def test_cleaning_up_says_what_it_frees_and_keeps_the_models(seeded: Paths, opened: Opened) -> None:
    """Checkpoints of completed runs go; the files of the models stay."""
    model = await stored(seeded, "lamp-support:2")
    checkpoint = seeded.run_directory(model.run_id) / "checkpoints" / "step-1" / "adapter_model.safetensors"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.write_bytes(b"0" * 4096)
    async with opened(seeded, (120, 40)) as driver:
        await choose(driver, "lamp-support:2")
        await driver.press("X")
        await driver.sees("Clean up", "Remove the checkpoints of 1 completed run, 4.0 KiB?")
        await driver.press("y")
        await driver.sees("freed")
    assert not checkpoint.exists() and Path(model.directory).parent.exists()
