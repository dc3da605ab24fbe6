"""News reaches people over the channels they have added, while no app is open; each piece once, and none of it is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from brightrun_tui.domain.notices import Level
from brightrun_tui.domain.notification import NewsKind, Notification
from brightrun_tui.orchestrator.courier import Courier
from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.store import engine, notifications, open_database, runs
from tests.cli.conftest import CommandLine
from tests.notify.receivers import Mail, Web, mail_server, web_server
from tests.processes import end_all
from tests.store.test_ingest import spec

SECRET = "verysecretpart"


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Paths]:
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    yield get_paths()
    end_all(tmp_path)


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as server:
        yield server


@pytest.fixture
def mail() -> Iterator[Mail]:
    with mail_server() as server:
        yield server


async def until(fact: Callable[[], bool], courier: Courier | None = None) -> None:
    end = time.monotonic() + 30
    while not fact():
        assert time.monotonic() < end, "never happened"
        if courier is not None:
            await courier.look()
        await asyncio.sleep(0.05)


def piece(number: int, kind: NewsKind = NewsKind.DONE) -> Notification:
    return Notification("r", "demo", f"n{number}", Level.INFO, f"news {number}", time.time(), kind, key=f"k{number}")


async def test_an_engine_alone_tells_everybody(paths: Paths, web: Web, mail: Mail) -> None:
    """A webhook, an ntfy server and a mail server hear how a run ended from an engine that no app is beside; and no address is
    in any log, nor shown."""
    brightrun = CommandLine(paths.data.parent)
    urls = {
        "hook": f"json://127.0.0.1:{web.port}/{SECRET}",
        "phone": f"ntfy://127.0.0.1:{web.port}/{SECRET}",
        "mail": f"mailto://127.0.0.1:{mail.port}?from=engine@example.com&to=me@example.com&{SECRET}=1",
    }
    for name, url in urls.items():
        added = brightrun("notify", "add", name, "--json", stdin=f"{url}\n")
        assert added.code == 0, added.err + added.out
    assert len(web.got) == 2 and len(mail.got) == 1  # each was tried first
    async with open_database(paths.database) as db:
        await runs.create(db, spec("run1"), str(paths.run_directory("run1")))
        await runs.transition(db, "run1", "stopped")
    assert brightrun("engine", "start").code == 0
    await until(lambda: len(web.got) == 4 and len(mail.got) == 2)
    assert "demo" in mail.got[1][0] and "the run has stopped" in mail.got[1][1]
    hooked = next(document for path, document in web.got[2:] if path == f"/{SECRET}")
    assert hooked["message"] == "the run has stopped" and "demo" in hooked["title"]
    phoned = next(document for path, document in web.got[2:] if path != f"/{SECRET}")
    assert phoned["topic"] == SECRET and phoned["message"] == "the run has stopped"
    await until(lambda: len(brightrun("notify", "history", "--json").document["news"][0]["channels"]) == 3)
    history = brightrun("notify", "history", "--json").document["news"]
    assert [(one["code"], one["kind"], sorted(one["channels"])) for one in history] == [
        ("run_stopped", "done", ["hook", "mail", "phone"])
    ]
    listed = brightrun("notify", "list")
    assert "hook" in listed.out and SECRET not in listed.out + listed.err
    for log in paths.logs.glob("*"):
        assert SECRET not in log.read_text(errors="replace")


async def test_what_could_not_be_told_is_told_later_in_order_and_once(
    paths: Paths, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is down gets everything once it is up, from whichever engine; meanwhile the others say that it is down."""
    monkeypatch.setattr("brightrun_tui.orchestrator.courier.FIRST_PAUSE", 0.05)
    monkeypatch.setattr("brightrun_tui.orchestrator.courier.LOOK_SECONDS", 0.0)
    from brightrun_tui.integrations.channels import add_channel

    with web_server() as other:
        add_channel(paths, "down", f"json://127.0.0.1:{web.port}/down")
        add_channel(paths, "up", f"json://127.0.0.1:{other.port}/up", kinds=(NewsKind.SERVICE,))
        web.refusing = True
        async with open_database(paths.database) as db:
            first = Courier(db, paths)
            await notifications.add(db, piece(1))
            await notifications.add(db, piece(2, NewsKind.FAILED))
            await until(lambda: bool(other.got), first)
            assert "“down” cannot reach you now" in other.got[0][1]["message"]
            assert any("down" in words for words in first.words())
            await first.close()
            web.refusing = False
            second = Courier(db, paths)
            await until(lambda: len(web.got) == 2, second)
            assert [document["message"] for _, document in web.got] == ["news 1", "news 2"]
            await notifications.add(db, piece(2, NewsKind.FAILED))  # the same, found out once more
            async with asyncio.timeout(60):
                while await second.look():  # the server has it before the courier knows that it has
                    await asyncio.sleep(0.01)
            assert not second.words()
            await second.close()
            third = Courier(db, paths)
            await notifications.add(db, piece(3))
            await until(lambda: len(web.got) == 3, third)
            await third.close()
            assert [document["message"] for _, document in web.got] == ["news 1", "news 2", "news 3"]
            assert len(other.got) == 1


async def test_kinds_and_quiet_hours_hold_back(paths: Paths, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel tells only what it was asked to, and nothing while it is quiet: that comes afterwards."""
    monkeypatch.setattr("brightrun_tui.orchestrator.courier.LOOK_SECONDS", 0.0)
    from brightrun_tui.integrations.channels import add_channel

    url = f"json://127.0.0.1:{web.port}/x"
    add_channel(paths, "hook", url, kinds=(NewsKind.FAILED,), quiet="00:00-23:59")
    async with open_database(paths.database) as db:
        courier = Courier(db, paths)
        await notifications.add(db, piece(1, NewsKind.DONE))
        assert not await courier.look()
        await notifications.add(db, piece(2, NewsKind.FAILED))
        assert await courier.look() and await courier.look()
        assert not web.got
        add_channel(paths, "hook", "", kinds=(NewsKind.FAILED,))
        await until(lambda: len(web.got) == 1, courier)
        assert web.got[0][1]["message"] == "news 2"
        await courier.close()


async def test_a_service_that_fails_while_a_run_needs_it_is_news(paths: Paths) -> None:
    """Not before it ever worked, not again and again, and not when nothing needs it."""
    async with open_database(paths.database) as db:
        await engine.save_service(db, "local", "ok", "ready")
        await engine.save_service(db, "local", "failed", "no disk")
        assert await notifications.unread(db) == 0
        await runs.create(db, spec("run1"), "/nowhere")
        await engine.save_service(db, "local", "ok", "ready")
        for _ in range(2):
            await engine.save_service(db, "local", "failed", "no disk", fix="free some")
        (one,) = await notifications.latest(db)
        assert one.kind is NewsKind.SERVICE and "no disk" in one.message and one.level is Level.ERROR
        await notifications.mark_read(db, up_to=one.id)
        assert await notifications.unread(db) == 0


def test_an_address_that_is_none_is_refused_without_its_secrets(paths: Paths) -> None:
    """Whoever types it wrongly learns how it is written; nothing of it is repeated."""
    brightrun = CommandLine(paths.data.parent)
    refused = brightrun("notify", "add", "chat", "--json", stdin=f"slack://{SECRET}\n")
    assert refused.code != 0 and refused.error["kind"] == "bad_channel" and SECRET not in refused.out + refused.err
    silent = brightrun("notify", "add", "hook", "--json", stdin=f"json://127.0.0.1:9/{SECRET}\n")
    assert silent.code == 4 and silent.error["kind"] == "channel_failed" and SECRET not in silent.out + silent.err
    assert brightrun("notify", "list", "--json").document["channels"] == {}
