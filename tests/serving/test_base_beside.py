"""The base beside the model that was trained from it: the same question, through the same chat template, and nothing stays."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import openai
import pytest

from brightrun_tui import serving
from brightrun_tui.store import endpoints, models, open_database
from tests.e2e.conftest import Home
from tests.processes import of_home
from tests.serving.toy import Toy, end, serve

pytestmark = pytest.mark.slow


def test_a_base_alone_answers_as_it_did_before_the_training(toy: Toy, tmp_path: Path) -> None:
    """Word for word what the report card says of it, under a name that cannot be taken for the model's."""
    directory = tmp_path / "endpoint"
    try:
        state = serve(directory, toy.version(), base_alone=True)
        asked = asyncio.run(serving.canary(directory, toy.version(), base_alone=True))
        assert asked.passed and asked.likeness == "same"
        assert asked.answer in {sample.base for sample in toy.report.samples}

        # Were the adapter in it all the same, it would be found out before anybody takes this for the base.
        swapped = toy.report.model_copy(
            update={
                "samples": tuple(s.model_copy(update={"base": s.tuned, "tuned": s.base}) for s in toy.report.samples)
            }
        )
        other = asyncio.run(serving.canary(directory, toy.version(report=swapped), base_alone=True))
        assert not other.passed and "should be its base" in other.statement

        client = openai.OpenAI(base_url=state.url, api_key=serving.read_key(directory), max_retries=0, timeout=60)
        assert [model.id for model in client.models.list()] == ["harbour:1@base", "e1"]
        with pytest.raises(openai.NotFoundError, match="not served here"):
            client.chat.completions.create(model="harbour", messages=[{"role": "user", "content": "Hello"}])
    finally:
        end(directory)


def test_one_question_to_both_on_the_command_line_and_the_base_is_gone_afterwards(home: Home, toy: Toy) -> None:
    """Its cost in memory is said before, its answer is another one, and model and endpoints are as if it had never been there."""
    question = str(toy.sample.prompt[-1]["content"])
    words = ("chat", "harbour", "--prompt", question, "--temperature", "0", "--max-tokens", "80", "--beside", "base")
    done = home.command(*words, "--json", timeout=240)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["answer"].strip() == toy.sample.tuned.strip()
    assert said["beside"]["model"] == "harbour:1@base" and said["beside"]["answer"].strip() == toy.sample.base.strip()
    assert "of memory;" in done.stderr and done.stderr.index("of memory;") < done.stderr.index(
        "for the base of harbour:1"
    )

    listed = home.json("endpoints", "--all")["endpoints"]
    assert {each["served_name"]: each["state"] for each in listed} == {
        "harbour:1": "ready",
        "harbour:1@base": "stopped",
    }
    served = next(each for each in listed if each["base_alone"])
    assert not [
        process for process in of_home(home.root, "brightrun_tui.serving") if served["id"] in str(process.cmdline())
    ]
    assert not (Path(served["directory"]) / "key").exists()

    # What goes by the model's name is the model, whatever has been served since.
    assert home.json("undeploy", "harbour:1")["endpoint"]["id"] != served["id"]


def test_a_base_that_is_gone_is_said_and_nothing_is_started(home: Home, toy: Toy) -> None:
    async def forget() -> None:
        async with open_database(home.root / "data" / "brightrun.db") as db:
            await models.set_base_path(db, await models.get(db, "harbour", 1), str(toy.base.with_name("gone")))

    home.json("deploy", "harbour", timeout=240)
    asyncio.run(forget())
    done = home.command("chat", "harbour", "--prompt", "Hello", "--beside", "base")
    assert done.returncode != 0 and "can no longer be had" in done.stderr and "set-base harbour:1" in done.stderr

    async def served() -> list[str]:
        async with open_database(home.root / "data" / "brightrun.db") as db:
            return [each.ref for each in await endpoints.list_endpoints(db)]

    assert asyncio.run(served()) == ["harbour:1"]
