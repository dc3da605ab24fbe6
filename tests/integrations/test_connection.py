"""Testing a service ends in one sentence within its deadline, whatever the other side does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from brightrun_tui.domain.errors import UsageError
from brightrun_tui.integrations import connection
from brightrun_tui.integrations.connection import test_service as check_service
from brightrun_tui.integrations.connection import token_may
from brightrun_tui.integrations.services import services
from brightrun_tui.paths import Paths
from tests.clouds import runpod, vast
from tests.clouds.server import CloudServer
from tests.planning.hub_stand_in import StandIn

TOKEN = "hf_abcdefghijklmnop"


@pytest.mark.parametrize(
    ("token", "may"),
    [
        ({"role": "write"}, "read and write"),
        (
            {
                "role": "fineGrained",
                "fineGrained": {
                    "canReadGatedRepos": True,
                    "scoped": [
                        {"entity": {"type": "org", "name": "acme"}, "permissions": ["repo.content.read", "repo.write"]},
                        {"entity": {"type": "user", "name": "ada"}, "permissions": ["repo.content.read"]},
                    ],
                },
            },
            "read gated models; write to acme",
        ),
        ({"role": "fineGrained", "fineGrained": None}, "read public models, none that is gated; write nothing"),
        ({"role": "fineGrained", "fineGrained": {"scoped": [{"permissions": None}, "?"]}}, "write nothing"),
        ({"role": 7}, ""),
        ("?", ""),
    ],
)
def test_what_a_token_may_do_is_said_by_the_hub(token: object, may: str) -> None:
    """Whatever form the answer has; what it does not say is not made up."""
    assert token_may({"auth": {"accessToken": token}}).endswith(may)


async def test_this_machine_says_what_it_has(paths: Paths) -> None:
    status = await check_service("local", paths)
    assert status.state in ("ok", "off") and "core" in status.facts["machine"] and "free" in status.facts["disk"]


async def test_the_hub_without_a_token_is_grey_with_a_good_one_green_with_a_bad_one_red(
    hub: StandIn, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.tokens = {TOKEN: "ada"}
    without = await check_service("huggingface", paths)
    assert without.state == "off" and "public models only" in without.detail
    tried = await check_service("huggingface", paths, SecretStr(TOKEN))
    assert tried.state == "ok" and "ada" in tried.detail and tried.facts["token"] == "…mnop"
    monkeypatch.setenv("HF_TOKEN", "hf_wrongwrongwrong")
    wrong = await check_service("huggingface", paths)
    assert wrong.state == "failed" and "not valid" in wrong.detail and "settings/tokens" in wrong.fix
    assert tried.facts["may"] == "read, gated models too once they are accepted"
    assert TOKEN not in repr(tried) and "hf_wrongwrongwrong" not in repr(wrong)


async def test_a_hub_that_is_away_or_ill_is_red_with_the_reason(hub: StandIn, paths: Paths) -> None:
    hub.faults = {"/api/": 503}
    assert "503" in (await check_service("huggingface", paths)).detail
    hub.stop()
    away = await check_service("huggingface", paths)
    assert away.state == "failed" and "cannot be reached" in away.detail and away.fix


async def test_a_service_that_never_answers_ends_at_the_deadline(
    hub: StandIn, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "DEADLINE_SECONDS", 0.5)
    hub.stall = "/api/"
    status = await check_service("huggingface", paths)
    assert status.state == "failed" and "no answer" in status.detail
    hub.stop()


@pytest.fixture
def clouds(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudServer]:
    for name in ("RUNPOD_API_KEY", "VAST_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with CloudServer() as server:
        for name, value in server.environment.items():
            if not name.endswith("_API_KEY"):
                monkeypatch.setenv(name, value)
        yield server


@pytest.mark.parametrize(("name", "key"), [("runpod", runpod.KEY), ("vast", vast.KEY)])
async def test_a_gpu_service_shows_whose_account_it_is_and_what_is_left(
    name: str, key: str, clouds: CloudServer, paths: Paths
) -> None:
    assert (await check_service(name, paths)).state == "off"
    good = await check_service(name, paths, SecretStr(key))
    assert good.state == "ok" and "$" in good.detail and key not in repr(good)
    bad = await check_service(name, paths, SecretStr("wrongwrongwrongwrong"))
    assert bad.state == "failed" and bad.fix and "wrongwrong" not in repr(bad)


async def test_boxes_that_are_not_configured_are_grey_and_say_how(paths: Paths) -> None:
    status = await check_service("ssh", paths)
    assert status.state == "off" and "[boxes" in status.fix


async def test_an_unknown_service_is_named_with_the_known_ones(paths: Paths) -> None:
    with pytest.raises(UsageError) as unknown:
        await check_service("huggingfase", paths)
    assert "huggingface" in unknown.value.fix


def test_every_card_says_what_it_gives_and_where_to_get_its_key() -> None:
    assert [service.name for service in services()][:2] == ["local", "huggingface"]
    for service in services():
        assert service.gives and (not service.environment or (service.where_to_get and service.fields[0].secret))
