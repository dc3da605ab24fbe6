"""A model that RunPod's workers answer for: a real answer through the gate here, nothing paid while nobody asks, nothing left."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from brightrun_tui import registry
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, Run, RunSpec
from brightrun_tui.paths import get_paths
from brightrun_tui.serving import read_key
from brightrun_tui.store import open_database
from tests.clouds import runpod
from tests.clouds.runpod_endpoints import Endpoints, Files
from tests.clouds.server import CloudServer
from tests.e2e.conftest import Home, wait_until
from tests.e2e.harbour import books, stored
from tests.e2e.promoting import promote
from tests.e2e.renting import ENGINE
from tests.registry.hub_server import TOKEN, Hub, Repository, serving_hub
from tests.serving.toy import Toy, make_toy

pytestmark = pytest.mark.slow

BASE, ADAPTER = "acme/toy", "me/harbour"
SERVER = "brightrun_tui.serving"
PLACE = "runpod-serverless"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """With the base model, for everybody to read."""
    with serving_hub() as found:
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
        base = Repository(private=False)
        base.commits["b" * 40] = {one.name: one.read_bytes() for one in make_toy().base.iterdir()}
        found.repositories[BASE] = base
        yield found


@pytest.fixture
def home(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """An installation that has the toy model, and has pushed it."""
    toy = make_toy()
    home = Home(tmp_path / "home", toy.base, tmp_path)
    monkeypatch.setenv("BRIGHTRUN_HOME", str(home.root))
    spec = RunSpec(
        run_id="run-toy",
        name="harbour",
        created_at=1.0,
        base=BaseModelRef(id=BASE, path=str(toy.base)),
        dataset=DatasetRef(path="/d", name="d", format="messages", fingerprint="f" * 16, records=3, usable=3),
    )
    run = Run(
        id="run-toy", name="harbour", state="registering", spec=spec, directory="/r", created_at=1.0, updated_at=1.0
    )
    source = Path(shutil.copytree(toy.run, tmp_path / "run"))

    async def register() -> None:
        async with open_database(home.root / "data" / "brightrun.db") as db:
            await registry.register(db, get_paths(), run, source)

    asyncio.run(register())
    done = home.command("models", "push", "harbour:1", "--to", ADAPTER, "--public")
    assert done.returncode == 0, done.stdout + done.stderr
    yield home
    home.close()


@pytest.fixture
def service(clouds: CloudServer, hub: Hub) -> Endpoints:
    """RunPod's, whose workers read from the Hub what everybody may read."""

    def read(name: str, revision: str) -> Files | None:
        found = hub.repositories.get(name)
        return None if found is None or found.private or found.gated else found.commits.get(revision or found.head)

    clouds.runpod.endpoints.repository = read
    return clouds.runpod.endpoints


def deploy_words(*more: str) -> list[str]:
    return ["deploy", "harbour", "--on", PLACE, "--repository", ADAPTER, "--budget", "5", "--yes", *more]


def deployed(home: Home, *more: str) -> dict[str, str]:
    """URL, key and the endpoint, once it answers."""
    done = home.command(*deploy_words(*more), "--json", timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    document: dict[str, str] = json.loads(done.stdout)
    return document


def answer(url: str, key: str, toy: Toy, **wanted: object) -> str:
    client = openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=120)
    said = client.chat.completions.create(  # type: ignore[call-overload]
        model="harbour", messages=[{"role": "user", "content": toy.sample.question}], temperature=0, **wanted
    )
    return str(said.choices[0].message.content)


def check_books(home: Home, service: Endpoints, *, seen: bool = True) -> None:
    """The service has none of our endpoints any more, and its book is ours. ``seen``: somebody looked all the time, so that what
    we counted differs by the seconds between two looks and the started ones of each worker at most."""
    assert len([one for one in service.found.values() if not one.foreign]) == 1 and not service.alive()
    ledger = service.cloud.ledger
    theirs = math.fsum(math.fsum(ledger.items(one).values()) for one in service.found)

    def billed() -> list[float | None]:
        return [lease.billed_usd for lease in books(home) if lease.provider_id in ledger.accounts]

    # What was asked for while it ran is corrected by the bill that is asked for once it is gone.
    wait_until(
        lambda: None not in billed() and math.isclose(math.fsum(filter(None, billed())), theirs, abs_tol=1e-6),
        "the bills are on record",
    )
    document = home.json("costs")
    assert document["total_usd"] == pytest.approx(theirs, abs=1e-6)
    assert {(row["endpoint"], row["provider"]) for row in document["machines"]} == {("harbour", PLACE)}
    assert stored(home).cost_usd == pytest.approx(theirs, abs=1e-6)
    if seen:
        counted = math.fsum(row["observed_usd"] for row in document["machines"])
        assert counted == pytest.approx(theirs, abs=6 * service.started * 0.58 / 3600)


def test_a_model_answers_from_workers_that_come_and_go(clouds: CloudServer, home: Home, service: Endpoints) -> None:
    """Price and cold start are said, it answers as it was graded, costs nothing while nobody asks, answers again, is deleted."""
    toy = make_toy()
    foreign = clouds.do(_call(service.add_foreign, "image-generator"))
    done = home.command(*deploy_words("--idle-stop", "3s"), "--json", timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "$0.58 an hour while a worker runs, nothing while none does, $5.00 in all at most" in done.stderr
    assert "A worker ends after 3 s without a request" in done.stderr
    found = json.loads(done.stdout)
    assert answer(found["url"], found["key"], toy) == toy.sample.tuned
    (ours,) = service.alive()
    (row,) = home.json("endpoints")["endpoints"]
    assert (row["provider"], row["state"], row["engine"]) == (PLACE, "ready", "vLLM")
    everything = json.dumps(ours.wanted.model_dump()) + "".join(
        one.read_text(errors="replace") for one in Path(row["directory"]).iterdir() if one.is_file()
    )
    assert runpod.KEY not in everything and TOKEN not in everything, "no secret is told or lies about"

    asyncio.run(promote(home, toy.version(version=2, run_id="run-2", base_id=BASE)))
    wait_until(lambda: stored(home).refused_version == 2, "a later champion does not come unseen")
    assert "brightrun models push harbour:2 --to OWNER/NAME --public, then brightrun undeploy" in stored(home).error
    assert answer(found["url"], found["key"], toy) == toy.sample.tuned, "and the one that serves goes on"

    wait_until(lambda: not ours.workers, "its worker has ended by itself")
    wait_until(lambda: all(not lease.rate for lease in books(home)), "and we know that")
    spent = clouds.runpod.ledger.total(ours.id)
    wait_until(lambda: home.json("endpoints")["endpoints"][0]["asleep"], "it says that it sleeps")
    assert clouds.runpod.ledger.total(ours.id) == spent, "scaled to zero it costs nothing"

    (lease,) = books(home)
    assert lease.spending(time.time()).counted == pytest.approx(spent, abs=6 * 0.58 / 3600), (
        "to some seconds of a worker"
    )

    brought = service.started
    home.kill(ENGINE)
    client = openai.OpenAI(base_url=found["url"], api_key=found["key"], max_retries=0, timeout=120)
    pieces = client.chat.completions.create(
        model="harbour", messages=[{"role": "user", "content": toy.sample.question}], temperature=0, stream=True
    )
    assert "".join(one.choices[0].delta.content or "" for one in pieces if one.choices) == toy.sample.tuned
    assert service.started == brought + 1, "another worker was brought, by the request itself"

    done = home.command("undeploy", "harbour")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not service.alive(), "gone when it says so"
    check_books(home, service, seen=False)
    assert stored(home).state == "stopped" and not home.processes(SERVER)
    assert foreign.alive and not foreign.touched, "somebody else's is left alone"


def test_kills_around_the_create_call_leave_one_endpoint_and_in_the_end_none(
    clouds: CloudServer, home: Home, service: Endpoints
) -> None:
    """The engine dies while nobody knows whether it was made, and again while the service refuses to delete it."""
    toy = make_toy()
    clouds.runpod.faults.set("create_hangs", count=1, value=3.0)
    clouds.runpod.faults.set("list_misses", count=2)
    asking = home.begin(*deploy_words())
    try:
        wait_until(lambda: service.found, "the endpoint is being made")
        home.kill(ENGINE)
        wait_until(lambda: stored(home).state == "ready", "another engine sees to the rest", 240)
    finally:
        asking.kill()
        asking.wait()
    assert len(service.found) == 1 and clouds.runpod.count("POST", "/v2/serverless") <= 1
    endpoint = stored(home)
    assert answer(endpoint.url, read_key(Path(endpoint.directory)), toy) == toy.sample.tuned
    clouds.runpod.faults.set("delete_fails", seconds=4.0)
    clouds.runpod.faults.set("delete_ignored", count=1)
    ending = home.begin("undeploy", "harbour")
    wait_until(lambda: stored(home).state == "stopping", "it is being deleted")
    home.kill(ENGINE)
    proven = ending.wait() == 0  # on a busy machine the next engine may answer later than it waits: then it says so
    assert not (proven and service.alive()), "it said deleted, and it was not"
    wait_until(lambda: not service.alive() and stored(home).state == "stopped", "it is deleted all the same")
    check_books(home, service, seen=False)


def test_an_engine_that_dies_before_the_call_makes_one_when_it_is_back(
    clouds: CloudServer, home: Home, service: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The intent is on record, the service never heard of it: that is found out, and the endpoint is made once."""
    monkeypatch.setenv("BRIGHTRUN_ENGINE_ADOPT_SECONDS", "2")
    monkeypatch.setenv("BRIGHTRUN_ENGINE_UNCLEAR_SECONDS", "4")
    clouds.runpod.faults.set("create_500_nothing", count=1)
    asking = home.begin(*deploy_words())
    try:
        wait_until(lambda: any(lease.state != "intended" for lease in books(home)), "the answer was not clear")
        home.kill(ENGINE)
        wait_until(lambda: stored(home).state == "ready", "another engine makes it", 240)
    finally:
        asking.kill()
        asking.wait()
    assert len(service.found) == 1
    assert home.command("undeploy", "harbour").returncode == 0
    check_books(home, service)


def test_what_the_month_allows_deletes_it(
    clouds: CloudServer, home: Home, service: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is asked, it costs no more than was allowed; what the service bills counts, though nobody saw it. The
    budget of an endpoint is kept by the same book, see `test_rented_endpoint`."""
    monkeypatch.setenv("BRIGHTRUN_ENGINE_SWEEP_SECONDS", "1")
    monkeypatch.setenv("BRIGHTRUN_MONEY_MONTHLY_LIMIT_USD", "0.3")
    assert deployed(home, "--idle-stop", "2s")["url"]
    (ours,) = service.alive()
    clouds.runpod.ledger.charge(ours.id, "what nobody saw", 0.3)
    wait_until(lambda: stored(home).state == "asleep", "it was deleted")
    assert stored(home).error == "its endpoint was deleted because what this month's limit leaves of $0.30 is spent"
    assert not service.alive()
    check_books(home, service, seen=False)


def test_a_service_that_has_no_worker_says_why_and_nothing_is_left(
    clouds: CloudServer, home: Home, service: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No GPU is free, or every worker fails: the deploy fails in time with the reason, and its endpoint is deleted."""
    monkeypatch.setenv("BRIGHTRUN_ENGINE_ENDPOINT_READY_SECONDS", "6")
    clouds.runpod.faults.set("no_capacity")
    service.queue_seconds = 1.0
    # the catalogue has none either, so it is refused before anything is made
    done = home.command(*deploy_words())
    assert done.returncode == 5 and not service.found, done.stdout + done.stderr
    clouds.runpod.faults.clear()
    clouds.runpod.faults.set("starts_broken")
    done = home.command(*deploy_words(), timeout=200)
    assert done.returncode != 0
    wait_until(lambda: not service.alive(), "its endpoint is deleted")
    wait_until(lambda: all(lease.state == "released" for lease in books(home)), "with proof")
    check_books(home, service)


def test_what_goes_wrong_while_it_serves_is_said_in_openais_form(
    clouds: CloudServer, home: Home, service: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = make_toy()
    monkeypatch.setenv("BRIGHTRUN_ENGINE_GUARD_SILENCE_SECONDS", "6")
    found = deployed(home)
    for status, code, words in (
        (401, "service_key_refused", "RunPod refuses the account's key"),
        (402, "service_no_funds", "no money left"),
        (404, "no_endpoint", "no longer knows the endpoint"),
    ):
        clouds.runpod.faults.set("invoke_status", count=1, value=status)
        with pytest.raises(openai.InternalServerError, match=words) as refused:
            answer(found["url"], found["key"], toy)
        assert refused.value.code == code and refused.value.status_code == 503
    clouds.runpod.faults.set("invoke_status", count=1, value=429)
    with pytest.raises(openai.RateLimitError, match="takes no more requests"):
        answer(found["url"], found["key"], toy)
    with pytest.raises(openai.BadRequestError, match="cannot be honoured by the engine vLLM"):
        answer(found["url"], found["key"], toy, logprobs=True)
    clouds.runpod.faults.set("invoke_status", count=1, value=502)
    assert answer(found["url"], found["key"], toy) == toy.sample.tuned, "a worker that ended unseen is waited for"
    clouds.runpod.faults.set("workers_odd", seconds=2.0)
    assert answer(found["url"], found["key"], toy) == toy.sample.tuned, "odd JSON about workers is not the end"

    home.kill(ENGINE)
    started = service.started

    def refused_unwatched() -> bool:
        try:
            answer(found["url"], found["key"], toy)
        except openai.InternalServerError as error:
            return error.code == "unwatched"
        return False

    wait_until(refused_unwatched, "with nobody who counts, nothing is asked any more")
    assert service.started == started
    assert home.command("engine", "start").returncode == 0
    wait_until(lambda: answer_or_nothing(found, toy) == toy.sample.tuned, "and answered again once somebody does")

    (ours,) = service.alive()
    clouds.do(service.end(ours))
    wait_until(lambda: stored(home).state == "asleep", "somebody deleted it there")
    assert stored(home).error == "its endpoint is gone"
    check_books(home, service)


def answer_or_nothing(found: dict[str, str], toy: Toy) -> str:
    try:
        return answer(found["url"], found["key"], toy)
    except openai.APIError:
        return ""


def test_what_workers_could_not_load_is_refused_before_anything_is_made(
    clouds: CloudServer, home: Home, service: Endpoints, hub: Hub
) -> None:
    def refused(*words: str) -> str:
        done = home.command("deploy", "harbour", "--yes", "--budget", "5", *words)
        assert done.returncode != 0
        return " ".join((done.stdout + done.stderr).split())

    there = ("--on", PLACE, "--repository", ADAPTER)
    assert "brightrun models push harbour:1 --to OWNER/NAME --public" in refused("--on", PLACE)
    hub.repositories[ADAPTER].private = True
    assert "who have no token of yours" in refused(*there)
    hub.repositories[ADAPTER].private = False
    hub.repositories[BASE].gated = "manual"
    assert "the base model “acme/toy” is gated" in refused(*there)
    assert "the base model “acme/toy” is gated: a rented machine" in refused("--on", "runpod"), (
        "and no pod is paid for it"
    )
    hub.repositories[BASE].gated = False
    other = dict(hub.repositories[ADAPTER].commits[hub.repositories[ADAPTER].head])
    other["adapter_model.safetensors"] += b"x"
    hub.repositories[ADAPTER].commits["e" * 40] = other
    assert "the main branch of “me/harbour”, which workers take, is not harbour:1" in refused(*there)
    assert "about workers that come and go" in refused("--on", "runpod", "--repository", ADAPTER)
    assert "from 1 to 3600 seconds" in refused(*there, "--idle-stop", "0")
    assert "a budget of $0.01 is too small" in refused(*there, "--volume", "")[:0] + refused_budget(home, hub)
    assert not clouds.runpod.instances and not service.found and clouds.runpod.count("POST", "/v2/serverless") == 0
    assert not books(home)


def refused_budget(home: Home, hub: Hub) -> str:
    del hub.repositories[ADAPTER].commits["e" * 40]
    done = home.command("deploy", "harbour", "--on", PLACE, "--repository", ADAPTER, "--budget", "0.01", "--yes")
    assert done.returncode == 3
    return " ".join((done.stdout + done.stderr).split())


async def _call(function: Any, *arguments: Any) -> Any:
    return function(*arguments)
