"""Registry: report cards in words, endpoints with their key kept, opinions kept, nothing deleted by a slip."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from filelock import FileLock

from brightrun_tui import registry
from brightrun_tui.domain.errors import EngineError
from brightrun_tui.domain.model import Advice, AdviceKind, ModelVersion
from brightrun_tui.domain.requests import Deploy
from brightrun_tui.integrations import credentials
from brightrun_tui.paths import Paths
from brightrun_tui.planning.draft import Draft
from brightrun_tui.serving import keeps_answers
from brightrun_tui.serving.kept_answers import add_answer
from brightrun_tui.store import corrections, endpoints, models, open_database, requests, runs
from brightrun_tui.tui.screens.chat import ChatScreen
from brightrun_tui.tui.screens.monitor import MonitorScreen
from brightrun_tui.tui.screens.registry import RegistryScreen
from brightrun_tui.tui.widgets.rows import RowList
from tests.registry.hub_server import TOKEN, Repository, serving_hub
from tests.registry.judge_server import KEY as JUDGE_KEY
from tests.registry.judge_server import by_marker, prefer, serving_judge
from tests.tui.conftest import SIZES, Driver, Opened

KEY = "br-0123456789abcdefghijklmnop"


@pytest.fixture
def first_mode() -> str:
    return "registry"


async def choose(driver: Driver, ref: str) -> None:
    await driver.press("4")
    await driver.until(lambda: driver.app.current_mode == "registry" and driver.one("#models", RowList).option_count)
    driver.one("#models", RowList).choose(ref)
    await driver.pilot.pause()


async def test_the_verdict_comes_first_and_in_words(seeded: Paths, opened: Opened) -> None:
    """Good or not is said in plain words with a glyph, the numbers follow. Versions are compared side by side, the better of
    each fact marked, answers beside one another; those that are marked are measured together, and come first."""
    async with opened(seeded, SIZES[0]) as driver:
        await choose(driver, "poems:1")
        await driver.sees_at_every_size("✗ poor", "No better than the base model")
        await choose(driver, "lamp-support:2")
        for size in SIZES:
            await driver.resize(size)
            await driver.sees("✓ good", "Clearly better than the base model", "fell by 67%, from 2.910", "★★★★★")
        await driver.sees("loss 2.910", "loss 0.960", "67% less loss")

        await driver.press("m")
        await driver.sees("Compare lamp-support:2 with")
        await driver.press("enter")
        await driver.sees("lamp-support:1", "held-out loss", "0.9600 ✓", "1.2400")
        await driver.press("end")
        await driver.sees("Do you deliver to Iceland?")
        await driver.press("escape")

        await choose(driver, "lamp-support:2")
        await driver.press("space", "space", "E")
        await driver.sees("Evaluate the marked versions", "the marked: lamp-support:2, poems:1")


async def test_opinions_are_kept_and_the_champion_is_moved_after_a_yes(seeded: Paths, opened: Opened) -> None:
    """Four stars, a note and a tag, by keyboard: in the store afterwards, and a tag finds its version again. The champion is
    moved only after a yes, and moved back with one key."""
    async with opened(seeded) as driver:
        await choose(driver, "poems:1")
        await driver.press("r", "4", "tab", *"rhymes", "tab", "enter")
        await driver.sees("★★★★☆", "rhymes")
        await driver.press("t", *"haiku", "tab", "enter")
        await driver.sees("#haiku")
        await driver.press("slash", *"haiku", "enter")
        await driver.sees("Models 1 of 3")
        await driver.press("escape")
        await driver.sees("Models 3")

        await choose(driver, "lamp-support:1")
        await driver.press("P", "enter")
        assert "champion" in kept(driver, "lamp-support:2").aliases, "enter is a yes"
        await driver.press("P", "y")
        await driver.until(lambda: "champion" in kept(driver, "lamp-support:1").aliases, "moved")
        await driver.press("B", "y")
        await driver.until(lambda: "champion" in kept(driver, "lamp-support:2").aliases, "moved back")
    async with open_database(seeded.database) as db:
        model = await models.find(db, "poems:1")
    assert (model.rating, model.note) == (4, "rhymes")


async def test_an_endpoint_shows_its_key_on_demand_and_chat_says_why_it_cannot(seeded: Paths, opened: Opened) -> None:
    """Address and ready-made calls at once; the bearer key only after s, and never in the calls by itself. Nobody answers at
    the address: the chat says so in a sentence, and what was typed can be sent again."""
    async with opened(seeded) as driver:
        await choose(driver, "lamp-support:2")
        await driver.press("u")
        await driver.sees("http://127.0.0.1:8311/v1", "lamp-support:2", "curl", "from openai import OpenAI")
        assert KEY not in driver.text()
        await driver.press("s")
        await driver.sees(KEY)
        await driver.press("s")
        await driver.until(lambda: KEY not in driver.text(), "s hides it again")
        await driver.press("escape")
        await driver.until(lambda: len(driver.app.screen_stack) == 1)
        await driver.press("c")
        await driver.sees("Chat with lamp-support:2", "its server has been down since")
        await driver.press(*"hi", "enter")
        await driver.sees("✗ the endpoint cannot be reached")


async def test_deploying_asks_the_engine_and_shows_how_it_goes(seeded: Paths, opened: Opened) -> None:
    """d leaves a request for the engine; no server is started by the app itself."""
    async with opened(seeded) as driver:
        await choose(driver, "poems:1")
        with FileLock(seeded.engine_lock):
            await driver.press("d")
            async with open_database(seeded.database) as db:
                while not (waiting := await requests.pending(db)):
                    await driver.pilot.pause(0.05)
                champion = Deploy(target="poems:1", name="poems", follows="champion")
                assert [request.ask for request in waiting] == [champion], "every deployment has another address"
                await requests.refuse(db, waiting[0].id, EngineError("no [/] memory", fix="free some"))
            await driver.until(lambda: "no [/] memory" in driver.toasts(), "the reason as a toast")


async def test_deleting_is_refused_by_default_and_final_after_yes(seeded: Paths, opened: Opened) -> None:
    """No is the default; a served model cannot be deleted and says why; any other goes with its files."""
    async with opened(seeded) as driver:
        await choose(driver, "poems:1")
        directory = Path(kept(driver, "poems:1").directory)
        await driver.press("D", "enter")
        assert directory.exists()
        await driver.press("D", "y")
        await driver.until(lambda: driver.app.snapshot.model("poems:1") is None)
        assert not directory.exists()
        await choose(driver, "lamp-support:2")
        await driver.press("D", "y")
        await driver.until(lambda: "being served" in driver.toasts())


async def test_any_number_of_marked_versions_are_compared(seeded: Paths, opened: Opened) -> None:
    """space marks, m puts all that are marked side by side; what each learnt from that the others did not is said."""
    async with open_database(seeded.database) as db:
        found = await models.list_models(db)
        for version in found:
            data = Path((await runs.get(db, version.run_id)).directory) / "data"
            data.mkdir()
            own = {"role": "user", "content": f"Only for {version.ref}?"}, {"role": "assistant", "content": "Yes."}
            both = {"role": "user", "content": "For all?"}, {"role": "assistant", "content": "Yes."}
            lines = [json.dumps({"id": "1", "messages": messages}) for messages in (both, own)]
            (data / "train.jsonl").write_text("".join(f"{line}\n" for line in lines))
    async with opened(seeded) as driver:
        await choose(driver, found[0].ref)
        await driver.press("space", "space", "space")
        await driver.sees("3 marked")
        await driver.press("m")
        await driver.sees("held-out loss", "0.9600 ✓", "1.2400", "3.1500", *(version.ref for version in found))
        await driver.press("end")
        await driver.sees("Do you deliver to Iceland?")
        body = driver.one("CompareScreen Flow")
        await driver.until(lambda: "What they learnt from" in str(body.render()), "the data is read")
        text = str(body.render())
        assert text.count("2 records, 1 of them it alone") == 3
        assert all(f"Only for {version.ref}?" in text for version in found) and "For all?" not in text
        await driver.press("escape", "escape")
        await driver.sees_no("marked")


async def test_the_key_to_new_data_is_seen_once_there_is_a_correction(seeded: Paths, opened: Opened) -> None:
    """Corrections are read after the dialogue has opened; what they make possible then stands in its footer."""
    async with open_database(seeded.database) as db:
        await registry.correct(db, "lamp-support:2", [{"role": "user", "content": "When?"}], "At nine.")
    async with opened(seeded) as driver:
        await choose(driver, "lamp-support:2")
        await driver.press("x")
        await driver.sees("1 waiting", "n New version")


def kept(driver: Driver, ref: str) -> ModelVersion:
    model = driver.app.snapshot.model(ref)
    assert model is not None, f"{ref} is not kept"
    return model


class SlowModel:
    """An endpoint that begins to answer when it is told to, and remembers what it was sent."""

    def __init__(self) -> None:
        self.asked: list[list[dict[str, str]]] = []
        self.go = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(re.findall(rb"content-length: (\d+)", head, re.IGNORECASE)[0])
        self.asked.append(json.loads(await reader.readexactly(length))["messages"])
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        await self.go.wait()
        for piece in ("good ", "day"):
            delta = {"choices": [{"index": 0, "delta": {"content": piece}}]}
            writer.write(f"data: {json.dumps(delta)}\n\n".encode())
        writer.write(b"data: [DONE]\n\n")
        writer.close()


async def test_a_conversation_holds_only_what_was_answered(seeded: Paths, opened: Opened) -> None:
    """F4 or escape before the first word: nothing of it is sent again, the app lives, and a stopped question can be resent."""
    model = SlowModel()
    server = await asyncio.start_server(model.answer, "127.0.0.1", 0)
    async with open_database(seeded.database) as db:
        for endpoint in await endpoints.list_endpoints(db):
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            await endpoints.save(db, endpoint.model_copy(update={"url": url}))
    async with server, opened(seeded) as driver:
        await choose(driver, "lamp-support:2")
        await driver.press("c")
        await driver.sees("down since")  # its address answers, but it is no server of ours
        await driver.press(*"first", "enter")
        await driver.until(lambda: len(model.asked) == 1, "it was asked")
        await driver.press("f4")
        await driver.until(lambda: not driver.screen(ChatScreen).answering)
        assert driver.one("#say").text == ""
        await driver.press(*"second", "enter")
        await driver.until(lambda: len(model.asked) == 2, "it was asked again")
        await driver.sees("esc Stop answer")
        await driver.press("escape")
        await driver.until(lambda: driver.one("#say").text == "second", "the question is back")
        await driver.sees("stopped")
        model.go.set()
        await driver.press("enter")
        await driver.sees("good day")
        await driver.until(lambda: not driver.screen(ChatScreen).answering)
        await driver.sees("esc Close")
        await driver.press(*"third", "enter")
        await driver.until(lambda: len(model.asked) == 4 and not driver.screen(ChatScreen).answering, "it was answered")
        await driver.press("pageup", "pagedown", "f3")
        await driver.sees("What should lamp-support:2 have said?", "third", "good day")
        await driver.press("!", "ctrl+s")
        await driver.sees("✎ corrected")
        await driver.press("escape", "x")
        await driver.sees("Corrections of lamp-support", "1 waiting", "good day!")
        await driver.press("escape")
        await driver.sees("1 correction waits to be learnt")
    async with open_database(seeded.database) as db:
        (kept,) = await corrections.of_model(db, "lamp-support")
        assert [turn["content"] for turn in kept.conversation] == ["second", "good day", "third"]
        assert (kept.version, kept.answer, kept.wanted) == (2, "good day", "good day!")
    said = [[turn["content"] for turn in turns] for turns in model.asked]
    assert said == [["first"], ["second"], ["second"], ["second", "good day", "third"]]


async def test_an_answer_of_the_endpoint_becomes_a_correction(seeded: Paths, opened: Opened) -> None:
    """e asks before anything is kept; then it shows what was answered, and the right answer takes a wrong one's place."""
    async with open_database(seeded.database) as db:
        (served,) = [each for each in await endpoints.list_endpoints(db) if each.model == "lamp-support"]
    directory = Path(served.directory)
    async with opened(seeded) as driver:
        await choose(driver, "lamp-support:2")
        await driver.press("x", "e")
        await driver.sees("Keep its answers", "only you can read")
        assert not keeps_answers(directory)
        await driver.press("right", "enter")
        await driver.until(lambda: "kept from now on" in driver.toasts())
        await driver.press("e")
        await driver.until(lambda: "not been asked anything" in driver.toasts())
        asked = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Is [b]lamp 7 dim?"}]
        add_answer(directory, "lamp-support:2", asked, "Yes, always.")
        await driver.press("e")
        await driver.sees("Which answer is wrong?", "Is [b]lamp 7 dim?", "Yes, always.")
        await driver.press("enter")
        await driver.sees("What should lamp-support:2 have said?", "Is [b]lamp 7 dim?")
        await driver.press("!", "ctrl+s")
        await driver.sees("Corrections of lamp-support", "1 waiting", "Yes, always.!")
    async with open_database(seeded.database) as db:
        (kept,) = await corrections.of_model(db, "lamp-support")
    assert (list(kept.conversation), kept.answer, kept.version) == (asked, "Yes, always.", 2)


async def test_answers_are_ticked_one_by_one_and_count(seeded: Paths, opened: Opened) -> None:
    """a shows the next answer nobody has read, beside the wanted one; y and n say it, and the report card has it at once."""
    async with opened(seeded) as driver:
        await choose(driver, "lamp-support:2")
        await driver.sees("nobody has read its answers yet")
        await driver.press("a")
        await driver.sees("Is it right? lamp-support:2", "1 of 3", "It answers", "Wanted", "y right")
        await driver.press("n")
        await driver.sees("2 of 3")
        await driver.press("s")
        await driver.sees("3 of 3")
        await driver.press("y", "escape")
        await driver.sees("people read 2 answers and found 1 right")
        await driver.press("a")
        await driver.sees("2 of 3")
    async with open_database(seeded.database) as db:
        report = (await models.find(db, "lamp-support:2")).report
        assert [(tick.sample, tick.right) for tick in report.ticks] == [(0, False), (2, True)]


async def test_a_judge_is_asked_and_its_word_is_on_the_report_card(seeded: Paths, opened: Opened) -> None:
    """J says what is sent where, asks the judge, and shows whom it preferred, beside the other reasons."""
    credentials.save("judge", JUDGE_KEY, seeded)
    with serving_judge(prefer(by_marker("order is the order"))) as server:
        async with opened(seeded) as driver:
            await choose(driver, "poems:1")
            await driver.press("J")
            await driver.sees("3 questions", "All this is sent to", "in a private file")
            await driver.press(*server.url, "enter", *"judge-1")
            driver.one("#ask").focus()
            await driver.press("enter")
            await driver.until(lambda: "poems:1 is judged" in driver.toasts())
            await driver.sees("3 worse", "judge-1 at 127.0.0.1")
            await driver.press("right_square_bracket")
            await driver.sees("the base answer is better")
            assert JUDGE_KEY not in driver.text() + driver.toasts()
            server.required_key = "another"
            await driver.press("J", "enter")
            await driver.until(lambda: "refuses this key" in driver.toasts())


async def test_an_owner_alone_shows_what_the_team_shares(
    seeded: Paths, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I, an owner, enter: their models, to choose one; what Bright Run did not push is refused in words."""
    credentials.save("huggingface", TOKEN, seeded)
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    with serving_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.repositories["acme/faq"] = Repository(private=False)
        async with opened(seeded) as driver:
            await choose(driver, "lamp-support:2")
            await driver.press("I", *"nobody", "enter")
            await driver.until(lambda: "nobody shares no model" in driver.toasts())
            await driver.press("I", *"acme", "enter")
            await driver.sees("Models of acme", "acme/faq", "public")
            await driver.press("enter")
            await driver.sees("Take it", "Rate it")
            await driver.press("enter")
            await driver.until(lambda: "Bright Run did not push it" in driver.toasts())


async def test_a_model_of_the_team_is_rated_for_all_of_them(
    seeded: Paths, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is shown, not only on the command line."""
    credentials.save("huggingface", TOKEN, seeded)
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    with serving_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.repositories["me/faq"] = Repository(private=True, commits={"0" * 40: {"manifest.json": b"{}"}})
        async with opened(seeded) as driver:
            await choose(driver, "lamp-support:2")
            await driver.press("I", *"me", "enter")
            await driver.sees("Models of me", "me/faq")
            await driver.press("enter")
            await driver.sees("Rate it")
            await driver.press("down", "enter")
            await driver.sees("Rate me/faq")
            await driver.press("4", "tab", *"good with fog", "tab", "enter")
            await driver.until(lambda: "4.0 ★" in driver.toasts(), "the stars are there")
        newest = [*hub.repositories["me/faq"].commits.values()][-1]
        (rated,) = json.loads(newest["brightrun-ratings.json"])
        assert (rated["author"], rated["stars"], rated["note"]) == ("me", 4, "good with fog")


async def test_a_draft_of_another_screen_fills_new_run(seeded: Paths, opened: Opened, tmp_path: Path) -> None:
    """What learns from corrections is set up as its model was made: name, data, base and changed settings are in the form."""
    draft = Draft(name="lamp-support", data="corrected-v2", overrides={"training.epochs": 7})
    longer = "brightrun train d --name lamp-support --base starter --set training.epochs=6"
    advice = (
        Advice(
            kind=AdviceKind.TRAIN, why="it was still getting better", command=longer, changes={"training.epochs": "6"}
        ),
        Advice(kind=AdviceKind.TRAIN, why="it is small", command="brightrun train d --base LARGER", larger_base=True),
        Advice(kind=AdviceKind.READ, why="read its answers", command="brightrun models answers lamp-support"),
        Advice(kind=AdviceKind.CHAT, why="ask it other things", command="brightrun chat lamp-support"),
    )
    async with open_database(seeded.database) as db:
        model = await models.find(db, "lamp-support:2")
        verdict = model.report.verdict.model_copy(update={"advice": advice})
        await models.save_report(db, model, model.report.model_copy(update={"verdict": verdict}))
    async with opened(seeded, (120, 40)) as driver:
        await choose(driver, "lamp-support:2")
        await driver.sees("What to try next  f does it", "1 it was still getting better")
        await driver.press("f")
        await driver.sees("New run: Epochs 6", "New run: base model SmolLM2 360M", "Is it right?", " Chat ")
        await driver.press("down", "down", "enter")
        await driver.sees("Is it right? lamp-support:2")
        await driver.press("escape", "f", "enter")
        await driver.until(lambda: "Filled in: Epochs 6" in driver.toasts(), "New Run is filled in as advised")
        await driver.sees("● 4 changed", "lamp-support")
        await driver.app.show_draft(draft)
        await driver.sees("corrected-v2", "lamp-support")


async def test_a_key_acts_on_the_row_that_is_highlighted_however_quickly_it_follows(
    seeded: Paths, opened: Opened
) -> None:
    """Down and at once another key: the next row is meant before anything is drawn; a filter hides no choice."""
    async with opened(seeded) as driver:
        await driver.visit("registry")
        registry = driver.screen(RegistryScreen)
        registry.models.action_cursor_down()
        assert registry.model is not None and registry.model.ref == registry.models.chosen
        await driver.press("slash", *registry.app.snapshot.models[0].name, "enter")
        assert registry.model is not None and registry.model.ref == registry.models.chosen
        await driver.visit("monitor")
        monitor = driver.screen(MonitorScreen)
        await driver.until(lambda: monitor.runs.chosen)
        for _ in range(2):
            monitor.runs.action_cursor_down()
            assert [run.id for run in monitor.targets()] == [monitor.runs.chosen]
        meant = monitor.runs.chosen
        monitor.redraw()
        await driver.until(lambda: driver.app.watched_run == meant)
        assert monitor.runs.chosen == meant, "a picture of the moment before does not take the cursor back"
