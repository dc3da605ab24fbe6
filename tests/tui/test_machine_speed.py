"""New Run finds out how fast this machine is, by itself and once: the first price and time that a person sees are no guess."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from brightrun_tui.paths import Paths
from brightrun_tui.planning import learning, probes
from brightrun_tui.planning.plan import make_plan
from brightrun_tui.tui.screens.data_choices import examples
from tests.small_model import kept_small_model
from tests.tui.conftest import Driver, Opened
from tests.tui.test_new_run import first_mode, open_form

__all__ = ["first_mode"]
GUESS = "rough guess"


async def choose_example_and(driver: Driver, base: str) -> None:
    await driver.app.show_draft(driver.new_run.draft.model_copy(update={"data": examples()[0].id, "base": base}))
    await driver.until(lambda: driver.plan.ready and driver.plan.base and driver.plan.base.ref.path == base, "ready")


async def test_a_first_run_is_timed_by_real_work_while_the_form_is_read(
    paths: Paths, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guess is replaced without a key, by a real step of this base on this machine; the next opening knows it at once."""
    monkeypatch.setenv("BRIGHTRUN_ENGINE_SPARE_SECONDS", "1")
    monkeypatch.setattr(probes, "WORTH_PARAMETERS", 0)  # this small one is worth it, and what it takes counts
    monkeypatch.setattr(learning, "LEAST_SECONDS", 0.0)
    base = tmp_path / "base"
    shutil.copytree(kept_small_model(), base)
    async with opened(paths) as driver:
        await open_form(driver)
        await choose_example_and(driver, str(base))
        await driver.until(lambda: driver.plan.estimate and driver.plan.estimate.measured, "it is measured")
        await driver.sees_no("timing this machine")
        again = await asyncio.to_thread(make_plan, driver.new_run.draft, paths)
    assert again.estimate is not None and again.estimate.measured


async def test_who_wants_nothing_begun_by_a_filled_in_form_gets_the_guess(
    paths: Paths, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `spare_seconds = 0` says; the guess is called one."""
    monkeypatch.setattr(probes, "WORTH_PARAMETERS", 0)
    async with opened(paths) as driver:
        await open_form(driver)
        await choose_example_and(driver, str(kept_small_model()))
        assert driver.plan.estimate is not None and any(GUESS in note for note in driver.plan.estimate.notes)
        assert not (paths.cache / "probes").exists()
