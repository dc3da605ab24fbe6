"""Chat: the base beside the model that was trained from it, told apart, agreed to, and gone with the chat."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import psutil
import pytest

from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.rental import EndpointRental
from brightrun_tui.paths import Paths
from brightrun_tui.store import corrections, endpoints, models, open_database
from brightrun_tui.tui.screens.chat import ChatScreen
from brightrun_tui.tui.widgets.bubble import Bubble
from tests.processes import of_home, words_of
from tests.serving.toy import keep, make_toy
from tests.tui import seed
from tests.tui.conftest import DEADLINE, SIZES, Driver, Opened
from tests.tui.test_registry import choose


@pytest.fixture
def first_mode() -> str:
    return "registry"


async def chat_with(driver: Driver, ref: str) -> None:
    await choose(driver, ref)
    await driver.press("c")
    await driver.sees(f"Chat with {ref}")


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An endpoint that says which model it was asked for."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(re.findall(rb"content-length: (\d+)", head, re.IGNORECASE)[0])
    asked = json.loads(await reader.readexactly(length))["model"]
    delta = {"choices": [{"index": 0, "delta": {"content": f"I am {asked}"}}]}
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
    writer.write(f"data: {json.dumps(delta)}\n\ndata: [DONE]\n\n".encode())
    writer.close()


async def served_at(paths: Paths, port: int) -> None:
    """The model's endpoint answers there, and one of its base, which somebody else began."""
    async with open_database(paths.database) as db:
        url = f"http://127.0.0.1:{port}/v1"
        model = await models.find(db, "lamp-support:2")
        for endpoint in await endpoints.list_endpoints(db):
            await endpoints.save(db, endpoint.model_copy(update={"url": url}))
        base = await seed.add_endpoint(db, paths, model, "ep-base", url=url)
        await endpoints.save(db, base.model_copy(update={"base_alone": True}))


async def endpoints_of(paths: Paths) -> list[Endpoint]:
    async with open_database(paths.database) as db:
        return await endpoints.list_endpoints(db)


def servers_of(paths: Paths, endpoint: Endpoint) -> list[psutil.Process]:
    """What runs for it."""
    found = of_home(paths.data.parent, "brightrun_tui.serving")
    return [each for each in found if any(endpoint.id in word for word in words_of(each))]


async def test_the_base_says_that_it_is_the_base_and_learns_no_correction(
    seeded: Paths, opened: Opened, tmp_path: Path
) -> None:
    """F12 puts it beside; f3 and training data are about the model, whichever answer is the newest; F12 takes it away."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    await served_at(seeded, server.sockets[0].getsockname()[1])
    async with server, opened(seeded, SIZES[0]) as driver:
        await chat_with(driver, "lamp-support:2")
        await driver.sees_at_every_size("f12 Base")
        await driver.press("f12")
        await driver.sees_at_every_size("Chat with lamp-support:2 and its base")
        await driver.press(*"hi", "enter")
        await driver.sees_at_every_size("base SmolLM2-135M-Instruct, without training", "I am lamp-support:2@base")
        await driver.until(lambda: not driver.screen(ChatScreen).answering)

        for size in reversed(SIZES):
            await driver.resize(size)
            await driver.until(lambda: "f3 Wrong" in driver.keys(), "an answer can be corrected, and that is seen")
            assert "f12 Base" in driver.keys()

        theirs = next(each for each in driver.app.screen.query(Bubble) if each.turn.content.endswith("@base"))
        theirs.focus()
        await driver.press("x")
        await driver.sees("corrections are learnt by lamp-support:2")
        driver.one("#say").focus()
        await driver.press("f3")
        await driver.sees_at_every_size("What should lamp-support:2 have said?", "I am lamp-support:2")
        await driver.press("!", "ctrl+s")
        await driver.sees_at_every_size("✎ corrected")
        for name in ("talk.jsonl", "talk.md"):
            await driver.press("f9")
            await driver.sees("Save the talk")
            driver.app.screen.query_one("Input").value = str(tmp_path / name)  # type: ignore[attr-defined]
            await driver.press("enter")
            await driver.until((tmp_path / name).exists, f"{name} is saved")

        await driver.press("f12")
        await driver.sees_no("and its base")
        await driver.press("escape")
        await driver.until(lambda: not isinstance(driver.app.screen, ChatScreen), "the chat ends without a question")
    async with open_database(seeded.database) as db:
        kept = await corrections.of_model(db, "lamp-support")
    assert [(one.version, one.answer) for one in kept] == [(2, "I am lamp-support:2")]
    assert "@base" not in (tmp_path / "talk.jsonl").read_text()
    assert "base SmolLM2-135M-Instruct, without training" in (tmp_path / "talk.md").read_text()
    assert {each.id: each.state for each in await endpoints_of(seeded)}["ep-base"] == "ready", "it was another chat's"


async def test_what_the_base_takes_is_said_before_and_a_no_starts_nothing(seeded: Paths, opened: Opened) -> None:
    """Where the model is served on a rented machine, that no other one is rented for it, too."""
    before = await endpoints_of(seeded)
    async with open_database(seeded.database) as db:
        for endpoint in before:
            rental = EndpointRental(provider="vast", offer_gpu="RTX 4090", price_per_hour=0.4)
            await endpoints.save(db, endpoint.model_copy(update={"rental": rental, "provider": "vast"}))
    async with opened(seeded, SIZES[0]) as driver:
        await chat_with(driver, "lamp-support:2")
        await driver.press("f12")
        await driver.sees_at_every_size(
            "Base beside lamp-support:2", "That takes", "of memory", "GiB are free", "served on", "this machine only"
        )
        await driver.press("n")
        await driver.sees_no("Base beside lamp-support:2")
        await driver.sees_no("and its base")
    assert [each.id for each in await endpoints_of(seeded)] == [each.id for each in before]


async def test_a_base_that_cannot_be_had_any_more_is_said(seeded: Paths, opened: Opened) -> None:
    """In a sentence with the way out, and the chat goes on as it was."""
    async with open_database(seeded.database) as db:
        known = await models.find(db, "lamp-support:2")
        number = await models.reserve(db, "orphan", "r-orphan")
        gone = {"name": "orphan", "version": number, "base_id": "acme/gone", "base_path": "/nowhere"}
        await models.complete(db, known.model_copy(update=gone))
        await seed.add_endpoint(db, seeded, await models.find(db, "orphan:1"), "ep-orphan")
    async with opened(seeded) as driver:
        await chat_with(driver, "orphan:1")
        await driver.press("f12")
        await driver.until(lambda: "can no longer be had" in driver.toasts(), "it is said")
        assert "set-base orphan:1" in driver.toasts() and "and its base" not in driver.text()


async def test_read_only_starts_no_base(seeded: Paths, opened: Opened) -> None:
    """The key is not offered where nothing may be changed."""
    async with opened(seeded, read_only=True) as driver:
        await chat_with(driver, "lamp-support:2")
        await driver.press("f12")
        await driver.sees_no("Base beside lamp-support:2")


@pytest.mark.slow
async def test_a_real_base_answers_otherwise_and_leaves_memory_with_the_chat(paths: Paths, opened: Opened) -> None:
    """Engine, model and base for real: agreed to, asked, taken along when the chat ends though the model is kept up."""
    toy = make_toy()
    await keep(paths.database, toy.version())
    async with opened(paths) as driver:
        await chat_with(driver, "harbour:1")
        await driver.sees("● ready; the model runs on this machine")
        await driver.press("f12")
        await driver.sees("Base beside harbour:1", "That takes about", "are free")
        await driver.press("y")
        await driver.sees("● ready; the base runs on this machine")
        for key in str(toy.sample.prompt[-1]["content"]):
            await driver.press("space" if key == " " else "question_mark" if key == "?" else key)
        await driver.press("enter")
        await driver.sees("base toy, without training", toy.sample.base.strip(), "Seven fathoms at low tide")
        await driver.until(lambda: not driver.screen(ChatScreen).answering)
        base = next(each for each in await endpoints_of(paths) if each.base_alone)
        assert servers_of(paths, base)
        (listed,) = [found for screen in driver.app.screen_stack for found in screen.query("#models")]
        assert str(listed.border_subtitle) == "1 serving", "a base alone is no model that is served"

        await driver.press("escape")
        await driver.sees("The chat ends", "harbour:1 is being served for this chat")
        await driver.press("n")
        await driver.until(lambda: not isinstance(driver.app.screen, ChatScreen), "the chat has ended")
        await driver.until(lambda: not servers_of(paths, base), "nothing of the base runs")
    wanted = {"harbour:1": "ready", "harbour:1@base": "stopped"}
    async with asyncio.timeout(DEADLINE):  # its processes are gone a moment before it is written down
        while {each.ref: each.state for each in await endpoints_of(paths)} != wanted:
            await asyncio.sleep(0.05)
