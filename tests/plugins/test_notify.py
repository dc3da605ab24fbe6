"""People hear what is new about a run, once; and no channel can hold up a run or end it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from brightrun_tui.domain.run import BaseModelRef, DatasetRef, Failure, Notice, Run, RunSpec
from brightrun_tui.notify.channel import Home
from brightrun_tui.notify.news import news
from brightrun_tui.notify.notifier import Notifier
from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.plugins import Door
from tests.plugins.package import install

SPEC = RunSpec(
    run_id="r",
    name="demo",
    created_at=1.0,
    base=BaseModelRef(id="b"),
    dataset=DatasetRef(path="/d", name="d", format="messages", fingerprint="f", records=3, usable=3),
)
RUNNING = Run(id="r", name="demo", state="running", spec=SPEC, directory="/r", created_at=1.0, updated_at=2.0)
LOW = Notice(time=3.0, level="warning", code="budget_alert", message="80 % is spent\x1b[31m")
WARNED = RUNNING.model_copy(update={"notices": (LOW,)})
FAILED = WARNED.model_copy(update={"state": "failed", "failure": Failure(error="diverged", cause="the loss rose")})

BROKEN = """
from brightrun_tui.notify.channel import ChannelSpec, Home
class Broken:
    async def send(self, notification):
        raise OSError("no network")
ONE = ChannelSpec(name="one", gives="Nothing.", home=Home.APP, open=lambda opening: Broken())
TWO = ChannelSpec(name="two", gives="Nothing.", home=Home.APP, open=lambda opening: 1 / 0)
"""


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path / "home"))
    found = get_paths()
    found.config_file.parent.mkdir(parents=True)
    return found


def test_notices_and_endings_are_news_once() -> None:
    """What was there before is not told again; what is told is fit to be shown."""
    assert news(RUNNING, RUNNING) == ()
    (warning,) = news(RUNNING, WARNED)
    assert (warning.code, warning.level, warning.message) == ("budget_alert", "warning", "80 % is spent [31m")
    (failure,) = news(WARNED, FAILED)
    assert (failure.code, failure.level, failure.message) == ("run_failed", "error", "the loss rose")
    assert [one.code for one in news(None, FAILED)] == ["budget_alert", "run_failed"]


async def test_the_bell_rings_for_what_is_new_only(paths: Paths) -> None:
    """It is on unless somebody switches it off, and it is at home in the app."""
    rung: list[int] = []
    notifier = Notifier(paths, Home.APP, lambda: rung.append(1))
    notifier.know([RUNNING])
    for run in (RUNNING, WARNED, WARNED, FAILED, FAILED):
        notifier.look(run)
    await notifier.close()
    assert len(rung) == 2 and not notifier.problems
    elsewhere = Notifier(paths, Home.ENGINE, lambda: rung.append(1))
    elsewhere.look(FAILED)
    paths.config_file.write_text("[notify]\nchannels = []\n")
    silent = Notifier(paths, Home.APP, lambda: rung.append(1))
    silent.look(FAILED)
    await asyncio.gather(elsewhere.close(), silent.close())
    assert len(rung) == 2


async def test_a_channel_that_fails_or_is_not_there_keeps_nobody_from_hearing(paths: Paths, site: Path) -> None:
    """Each says why; the others are told all the same."""
    install(site, "bad-pack", {"bad.py": BROKEN}, {str(Door.NOTIFICATIONS): {"one": "bad:ONE", "two": "bad:TWO"}})
    paths.config_file.write_text('[notify]\nchannels = ["one", "two", "smoke", "bell"]\n')
    rung: list[int] = []
    notifier = Notifier(paths, Home.APP, lambda: rung.append(1))
    notifier.look(FAILED)
    await notifier.close()
    assert len(rung) == 2
    two, smoke = map(str, notifier.problems)
    assert "“two” of bad-pack 1.0 cannot be used: it failed (ZeroDivisionError" in two
    assert "there is no notification channel “smoke”" in smoke and "bell" in smoke
