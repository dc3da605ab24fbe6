"""What costs money is priced first, asked about, and held to its budget; the clouds are stand-ins that keep books."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brightrun_tui.domain.money import Lease, month_start
from brightrun_tui.hosts.connection import new_key_pair
from brightrun_tui.providers.base import Need
from brightrun_tui.providers.runpod import RunPod
from brightrun_tui.providers.vast import Vast
from brightrun_tui.store import engine, leases, open_database
from tests.cli.conftest import CommandLine
from tests.clouds.server import CloudServer
from tests.e2e.conftest import wait_until
from tests.orchestrator.samples import lease_of


@pytest.fixture
def clouds() -> Iterator[CloudServer]:
    with CloudServer() as server:
        yield server


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "faq.jsonl"
    lines = [json.dumps({"prompt": f"What costs lamp {n}?", "completion": f"It costs {n} dollars."}) for n in range(80)]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("provider", ["runpod", "vast"])
def test_a_run_over_its_budget_is_refused_with_exit_code_3(
    brightrun: CommandLine, clouds: CloudServer, data: Path, provider: str
) -> None:
    """A budget is a ceiling: nothing is rented, and the error names the price."""
    done = brightrun(
        "train",
        data,
        "--base",
        "Qwen/Qwen2.5-7B-Instruct",
        "--provider",
        provider,
        "--budget",
        "0.0001",
        "--yes",
        "--json",
        **clouds.environment,
    )
    assert done.code == 3, done.out
    assert "$" in done.error["what"]
    assert [cloud.instances for cloud in clouds.clouds] == [{}, {}]
    assert brightrun.processes() == []


@pytest.mark.parametrize(("option", "amount"), [("--budget", "0"), ("--max-hours", "0")])
def test_a_limit_of_nothing_is_refused_with_two_ways_on(
    brightrun: CommandLine, clouds: CloudServer, data: Path, option: str, amount: str
) -> None:
    """What can be done is said once, and which of it is the smallest change."""
    words = ("train", data, "--base", "Qwen/Qwen2.5-7B-Instruct", "--provider", "vast", option, amount)
    done = brightrun(*words, "--yes", "--json", **clouds.environment)
    assert (done.code, done.error["kind"]) == (2, "bad_limit")
    assert done.error["fix"] == (
        f"give a number above 0, or leave it out for no limit; the smallest change: without {option}"
    )


def test_costs_of_nothing_have_a_heading(brightrun: CommandLine) -> None:
    """What reads the CSV finds its columns in a month without a machine, too."""
    assert brightrun("costs", "--csv").out.startswith("run,endpoint,name,project,")
    assert brightrun("costs", "--by", "month", "--csv").out == "of,machines,seconds,observed_usd,billed_usd,total_usd\n"


def test_nothing_is_spent_unasked(brightrun: CommandLine, clouds: CloudServer, data: Path) -> None:
    """A script that forgot --yes is refused; it does not rent."""
    done = brightrun("train", data, "--provider", "vast", "--json", **clouds.environment)
    assert (done.code, done.error["kind"]) == (2, "not_confirmed")
    assert clouds.vast.instances == {} and brightrun.processes() == []


def test_an_estimate_has_a_price(brightrun: CommandLine, clouds: CloudServer, data: Path) -> None:
    """The cost is known before anything starts, for the machine that would be rented."""
    estimate = brightrun("estimate", data, "--provider", "vast", "--json", **clouds.environment).document["estimate"]
    assert 0 < estimate["cost_usd"] <= estimate["cost_usd_high"]
    assert estimate["price_per_hour"] > 0
    assert (
        "renting: machine, packages, base model"
        in brightrun("estimate", data, "--provider", "vast", **clouds.environment).out
    )


def test_offers_are_cheapest_first_and_sold_out_is_exit_code_5(
    brightrun: CommandLine, clouds: CloudServer, data: Path
) -> None:
    """A script can tell "sold out" (5) from everything else."""
    prices = [
        offer["price_per_hour"] for offer in brightrun("offers", "--json", **clouds.environment).document["offers"]
    ]
    assert len(prices) > 2 and prices == sorted(prices)
    done = brightrun("train", data, "--provider", "vast", "--gpu", "RTX 9990", "--yes", "--json", **clouds.environment)
    assert (done.code, done.error["kind"]) == (5, "no_capacity")
    assert clouds.vast.instances == {}


def test_a_key_is_tried_before_it_is_saved(brightrun: CommandLine, clouds: CloudServer) -> None:
    """A wrong key is exit code 4 and is not kept; a right one is, and is shown nowhere afterwards."""
    addresses = {name: value for name, value in clouds.environment.items() if not name.endswith("_API_KEY")}
    wrong = brightrun("connect", "vast", "--json", stdin="wrong-key\n", **addresses)
    assert (wrong.code, wrong.error["kind"]) == (4, "bad_credential")
    right = brightrun("connect", "vast", "--json", stdin=clouds.environment["VAST_API_KEY"] + "\n", **addresses)
    assert (right.code, right.document["state"]) == (0, "ok")
    listed = brightrun("integrations", "--json", **addresses)
    service = next(row for row in listed.document["services"] if row["name"] == "vast")
    assert service["state"] == "ok"
    for done in (wrong, right, listed):
        assert clouds.environment["VAST_API_KEY"] not in done.out + done.err
    assert brightrun("disconnect", "vast", "--json", **addresses).document["forgotten"]
    assert brightrun("offers", "--provider", "vast", "--json", **addresses).code == 4


def test_reconcile_finds_a_machine_our_books_do_not_know(
    brightrun: CommandLine, clouds: CloudServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever carries our name and costs money is shown with its price, even after the store was lost; others' are not."""
    monkeypatch.setenv("BRIGHTRUN_VAST_URL", clouds.vast_url)
    home = brightrun("engine", "status", **clouds.environment)
    assert home.code == 0
    installation = asyncio.run(read_installation(brightrun.home))
    asyncio.run(rent(clouds, f"br-{installation}-lostrun-1"))
    asyncio.run(rent(clouds, "br-99999999-otherrun-1"))
    done = brightrun("--read-only", "reconcile", "--json", **clouds.environment)
    assert done.code == 0, done.out
    assert [(row["name"], row["state"]) for row in done.document["leases"]] == [(f"br-{installation}-lostrun-1", "")]
    assert done.document["leases"][0]["price_per_hour"] > 0 and done.document["leases"][0]["spent_usd"] > 0
    assert [row["name"] for row in done.document["others"]] == ["br-99999999-otherrun-1"]


def test_machines_of_another_installation_are_listed_left_alone_and_returned_when_asked(
    brightrun: CommandLine, clouds: CloudServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an id was lost with everything else: nothing happens to them unasked, and nothing without a yes."""
    monkeypatch.setenv("BRIGHTRUN_VAST_URL", clouds.vast_url)
    for _ in range(2):  # of one name: the home was copied once, and both have counted on from there
        asyncio.run(rent(clouds, "br-99999999-otherrun-1"))
    stranger = clouds.vast.add_foreign("somebody-elses-machine")
    quick = {
        **clouds.environment,
        "BRIGHTRUN_ENGINE_VERIFY_SECONDS": "0.3",
        "BRIGHTRUN_ENGINE_LEASE_POLL_SECONDS": "0.3",
    }
    assert "Not from this installation" in brightrun("reconcile", **quick).err
    assert (done := brightrun("reconcile", "--adopt", "--json", **quick)).error["kind"] == "not_confirmed", done.out
    assert len(clouds.vast.alive()) == 2
    done = brightrun("reconcile", "--adopt", "--yes", **quick)
    assert done.code == 0 and done.err.count("✓ adopted br-99999999-otherrun-1 at vast (") == 2, done.err
    wait_until(lambda: not clouds.vast.alive(), "both machines are returned")
    assert stranger.alive and not stranger.touched
    machines = brightrun("costs", "--json", **quick).document["machines"]
    assert [(one["quoted_per_hour"], one["gpu"] != "", one["total_usd"] > 0) for one in machines] == [
        (None, True, True)
    ] * 2
    assert [row.split("\t")[5] for row in brightrun("costs", **quick).out.splitlines()] == ["quoted per hour", "–", "–"]


def test_the_installations_id_outlives_its_database(brightrun: CommandLine) -> None:
    """Machines carry it: a new database knows them as ours all the same."""
    before = asyncio.run(read_installation(brightrun.home))
    for path in (brightrun.home / "data").glob("brightrun.db*"):
        path.unlink()
    assert asyncio.run(read_installation(brightrun.home)) == before


def test_an_engine_whose_database_is_deleted_goes_on_with_what_is_there_now(
    brightrun: CommandLine, clouds: CloudServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would write on into a file that nobody sees; the machine it had is returned without another command."""
    monkeypatch.setenv("BRIGHTRUN_VAST_URL", clouds.vast_url)
    quick = {
        **clouds.environment,
        "BRIGHTRUN_ENGINE_VERIFY_SECONDS": "0.3",
        "BRIGHTRUN_ENGINE_LEASE_POLL_SECONDS": "0.3",
        "BRIGHTRUN_ENGINE_BEAT_SECONDS": "0.3",
    }
    installation = asyncio.run(read_installation(brightrun.home))
    asyncio.run(rent(clouds, f"br-{installation}-run-1"))
    clouds.vast.faults.set("delete_fails")
    assert brightrun("reconcile", **quick).code == 0
    (engine_before,) = brightrun.processes()
    for path in (brightrun.home / "data").glob("brightrun.db*"):
        path.unlink()
    wait_until(lambda: (brightrun.home / "data" / "brightrun.db").exists(), "the engine has a database again", 30)
    assert len(clouds.vast.alive()) == 1 and engine_before.is_running()
    clouds.vast.faults.clear()
    wait_until(lambda: not clouds.vast.alive(), "the machine is returned", 30)


def test_an_unreadable_answer_is_not_no_machines(brightrun: CommandLine, clouds: CloudServer) -> None:
    """A provider that does not answer is said to be so, with exit code 1: never "no machine is rented"."""
    done = brightrun("reconcile", "--json", **{**clouds.environment, "BRIGHTRUN_VAST_URL": "http://127.0.0.1:9"})
    assert done.code == 1
    assert set(done.document["unreadable"]) == {"vast"}


def test_what_is_being_paid_for_is_told_even_where_no_engine_can_return_it(
    brightrun: CommandLine, clouds: CloudServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk, where it cannot be asked: that took the list along."""
    monkeypatch.setenv("BRIGHTRUN_VAST_URL", clouds.vast_url)
    installation = asyncio.run(read_installation(brightrun.home))
    asyncio.run(rent(clouds, f"br-{installation}-lostrun-1"))
    (brightrun.home / "logs").write_text("where its log should be")
    done = brightrun("reconcile", "--json", **clouds.environment)
    assert done.code == 1 and "BRIGHTRUN_HOME" in done.document["unswept"], done.out
    assert [row["name"] for row in done.document["leases"]] == [f"br-{installation}-lostrun-1"]


@pytest.mark.parametrize("provider", ["runpod", "vast"])
def test_a_bill_that_comes_late_is_asked_for_and_shown(
    brightrun: CommandLine, clouds: CloudServer, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    """`costs` shows what we counted beside what the provider billed, which it tells only later; nothing is made up meanwhile."""
    for name, value in clouds.environment.items():
        monkeypatch.setenv(name, value)
    cloud = clouds.runpod if provider == "runpod" else clouds.vast
    cloud.faults.set("bill_late")
    asyncio.run(returned_machine(brightrun.home, provider))
    early = brightrun("costs", "--json").document
    (machine,) = early["machines"]
    assert (early["not_billed_yet"], machine["billed_usd"]) == (1, None) and machine["observed_usd"] > 0
    assert "not yet" in brightrun("costs").out
    brightrun("engine", "stop")
    cloud.faults.clear()
    late = brightrun("costs", "--json").document
    assert late["machines"][0]["billed_usd"] == pytest.approx(cloud.ledger.total(), abs=1e-6)
    assert late["billed_usd"] == pytest.approx(late["observed_usd"], abs=0.69 / 3600 * 6)
    assert not brightrun("costs", "--month", "2019-03", "--json").document["machines"]


def test_costs_are_summed_by_project_provider_and_month(brightrun: CommandLine) -> None:
    """A machine of two months is in both; sums and machines come as a table, as CSV and as JSON, and agree."""
    begin = month_start(month_start(time.time()) - 1)  # of the last month: this one may have begun a minute ago
    month = ("--month", time.strftime("%Y-%m", time.gmtime(begin + 86400)))
    asyncio.run(on_the_books(brightrun.home, begin))
    by_project = brightrun("costs", *month, "--by", "project", "--json").document
    assert {one["of"]: round(one["total_usd"], 4) for one in by_project["sums"]} == {"(none)": 1.5, "bots": 2.0}
    assert by_project["total_usd"] == pytest.approx(3.5)
    by_month = brightrun("costs", "--by", "month", "--json").document["sums"]
    assert [round(one["total_usd"], 4) for one in by_month] == [1.0, 3.5]
    lines = brightrun("costs", *month, "--by", "provider", "--csv").out.splitlines()
    assert lines[0].startswith("of,machines,") and [line.split(",")[:2] for line in lines[1:]] == [
        ["runpod", "1"],
        ["vast", "1"],
    ]
    said = brightrun("costs", *month).out
    assert "$0.5000" in said and "bots" in said


def test_what_a_machine_is_called_is_no_formula_of_a_spreadsheet(brightrun: CommandLine) -> None:
    """A provider names its GPUs, and a spreadsheet runs a cell that begins with an equals sign."""
    asyncio.run(left_alone(brightrun.home, gpu="=cmd|' /C calc'!A0"))
    lines = brightrun("costs", "--csv").out.splitlines()
    assert any("'=cmd|" in line for line in lines) and not any(",=cmd" in line for line in lines)


def test_a_paid_machine_that_no_engine_looks_after_is_named(brightrun: CommandLine) -> None:
    """Where somebody would look when something seems wrong: the engine's status."""
    asyncio.run(left_alone(brightrun.home))
    said = brightrun("engine", "status").out
    assert "not running" in said and "RTX 4090 at vast (77), $0.36 an hour" in said and "brightrun engine start" in said
    assert brightrun("engine", "status", "--json").document["machines"] == ["br-0a1b2c3d-r-1"]
    (check,) = [one for one in brightrun("doctor", "--json").document["checks"] if one["name"] == "engine"]
    assert check["state"] == "warning" and "RTX 4090 at vast (77), $0.36 an hour" in check["what"]


async def left_alone(home: Path, gpu: str = "RTX 4090") -> None:
    async with open_database(home / "data" / "brightrun.db") as db:
        facts = {"name": "br-0a1b2c3d-r-1", "provider_id": "77", "gpu": gpu, "quoted_per_hour": 0.36}
        await leases.save(db, lease_of(provider="vast", created_at=time.time(), **facts))


async def on_the_books(home: Path, begin: float) -> None:
    """One machine that was there an hour before and after the beginning of the month, and one with traffic and a bill."""
    facts = {"run_id": "r", "state": "released", "provider_id": "m", "gpu": "G", "price_per_hour": 1.0}
    async with open_database(home / "data" / "brightrun.db") as db:
        await leases.save(
            db,
            Lease(
                name="br-0a1b2c3d-r-1",
                provider="runpod",
                created_at=begin - 3600,
                released_at=begin + 7200,
                project="bots",
                billed_usd=3.0,
                **facts,
            ),
        )
        await leases.save(
            db,
            Lease(
                name="br-0a1b2c3d-r-2",
                provider="vast",
                created_at=begin + 60,
                released_at=begin + 3660,
                once_usd=0.5,
                billed_usd=1.5,
                **facts,
            ),
        )


async def returned_machine(home: Path, provider: str) -> None:
    """A machine that was rented for two seconds, as the engine leaves it in the books."""
    service: RunPod | Vast = RunPod("rpa_standin_key") if provider == "runpod" else Vast("vast-standin-key")
    offer = (await service.offers(Need(gpu_memory=20 << 30, disk=40 << 30)))[0]
    async with open_database(home / "data" / "brightrun.db") as db:
        name = f"br-{await engine.installation(db)}-run-1"
        rented = await service.launch(
            offer, name, new_key_pair("test").public, disk=40 << 30, deadline=time.time() + 60
        )
        await asyncio.sleep(2.0)
        seen = await service.inspect(rented.provider_id)
        await service.terminate(rented.provider_id)
        assert seen is not None
        await leases.save(
            db,
            Lease(
                name=name,
                run_id="run",
                provider=provider,
                state="released",
                provider_id=rented.provider_id,
                gpu="G",
                quoted_per_hour=offer.price_per_hour,
                price_per_hour=seen.price_per_hour,
                once_usd=offer.once_usd,
                created_at=seen.created_at or 0.0,
                running_since=seen.running_since,
                idle_per_hour=0.0 if provider == "vast" else None,
                released_at=time.time(),
            ),
        )
    await service.close()


async def read_installation(home: Path) -> str:
    async with open_database(home / "data" / "brightrun.db") as db:
        return await engine.installation(db)


async def rent(clouds: CloudServer, name: str) -> None:
    """One machine at the stand-in Vast, as an engine that died would have left it."""
    provider = Vast(clouds.environment["VAST_API_KEY"])
    try:
        offer = (await provider.offers(Need(gpu_memory=20 << 30, disk=40 << 30)))[0]
        await provider.launch(offer, name, new_key_pair("test").public, disk=40 << 30, deadline=time.time() + 3600)
    finally:
        await provider.close()
