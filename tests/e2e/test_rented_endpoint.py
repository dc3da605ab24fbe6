"""A model that is served on a rented machine: a real answer through the gate here, and nothing paid for nobody."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest

from brightrun_tui.domain.notification import Notification
from brightrun_tui.hosts.connection import new_key_pair
from brightrun_tui.serving import read_key
from brightrun_tui.store import leases, notifications, open_database
from tests.clouds.core import Cloud
from tests.clouds.server import CloudServer
from tests.e2e.conftest import Home, wait_until
from tests.e2e.harbour import books, stored
from tests.e2e.promoting import promote
from tests.e2e.renting import ENGINE, machine_of, machines
from tests.serving.toy import Toy, keep, make_toy

pytestmark = pytest.mark.slow

SERVER = "brightrun_tui.serving"
REMOTE_WORKER = "brightrun_tui.serving.remote_worker"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An installation that has the toy model."""
    toy = make_toy()
    home = Home(tmp_path / "home", toy.base, tmp_path)
    asyncio.run(keep(home.root / "data" / "brightrun.db", toy.version()))
    yield home
    home.close()


def deploy_words(provider: str, *more: str) -> list[str]:
    return ["deploy", "harbour", "--on", provider, "--engine", "transformers", "--budget", "5", "--yes", *more]


def deployed(home: Home, provider: str, *more: str) -> dict[str, str]:
    """URL, key and the endpoint, once it answers."""
    done = home.command(*deploy_words(provider, *more), "--json", timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    document: dict[str, str] = json.loads(done.stdout)
    return document


def answer(url: str, key: str, toy: Toy) -> str:
    client = openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=60)
    said = client.chat.completions.create(
        model="harbour", messages=[{"role": "user", "content": toy.sample.question}], temperature=0
    )
    return str(said.choices[0].message.content)


def news(home: Home) -> list[Notification]:
    """Newest first."""

    async def read() -> list[Notification]:
        async with open_database(home.root / "data" / "brightrun.db") as db:
            return await notifications.latest(db)

    return asyncio.run(read())


def check_books(home: Home, cloud: Cloud, *, machines_rented: int = 1) -> None:
    """The cloud has none of our machines any more, and its book is ours."""
    assert stored(home).cost_usd == pytest.approx(check_bills(home, cloud, machines_rented), abs=1e-6)


def check_bills(home: Home, cloud: Cloud, machines_rented: int) -> float:
    """As `check_books`, whichever deployment had them; returns what they cost."""
    assert len(machines(cloud)) == machines_rented and not cloud.alive()
    wait_until(lambda: all(lease.billed_usd is not None for lease in books(home)), "the bills are on record")
    theirs = math.fsum(sum(cloud.ledger.items(machine.id).values()) for machine in machines(cloud))
    document = home.json("costs")
    assert document["total_usd"] == pytest.approx(theirs, abs=1e-6)
    assert {row["endpoint"] for row in document["machines"]} == {"harbour"}
    counted = math.fsum(row["observed_usd"] for row in document["machines"])
    assert counted == pytest.approx(theirs, abs=0.01 * machines_rented)
    return theirs


def test_kills_and_a_dead_machine_cost_one_machine_at_a_time(clouds: CloudServer, home: Home) -> None:
    """The engine dies between intent and machine, the machine dies while it serves, the engine dies while the second one is
    returned by a provider that refuses to: it is adopted, replaced, and returned all the same."""
    toy, cloud = make_toy(), clouds.runpod
    cloud.faults.set("create_hangs", count=1, value=3.0)
    asking = home.begin(*deploy_words("runpod"))
    try:
        wait_until(lambda: cloud.instances, "the machine is being rented")
        home.kill(ENGINE)
        wait_until(lambda: stored(home).state == "ready", "another engine sees to the rest", 240)
    finally:
        asking.kill()
        asking.wait()
    (first,) = machines(cloud)
    clouds.do(cloud.die(first))
    wait_until(lambda: len(machines(cloud)) == 2 and stored(home).state == "ready", "it is replaced", 240)
    endpoint = stored(home)
    assert answer(endpoint.url, read_key(Path(endpoint.directory)), toy) == toy.sample.tuned
    assert not first.alive, "the first one was returned before"
    cloud.faults.set("delete_fails", seconds=6.0)
    ending = home.begin("undeploy", "harbour")
    wait_until(lambda: stored(home).state == "stopping", "it is being returned")
    home.kill(ENGINE)
    proven = ending.wait() == 0  # on a busy machine the next engine may answer later than it waits: then it says so
    assert not (proven and cloud.alive()), "it said returned, and it was not"
    wait_until(lambda: not cloud.alive() and stored(home).state == "stopped", "it is returned all the same")
    check_books(home, cloud, machines_rented=2)


def test_a_machine_that_nobody_asks_is_returned_and_comes_again_only_when_told_so(
    clouds: CloudServer, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Address and key are the same afterwards. With the engine gone for good, the guard returns it, and the next engine rents
    none. What it cost is the cloud's to the cent."""
    monkeypatch.setenv("BRIGHTRUN_ENGINE_GUARD_TICK_SECONDS", "0.3")
    monkeypatch.setenv("BRIGHTRUN_ENGINE_GUARD_SILENCE_SECONDS", "6")
    toy = make_toy()
    found = deployed(home, "vast", "--idle-stop", "3s")
    wait_until(lambda: stored(home).state == "asleep", "its machine was returned")
    assert not clouds.vast.alive()
    assert stored(home).error == "its machine was returned after 3 s without a request"
    assert "asleep: its machine was returned after 3 s" in home.command("endpoints").stdout
    again = deployed(home, "vast")
    assert (again["url"], again["key"]) == (found["url"], found["key"])
    assert answer(again["url"], again["key"], toy) == toy.sample.tuned
    home.kill(ENGINE)
    wait_until(lambda: not clouds.vast.alive(), "the guard has returned the machine")
    assert home.command("engine", "start").returncode == 0
    wait_until(lambda: stored(home).state == "asleep", "the endpoint is asleep")
    assert stored(home).error == "its machine was returned while nobody looked after it"
    assert len(machines(clouds.vast)) == 2 and not home.processes(SERVER)
    assert [one.code for one in news(home)] == ["machine_unattended", "machine_given_up_", "machine_idle"]
    check_bills(home, clouds.vast, machines_rented=2)


def test_its_budget_ends_it(clouds: CloudServer, home: Home) -> None:
    """However often it is asked, it costs no more than was allowed. The month is kept by the same book, see
    `test_serverless_endpoint`."""
    assert deployed(home, "runpod", "--budget", "0.2")["url"]
    lease = next(lease for lease in books(home) if lease.state == "live")

    async def age() -> None:
        """As if it had been there for most of its money."""
        async with open_database(home.root / "data" / "brightrun.db") as db:
            hours = 0.199 / lease.rate
            await leases.update(db, lease, created_at=lease.created_at - hours * 3600)

    asyncio.run(age())
    wait_until(lambda: stored(home).state == "asleep", "its machine was returned")
    assert stored(home).error == "its machine was returned because its budget of $0.20 is spent"
    assert not clouds.runpod.alive()


def test_a_model_answers_from_a_rented_machine_whichever_version_is_promoted_and_the_machine_goes_back(
    clouds: CloudServer, home: Home, tmp_path: Path
) -> None:
    """The model is in nobody's memory here. A promoted version takes the place there: nobody's request fails, no second machine
    is rented, and a version that does not come up is said with what to do. Killing the engine interrupts nobody; undeploy returns
    the machine, and the cost is the cloud's to the cent."""
    toy, cloud = make_toy(), clouds.runpod
    found = deployed(home, "runpod")
    assert answer(found["url"], found["key"], toy) == toy.sample.tuned
    assert not home.processes("brightrun_tui.serving.worker"), "the model is in nobody's memory here"
    (row,) = home.json("endpoints")["endpoints"]
    assert (row["provider"], row["state"], row["engine"]) == ("runpod", "ready", "transformers")
    damaged = Path(shutil.copytree(toy.run / "adapter", tmp_path / "damaged"))
    (damaged / "adapter_model.safetensors").write_bytes(b"none")

    with asked_all_the_time(found["url"], found["key"]) as answers:
        asyncio.run(promote(home, toy.version(version=2, run_id="run-2")))
        wait_until(lambda: "harbour:2" in answers, "callers get the second version", 240)
        assert stored(home).model_version == 2 and not stored(home).error
        wait_until(lambda: workers_there(cloud) == 1, "the first one was ended there")

        asyncio.run(promote(home, toy.version(version=3, run_id="run-3", directory=str(damaged))))
        wait_until(lambda: stored(home).refused_version == 3, "the third one is refused", 240)
        assert "brightrun undeploy harbour, then brightrun deploy harbour:3 --on runpod" in stored(home).error
        wait_until(lambda: workers_there(cloud) == 1, "nothing is left of it")

        back = ["deploy", "harbour:1", "--on", "runpod", "--name", "harbour"]  # nothing is rented, so nobody is asked
        refused = home.command(*back, "--budget", "3", timeout=280)
        assert refused.returncode and "its machine, budget and idle time are fixed" in refused.stderr
        done = home.command(*back, timeout=280)
        assert done.returncode == 0 and "no other machine is rented" in done.stderr, done.stderr
    assert set(answers) == {"harbour:1", "harbour:2"} and stored(home).model_version == 1
    assert [one.code for one in news(home)] == ["version_refused"]

    # Another engine finds the version that serves, and a new machine gets that one, too.
    home.kill(ENGINE)
    assert answer(found["url"], found["key"], toy) == toy.sample.tuned, "serving does not need the engine"
    (machine,) = machines(cloud)
    clouds.do(cloud.die(machine))
    assert home.command("engine", "start").returncode == 0
    wait_until(lambda: len(machines(cloud)) == 2 and stored(home).state == "ready", "it is replaced", 240)
    assert answer(found["url"], found["key"], toy) == toy.sample.tuned and stored(home).model_version == 1
    done = home.command("undeploy", "harbour")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not cloud.alive(), "gone when it says so"
    check_books(home, cloud, machines_rented=2)
    assert stored(home).state == "stopped" and not home.processes(SERVER)


def workers_there(cloud: Cloud) -> int:
    """Those that hold a model on the first machine."""
    return sum(one.name().startswith("python") for one in machine_of(cloud).processes(REMOTE_WORKER))


@contextmanager
def asked_all_the_time(url: str, key: str) -> Iterator[list[str]]:
    """The version that answered, again and again; every request must succeed."""
    client = openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=60)
    answers: list[str] = []
    failures: list[Exception] = []
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.5):
            try:
                said = client.chat.completions.create(
                    model="harbour", messages=[{"role": "user", "content": "How deep?"}], temperature=0, max_tokens=8
                )
                answers.append(said.model)
            except Exception as error:
                failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield answers
    finally:
        done.set()
        asking.join()
    assert not failures


def test_a_box_of_ones_own_serves_and_is_left_as_it_was(clouds: CloudServer, home: Home, tmp_path: Path) -> None:
    """By the name that it was given; nothing is paid, so nothing returns it but a person."""
    toy, box, keys = make_toy(), clouds.do(clouds.make_box("box")), new_key_pair("test")
    box.authorise(keys.public)
    key = tmp_path / "id_ed25519"
    key.write_text(keys.private)
    key.chmod(0o600)
    config = home.root / "config" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(
        f'[boxes.cellar]\nhost = "127.0.0.1"\nport = {box.links[0].port}\nuser = "{box.user}"\nkey = "{key}"\n'
        f'host_key = "{box.host_key}"\n'
    )
    found = deployed(home, "cellar")
    assert answer(found["url"], found["key"], toy) == toy.sample.tuned
    endpoint = stored(home)
    assert (endpoint.provider, endpoint.cost_usd) == ("ssh", 0.0)
    assert endpoint.rental is not None and endpoint.rental.idle_stop == 0
    assert home.command("undeploy", "harbour").returncode == 0
    assert not list((box.home / ".brightrun" / "leases").iterdir())
    wait_until(lambda: not box.processes("brightrun_tui.serving.remote_worker"), "no worker is left")
