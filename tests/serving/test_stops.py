"""An endpoint ends its answers where the tuned model was taught to, and talks to other clients of ours as OpenAI's does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest
from pydantic import SecretStr
from tokenizers import Tokenizer

from brightrun_tui import serving
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.integrations.judge import Judge, JudgeSettings
from brightrun_tui.registry.judging import judge_samples
from tests.serving.toy import Toy, end, serve, wait_for

pytestmark = pytest.mark.slow

IDLE_SECONDS = 2.0


@pytest.fixture(scope="module")
def endpoint(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address and key of the toy, whose adapter was taught that a comma ends an answer."""
    folder = tmp_path_factory.mktemp("stops")
    run = Path(shutil.copytree(toy.run, folder / "run"))
    comma = Tokenizer.from_file(str(run / "adapter" / "tokenizer.json")).encode(",").ids
    (run / "adapter" / "generation_config.json").write_text(json.dumps({"eos_token_id": comma}))
    try:
        state = serve(folder / "endpoint", toy.version(directory=str(run / "adapter")), idle_unload=IDLE_SECONDS)
        yield state.url, serving.read_key(folder / "endpoint")
    finally:
        end(folder / "endpoint")


def test_the_adapters_stop_tokens_end_the_answer(toy: Toy, endpoint: tuple[str, str]) -> None:
    """``eos_token_id`` of the adapter's generation_config.json counts, beside those of base and tokenizer."""
    sample = next(s for s in toy.report.samples if "," in s.tuned)
    client = openai.OpenAI(base_url=endpoint[0], api_key=endpoint[1], max_retries=0, timeout=60)
    question: dict[str, Any] = {"messages": [dict(turn) for turn in sample.prompt]}
    reply = client.chat.completions.create(model="harbour", temperature=0, max_tokens=80, **question)
    said = reply.choices[0].message.content or ""
    assert said.rstrip(",") == sample.tuned.split(",")[0] and reply.choices[0].finish_reason == "stop"


async def test_an_endpoint_of_ours_can_be_asked_as_judge(toy: Toy, endpoint: tuple[str, str]) -> None:
    """It takes the judge's questions as any OpenAI-compatible server does, and what it cannot do is said in words."""
    settings = JudgeSettings(url=endpoint[0], model="harbour", timeout_seconds=60, parallel=1)
    async with Judge(settings, SecretStr(endpoint[1])) as judge:
        assert "harbour:1" in await judge.models()
        said = await judge.ask([dict(turn) for turn in toy.sample.prompt])
        assert said.text and said.prompt_tokens and said.completion_tokens
        with pytest.raises(BrightrunError, match="this model can hold 256"):
            await judge_samples(toy.report.samples, judge)


def test_a_model_that_nobody_asks_leaves_memory_and_comes_back_for_the_next_request(endpoint: tuple[str, str]) -> None:
    """It says so in its metrics, still counts as healthy, and whoever asks notices nothing but the wait."""
    url, key = endpoint
    with httpx.Client(headers={"authorization": f"Bearer {key}"}, timeout=120, trust_env=False) as client:

        def says(line: str) -> bool:
            return line in client.get(f"{url.removesuffix('/v1')}/metrics").text

        wait_for(lambda: says('brightrun_asleep{model="harbour:1"} 1'), "it is asleep")
        assert says('brightrun_ready{model="harbour:1"} 0')
        server = next(p for p in psutil.net_connections("tcp") if p.status == "LISTEN" and p.laddr.port == _port(url))
        wait_for(lambda: not psutil.Process(server.pid).children(), "the processes with the model are gone")
        health = client.get(f"{url.removesuffix('/v1')}/health")
        assert health.status_code == 200 and health.json() == {"status": "asleep"}
        question = {"model": "harbour", "messages": [{"role": "user", "content": "When?"}], "max_tokens": 8}
        answers = [client.post(f"{url}/chat/completions", json=question | {"temperature": 0}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert len({answer.json()["choices"][0]["message"]["content"] for answer in answers}) == 1


def _port(url: str) -> int:
    return int(url.removesuffix("/v1").rpartition(":")[2])
