"""What is new about a run is said once and fit to be shown; a channel that is broken keeps nobody from hearing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from brightrun_tui.domain.notices import Level, NoticeCode
from brightrun_tui.domain.notification import NewsKind, Notification, news, told_of
from brightrun_tui.domain.quiet_hours import is_quiet, is_quiet_hours
from brightrun_tui.domain.run import Failure, Notice, Run
from brightrun_tui.notify.channel import Home
from brightrun_tui.notify.desktop import Escape, choose, sequence, through
from brightrun_tui.notify.opening import open_channels, send
from brightrun_tui.orchestrator.budget import BudgetVerdict
from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.plugins import Door
from brightrun_tui.store import notifications, open_database
from tests.plugins.conftest import site  # noqa: F401
from tests.plugins.package import install
from tests.store.test_ingest import spec

RUNNING = Run(id="r", name="demo", state="running", spec=spec("r"), directory="/r", created_at=1.0, updated_at=2.0)
LOW = Notice(time=3.0, level="warning", code="budget_warn_80", message="80 % is spent\x1b[31m")
WARNED = RUNNING.model_copy(update={"notices": (LOW,)})
FAILED = WARNED.model_copy(update={"state": "failed", "failure": Failure(error="diverged", cause="the loss rose")})
PIECE = Notification("r", "a; run", "run_failed", Level.ERROR, "it broke\x1b]0;x\x07 here", 1.0, NewsKind.FAILED, id=7)

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
    assert (warning.kind, warning.level, warning.message) == ("budget", "warning", "80 % is spent [31m")
    (failure,) = news(WARNED, FAILED)
    assert (failure.code, failure.kind, failure.message) == ("run_failed", "failed", "the loss rose")


async def test_what_is_found_out_twice_takes_nothing_of_the_history(tmp_path: Path) -> None:
    """Rows of other tables have higher numbers, and were taken for the newest piece of news."""
    async with open_database(tmp_path / "b.db") as db:
        await notifications.add(db, replace(PIECE, key="k"))
        await db.execute(
            "INSERT INTO requests (id, kind, target, payload, created_at) VALUES (90000, 'x', '', '{}', 1)"
        )
        await notifications.add(db, replace(PIECE, key="k"))
        assert [each.key for each in await notifications.latest(db)] == ["k"]


def test_of_a_flood_of_bad_lines_the_first_is_news() -> None:
    """A worker that writes nonsense does not fill anybody's mail box."""
    bad = [Notice(time=float(n), level="warning", code="bad_event", message="?") for n in (1, 2)]
    first, second = (RUNNING.model_copy(update={"notices": tuple(bad[:n])}) for n in (1, 2))
    assert len(news(RUNNING, first)) == 1 and news(first, second) == ()


@pytest.mark.parametrize(
    ("hours", "at", "quiet"),
    [
        ("22:00-07:00", 23, True),
        ("22:00-07:00", 12, False),
        ("9:00 – 17:00", 9, True),
        ("9:00-17:00", 17, False),
        ("", 3, False),
    ],
)
def test_quiet_hours_go_over_midnight(hours: str, at: int, quiet: bool) -> None:
    from datetime import datetime

    assert is_quiet_hours(hours) and is_quiet(hours, datetime(2026, 1, 1, at, 0)) is quiet


async def test_a_channel_that_fails_or_is_not_there_keeps_nobody_from_hearing(paths: Paths, site: Path) -> None:
    """Each says why; the others are told all the same; one that is at home elsewhere is left to that process."""
    install(site, "bad-pack", {"bad.py": BROKEN}, {str(Door.NOTIFICATIONS): {"one": "bad:ONE", "two": "bad:TWO"}})
    paths.config_file.write_text('[notify]\nchannels = ["one", "two", "smoke", "bell"]\n')
    rung: list[int] = []
    opened = open_channels(paths, Home.APP, lambda: rung.append(1))
    why = {name: await send(name, channel, PIECE) for name, channel in opened.channels.items()}
    assert rung == [1] and why["bell"] == "" and "OSError" in why["one"]
    two, smoke = map(str, opened.problems)
    assert "“two” of bad-pack 1.0 cannot be used: it failed (ZeroDivisionError" in two
    assert "there is no notification channel “smoke”" in smoke and "bell" in smoke
    assert not open_channels(paths, Home.ENGINE).channels


def test_the_escape_is_the_terminals_own_and_nothing_in_it_ends_it() -> None:
    """iTerm2, foot, kitty and VTE each get theirs; a text is never more than text."""
    assert choose("xterm-kitty", {}) == choose("xterm-256color", {"KITTY_WINDOW_ID": "1"}) == "osc99"
    assert choose("foot", {}) == choose("xterm-256color", {"VTE_VERSION": "7600"}) == "osc777"
    assert choose("xterm-256color", {"LC_TERMINAL": "iTerm2"}) == "osc9" and choose("linux", {}) == "none"
    escapes: tuple[Escape, ...] = ("osc9", "osc777", "osc99")
    for escape in escapes:
        written = sequence(escape, PIECE.subject, PIECE.message, PIECE.id)
        assert written.count("\x1b]") == written.count("\x1b\\") == (2 if escape == "osc99" else 1)
        assert "\x07" not in written and "a" in written
    assert sequence("osc777", "a; run", "b") == "\x1b]777;notify;a, run;b\x1b\\"


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_tmux_passes_the_escape_on(tmp_path: Path) -> None:
    """What is written within tmux arrives at the terminal around it as it was meant."""
    import pty
    import select

    written = through(sequence("osc9", "Bright Run", "it is done"), {"TMUX": "yes"})
    (tmp_path / "say").write_text(written)
    server = ["tmux", "-S", str(tmp_path / "socket"), "-f", "/dev/null"]
    environment = {**os.environ, "TERM": "xterm-256color"}
    environment.pop("TMUX", None)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("tmux", [*server, "new", "-x", "80", "-y", "24", "cat; sleep 60"], environment)
    try:
        seen, end, asked = b"", time.monotonic() + 30, False
        while b"\x1b]9;Bright Run: it is done" not in seen:
            assert time.monotonic() < end, seen[-2000:]
            if select.select([terminal], [], [], 0.2)[0]:
                seen += os.read(terminal, 65536)
            if not asked and seen:
                done = subprocess.run(
                    [*server, "set", "-g", "allow-passthrough", "on"], env=environment, capture_output=True
                )
                asked = done.returncode == 0
                if asked:
                    command = (
                        f"{sys.executable} -c 'print(open(\"{tmp_path}/say\").read(), flush=True, end=str())'; sleep 60"
                    )
                    subprocess.run(
                        [*server, "respawn-pane", "-k", command], env=environment, capture_output=True, check=True
                    )
    finally:
        subprocess.run([*server, "kill-server"], env=environment, capture_output=True)
        os.close(terminal)
        os.waitpid(pid, 0)


def test_what_is_said_of_one_of_several_machines_is_news_of_its_kind() -> None:
    """A dearer machine and a replaced one carry their own name or number in the code."""
    dearer = NoticeCode.DEARER.told_apart("br-abc-1", "0.4100")
    replaced = NoticeCode.MACHINE_GIVEN_UP.told_apart(2)
    kinds = [told_of(RUNNING, code, Level.WARNING, "?", 1.0).kind for code in (dearer, replaced, "said_by_a_worker")]
    assert kinds == [NewsKind.BUDGET, NewsKind.MACHINE, NewsKind.ALERT]
    assert (dearer, replaced) == ("dearer_br-abc-1_0.4100", "machine_given_up_2")


def test_whatever_the_budget_demands_is_news_about_money() -> None:
    for verdict in get_args(BudgetVerdict):
        if verdict != "go":
            assert told_of(RUNNING, NoticeCode(f"budget_{verdict}"), Level.WARNING, "?", 1.0).kind is NewsKind.BUDGET
