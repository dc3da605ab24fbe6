"""Integrations: each service says whether it works; credentials are tried, kept private, forgotten."""

from __future__ import annotations

import json
import stat

import pytest

from brightrun_tui.integrations.services import services
from brightrun_tui.paths import Paths
from brightrun_tui.tui.widgets.fields import TextField
from brightrun_tui.tui.widgets.service_card import CardState, ServiceCard, card_lines
from tests.tui.conftest import SIZES, Driver, Opened

TOKEN = "hf_" + "notarealtoken" * 2


async def focus(driver: Driver, name: str) -> None:
    driver.one(f"#card-{name}", ServiceCard).focus()
    await driver.pilot.pause()


@pytest.mark.parametrize("size", SIZES)
async def test_a_card_a_service_with_words(paths: Paths, opened: Opened, size: tuple[int, int]) -> None:
    """Every service has its card; colour is never the only sign."""
    async with opened(paths, size) as driver:
        await driver.sees("This machine", "✓ works", "Hugging Face")
        assert {card.service.name for card in driver.app.screen.query(ServiceCard)} == {s.name for s in services()}
        await focus(driver, "runpod")
        await driver.sees("RunPod", "– not connected", "enter connects it")


async def test_help_says_all_that_a_card_has_no_room_for(paths: Paths, opened: Opened) -> None:
    """At 80 columns reasons and what to do are cut on the card; under ? they are whole."""
    async with opened(paths, (80, 24)) as driver:
        await focus(driver, "huggingface")
        await driver.sees("✗ does not work", "cannot be reac…")
        await driver.press("question_mark")
        await driver.sees("the Hugging Face Hub cannot be reached", "what to do", "honoured)", "HF_TOKEN")


def test_a_card_says_that_it_has_more_than_it_has_room_for() -> None:
    """Five channels on a low terminal: those left out are counted, and the key that shows them is named."""
    state = CardState(state="ok", detail="5 channels", facts=tuple((f"to-{n}", "ntfy") for n in range(5)))
    service = next(each for each in services() if each.title == "Notifications")
    said = "\n".join(line.plain for line in card_lines(service, state, 40, brief=True))
    assert "to-1" in said and "to-2" not in said and "and 3 more; ? shows them" in said


def focused_service(driver: Driver) -> str:
    card = driver.app.focused
    assert isinstance(card, ServiceCard)
    return card.service.name


async def test_arrows_and_letters_reach_every_card(paths: Paths, opened: Opened) -> None:
    """The cards are walked with hjkl or arrows; none can be reached by mouse only."""
    async with opened(paths) as driver:
        await driver.until(lambda: isinstance(driver.app.focused, ServiceCard))
        seen = set()
        for key in ("l", "j", "h", "j", "right", "k", "left", "up", "right", "down", "down"):
            seen.add(focused_service(driver))
            await driver.press(key)
        seen.add(focused_service(driver))
        assert len(seen) >= min(5, len(services()))


async def test_a_refused_credential_is_not_kept(paths: Paths, opened: Opened) -> None:
    """The token is typed unseen, tried first, and when it does not work nothing is saved unless the person insists."""
    async with opened(paths) as driver:
        await focus(driver, "huggingface")
        await driver.press("enter")
        await driver.sees("Connect Hugging Face", "Access token")
        await driver.press(*TOKEN)
        assert TOKEN not in driver.text() and driver.app.screen.query_one(TextField).password
        await driver.pilot.click("#save")
        await driver.sees("✗")
        assert not paths.credentials_file.exists()
        await driver.until(lambda: driver.one("#anyway").region, "the way to keep it all the same")
        await driver.pilot.pause()
        await driver.pilot.click("#anyway")
        await driver.until(lambda: len(driver.app.screen_stack) == 1)
        await driver.until(lambda: "private file" in driver.text())
    assert stat.S_IMODE(paths.credentials_file.stat().st_mode) == 0o600
    assert json.loads(paths.credentials_file.read_text())["huggingface"]["secret"] == TOKEN


async def test_disconnecting_asks_and_forgets(paths: Paths, opened: Opened) -> None:
    """x forgets the stored credential after a yes; without one it stays."""
    from brightrun_tui.integrations import credentials

    credentials.save("huggingface", TOKEN, paths)
    async with opened(paths) as driver:
        await driver.until(lambda: "private file" in driver.text())
        await focus(driver, "huggingface")
        await driver.press("x", "enter")
        assert credentials.where("huggingface", paths) == "file"
        await driver.press("x", "y")
        await driver.until(lambda: credentials.where("huggingface", paths) == "")


async def test_a_credential_in_the_environment_is_named(
    paths: Paths, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the credential comes from is said, with the variable's name, never its value."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    async with opened(paths) as driver:
        await driver.sees("from the environment (HF_TOKEN)", "✗ does not work")
        assert TOKEN not in driver.text()


async def test_test_says_testing_and_then_the_result(paths: Paths, opened: Opened) -> None:
    """t tests one service now; the card says so while it does."""
    async with opened(paths) as driver:
        await focus(driver, "huggingface")
        await driver.press("t")
        await driver.sees("✗ does not work")
        states = driver.app.snapshot
        await driver.until(
            lambda: driver.app.snapshot.services.get("huggingface", {}).get("state") == "failed", str(states)
        )


async def test_a_machine_of_ones_own_is_tried_before_it_is_kept(paths: Paths, opened: Opened) -> None:
    """Nobody answers at that address: the reason is said, nothing is saved unless the person insists; x forgets it."""
    from brightrun_tui.integrations.boxes import configured_boxes

    async with opened(paths) as driver:
        await focus(driver, "ssh")
        await driver.sees("enter adds one: its address, a user and an SSH key")
        await driver.press("enter")
        await driver.sees("Your own machine", "Key file")
        await driver.press("enter", *"127.0.0.1", "enter", "enter", "enter", "enter", "enter")
        await driver.sees("no SSH connection", "Save untested")
        assert not configured_boxes(paths)
        await driver.pilot.click("#anyway")
        await driver.until(lambda: len(driver.app.screen_stack) == 1)
        assert configured_boxes(paths)["127-0-0-1"].host == "127.0.0.1"
        await focus(driver, "ssh")
        await driver.press("x")
        await driver.sees("Forget a machine", "root@127.0.0.1:22")
        await driver.press("enter")
        await driver.sees("Forget where it is and how to log in?")
        await driver.press("y")
        await driver.until(lambda: not configured_boxes(paths))


async def test_a_channel_is_tried_and_kept_and_told_of(
    paths: Paths, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arrows reach the card at the bottom of a small terminal; the address typed there is not shown; t sends a word again."""
    from brightrun_tui.integrations.channels import saved_channels
    from tests.notify.receivers import web_server

    with web_server() as web:
        address = f"json://127.0.0.1:{web.port}/verysecretpart"
        async with opened(paths, (80, 24)) as driver:
            await driver.sees("You can train here now")
            await driver.press("down", "down", "down")
            await driver.sees("enter adds a channel", "enter Configure")
            await driver.press("enter")
            await driver.sees("New notification channel")
            await driver.press(*"hook", "enter", *address[:6])
            await driver.paste(address[6:])
            await driver.press("enter")
            assert "verysecretpart" not in driver.text()
            await driver.press(*"failed", "enter", "enter")
            await driver.until(lambda: bool(saved_channels(paths)), "it is saved")
            await driver.sees("1 channel")
            await driver.press("t")
            await driver.until(lambda: len(web.got) == 2, "a word more")
    (name, channel), *_ = saved_channels(paths).items()
    assert (name, channel.service, [*channel.kinds]) == ("hook", "JSON", ["failed"])
    assert web.got[0][0] == "/verysecretpart"
