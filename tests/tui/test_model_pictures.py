"""What a person does with a model looks as it was drawn last, at three sizes: the marked list, a talk while it is answered, a
correction, reviews, export, endpoint, several versions side by side.

What is to look different is drawn anew: ``pytest tests/tui/test_model_pictures.py --draw-pictures``; the diff shows it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path

import pytest
from textual.widgets import TextArea

from brightrun_tui import registry, serving
from brightrun_tui.paths import Paths
from brightrun_tui.store import datasets, endpoints, models, open_database
from brightrun_tui.tui.screens.chat import ChatScreen
from brightrun_tui.tui.screens.registry import RegistryScreen
from brightrun_tui.tui.widgets.rows import RowList
from tests.tui import seed
from tests.tui.conftest import SIZES, Driver, Opened
from tests.tui.drawing import Look, look, same_everywhere  # noqa: F401  # fixtures

PICTURES = Path(__file__).with_name("model_pictures")
ALL_SIZES = [*SIZES, (60, 30)]
DIALOGUES = {"u": "endpoint", "e": "export", "L": "leaderboard", "E": "evaluate", "x": "corrections"}
"""By the keys that open them."""
STATES = ("list", "reviews", *DIALOGUES.values(), "compare", "chat-answering", "chat-answered", "chat-correction")
HOME = Path("/home/ada/models/lamp-support-2")
"""Where the endpoint is said to lie: what is shown of it has the same length everywhere."""
MODEL = "lamp-support:2"
SAID = ("Yes. Delivery to Iceland takes 5 to 7 working days", " and costs 14 euros; it is free from 120.")


@pytest.fixture
def first_mode() -> str:
    return "registry"


def file_of(state: str, size: tuple[int, int]) -> Path:
    return PICTURES / f"{state}-{size[0]}x{size[1]}.txt"


async def fill(paths: Paths, url: str) -> None:
    """A history in which somebody has reviewed, corrected, and made new data; model and base answer at ``url``."""
    await seed.fill(paths)
    async with open_database(paths.database) as db:
        await registry.rate(db, MODEL, 4, "polite, and mostly right", author="ada")
        await registry.rate(db, MODEL, None, "wrong about Iceland", author="ben", keep_stars=True)
        asked = [{"role": "user", "content": "When do you open?"}]
        await registry.correct(db, MODEL, asked, "At nine.", answer="At ten.", author="ben")
        newer = seed.dataset_report("lamp-support-v2", "/data/lamp-support-v2.jsonl")
        await datasets.add(db, newer.model_copy(update={"fingerprint": "ef" * 16}))
        model = await models.find(db, MODEL)
        for endpoint in await endpoints.list_endpoints(db):
            await endpoints.save(db, endpoint.model_copy(update={"url": url, "engine": "llama.cpp"}))
        base = await seed.add_endpoint(db, paths, model, "ep-base", url=url)
        await endpoints.save(db, base.model_copy(update={"base_alone": True}))


@pytest.fixture(autouse=True)
def serving_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the store says of the endpoints is so."""
    monkeypatch.setattr(serving, "with_liveness", lambda found: found)


class HalfAnswered:
    """An endpoint that stops in the middle of every answer until it may go on."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked = json.loads(await reader.readexactly(int(re.findall(rb"content-length: (\d+)", head, re.IGNORECASE)[0])))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        said = ("The lamp is a lamp that", " is the lamp.") if asked["model"].endswith("@base") else SAID
        for piece in said:
            writer.write(f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': piece}}]})}\n\n".encode())
            await writer.drain()
            await self.go.wait()
        writer.write(b"data: [DONE]\n\n")
        writer.close()


@asynccontextmanager
async def talking(paths: Paths) -> AsyncIterator[HalfAnswered]:
    model = HalfAnswered()
    server = await asyncio.start_server(model.answer, "127.0.0.1", 0)
    await fill(paths, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    async with server:
        yield model


async def choose(driver: Driver) -> None:
    await driver.visit("registry")
    await driver.until(lambda: driver.one("#models", RowList).option_count)
    driver.one("#models", RowList).choose(MODEL)
    await driver.until(lambda: driver.app.snapshot.attention.get(MODEL), "what needs attention is known")


@pytest.mark.parametrize("size", ALL_SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_model_and_what_is_done_with_it(
    same_everywhere: None,
    paths: Paths,
    opened: Opened,
    look: Look,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
) -> None:
    """The list with what needs attention, and every dialogue that is opened from it."""
    monkeypatch.chdir("/")  # where exports go unasked
    await fill(paths, "http://127.0.0.1:8311/v1")
    async with open_database(paths.database) as db:
        for endpoint in await endpoints.list_endpoints(db):
            await endpoints.save(db, endpoint.model_copy(update={"directory": str(HOME)}))
    async with opened(paths, size) as driver:
        await choose(driver)
        await look(driver, file_of("list", size))
        await driver.press("z")
        page = driver.one("#page")
        page.scroll_to(
            y=next(at for at, line in enumerate(str(page.query_one("Flow").render()).splitlines()) if "ben" in line)
            - 3,
            animate=False,
        )
        await driver.sees("wrong about Iceland", "polite, and mostly right")
        await look(driver, file_of("reviews", size))
        page.scroll_home(animate=False)
        await driver.press("z")
        for key, state in DIALOGUES.items():
            await choose(driver)
            await driver.press(key)
            await driver.until(lambda: not isinstance(driver.app.screen, RegistryScreen), state)
            await look(driver, file_of(state, size))
            await driver.press("escape")
            await driver.until(lambda: isinstance(driver.app.screen, RegistryScreen), "the list again")
        await choose(driver)
        await driver.press("g", "space", "space", "space", "m")
        await driver.sees("held-out loss")
        await driver.until(lambda: "What they learnt from" in str(driver.one("CompareScreen Flow").render()))
        await look(driver, file_of("compare", size))


@pytest.mark.parametrize("size", ALL_SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_talk(same_everywhere: None, paths: Paths, opened: Opened, look: Look, size: tuple[int, int]) -> None:
    """The base beside the model: while they answer, afterwards, and while an answer is corrected."""
    async with talking(paths) as model, opened(paths, size) as driver:
        await choose(driver)
        await driver.press("c")
        await driver.sees(f"Chat with {MODEL}", "ready")
        await driver.press("f12")
        await driver.sees("and its base")
        await driver.press(*"Do you deliver to Iceland?", "enter")
        await driver.sees("answering …", "The lamp is", "Delivery to")
        driver.one("#say", TextArea).cursor_blink = False
        await look(driver, file_of("chat-answering", size))
        model.go.set()
        await driver.until(lambda: not driver.screen(ChatScreen).answering)
        await look(driver, file_of("chat-answered", size))
        await driver.press("f3")
        await driver.sees(f"What should {MODEL} have said?")
        driver.one("#wanted", TextArea).cursor_blink = False
        await look(driver, file_of("chat-correction", size))


def test_no_picture_is_left_over() -> None:
    """Every file is compared with a screen."""
    assert {*PICTURES.iterdir()} == {file_of(*which) for which in product(STATES, ALL_SIZES)}
