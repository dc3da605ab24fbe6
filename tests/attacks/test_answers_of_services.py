"""Answers of providers, judges and the Hub that are made to do harm: errors of that service, in bounded time and memory."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import huggingface_hub
import pytest
import zstandard
from pydantic import SecretStr

from brightrun_tui import foreign_answers
from brightrun_tui.domain.errors import BrightrunError, ProviderError, UnclearError
from brightrun_tui.integrations import hub, hub_client
from brightrun_tui.integrations.judge import Judge, JudgeSettings
from brightrun_tui.paths import get_paths
from brightrun_tui.planning.hub_datasets import fetch_dataset
from brightrun_tui.planning.hub_models import describe_remote, download
from brightrun_tui.providers.http import ProviderClient, ProviderTimings
from tests.registry.judge_server import completion

MOST = 4 << 20


def whole(content: bytes, *headers: str, status: str = "200 OK") -> bytes:
    length = f"content-length: {len(content)}"
    head = [f"HTTP/1.1 {status}", "content-type: application/json", length, "connection: close", *headers]
    return "\r\n".join([*head, "", ""]).encode() + content


def bomb() -> bytes:
    """40 MiB in some 40 KiB."""
    return gzip.compress(json.dumps({"data": "x" * (10 * MOST)}).encode())


ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n" + b'{"a": "'
ANSWERS: dict[str, tuple[bytes, bytes]] = {
    "endless": (ENDLESS, b"x" * 65536),
    "drip": (ENDLESS, b"x"),
    "silence": (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", b""),
    "a packed bomb": (whole(bomb(), "content-encoding: gzip"), b""),
    "packed as nobody asked": (whole(zstandard.compress(b"x" * MOST), "content-encoding: zstd"), b""),
    "packed twice": (whole(gzip.compress(bomb()), "content-encoding: gzip, gzip"), b""),
    "packed and cut off": (whole(gzip.compress(b"{}")[:-4], "content-encoding: gzip"), b""),
    "not packed at all": (whole(b"{}", "content-encoding: gzip"), b""),
    "nested": (whole(b"[" * 100_000), b""),
    "nested objects": (whole(b'{"a":' * 100_000), b""),
    "digits": (whole(b'{"a": ' + b"9" * 100_000 + b"}"), b""),
    "nested refusal": (whole(b"[" * 100_000, status="400 Bad Request"), b""),
    "many headers": (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200_000, b"x: y\r\n" * 9),
    "another protocol": (b"HTTP/9.9 200 OK\r\n\r\n", b""),
    "two lengths": (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 9\r\n\r\n{}", b""),
    "a length below nothing": (b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n{}", b""),
    "elsewhere": (whole(b"", "location: http://127.0.0.1:9/stolen", status="307 Temporary Redirect"), b""),
}


@asynccontextmanager
async def serving(first: bytes, then: bytes) -> AsyncIterator[str]:
    """The address of a server that answers everything so; ``then`` again and again until the other side hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            callers.add(writer)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(first)
            while then:
                writer.write(then)
                await writer.drain()
                await asyncio.sleep(0.01 if len(then) < 99 else 0)
            await writer.drain()
            if b"connection: close" not in first:
                await reader.read()
        writer.close()
        callers.discard(writer)

    callers = set[asyncio.StreamWriter]()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in callers:
            writer.transport.abort()
        while callers:
            await asyncio.sleep(0)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(foreign_answers, "MAX_ANSWER_BYTES", MOST)
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * MOST, f"{peak >> 20} MiB were taken"


@pytest.mark.parametrize("form", ANSWERS)
async def test_an_answer_of_a_provider_is_read_to_its_limits(form: str, short: None) -> None:
    timings = ProviderTimings(pace=0, timeout_seconds=1, create_seconds=1, tries=1)
    async with serving(*ANSWERS[form]) as url:
        client = ProviderClient(
            "Acme", url, "key-0123456789abcdef", lambda reply: None, timings=timings, least_seconds={}
        )
        try:
            with pytest.raises(ProviderError):
                await client.ask("GET", "pods", kind="list")
            with pytest.raises(UnclearError):
                await client.create("POST", "pods", kind="create", body={})
        finally:
            await client.close()


@pytest.mark.parametrize("form", ANSWERS)
async def test_an_answer_of_a_judge_is_read_to_its_limits(form: str, short: None) -> None:
    async with serving(*ANSWERS[form]) as url:
        settings = JudgeSettings(url=f"{url}/v1", model="m", timeout_seconds=1)
        async with Judge(settings, SecretStr("key-0123456789abcdef")) as judge:
            with pytest.raises(BrightrunError):
                await judge.ask([{"role": "user", "content": "Which?"}])


@pytest.mark.parametrize("number", [10**400, "much", float("nan"), float("inf"), -5, True, [1], {"usd": 1}])
async def test_what_a_judge_says_it_costs_and_counts_is_a_number_or_nothing(number: object) -> None:
    _, document = completion("A")
    document["usage"] = {"cost": number, "prompt_tokens": number, "completion_tokens": number}
    answer = whole(json.dumps(document).encode())
    async with serving(answer, b"") as url, Judge(JudgeSettings(url=f"{url}/v1", model="m"), None) as judge:
        said = await judge.ask([{"role": "user", "content": "Which?"}])
    assert (said.cost_usd, said.prompt_tokens, said.completion_tokens) == (None, 0, 0)


async def test_a_judge_may_ask_for_patience_in_any_letters() -> None:
    """“²” is a digit and no number."""
    busy = whole(b"{}", "retry-after: ²", status="429 Too Many Requests").decode().encode("latin-1")
    async with serving(busy, b"") as url, Judge(JudgeSettings(url=f"{url}/v1", model="m"), None) as judge:
        with pytest.raises(BrightrunError, match="takes no more questions"):
            await judge.ask([{"role": "user", "content": "Which?"}])


@pytest.mark.parametrize("form", ANSWERS)
async def test_an_answer_of_the_hub_is_read_to_its_limits(
    form: str, short: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(hub_client, "WHOLE_ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(hub, "TIMEOUT_SECONDS", 1.0)
    huggingface_hub.close_session()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    async with serving(*ANSWERS[form]) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        with pytest.raises(BrightrunError):
            await asyncio.to_thread(hub.whoami, SecretStr("hf_0123456789abcdef"))
        with pytest.raises(BrightrunError):
            await asyncio.to_thread(download, "acme/base", get_paths(), lambda what, share: None)


SIBLINGS = '[{"rfilename": "config.json"}, {"rfilename": "model.safetensors"}, {"rfilename": "tokenizer.json"}]'
ODD = {
    "null": "null",
    "a list": "[]",
    "a number": "7",
    "no name": "{}",
    "files are a number": '{"id": "acme/base", "siblings": 5}',
    "files are numbers": '{"id": "acme/base", "siblings": [5]}',
    "files without a name": '{"id": "acme/base", "siblings": [{}]}',
    "a name is a number": '{"id": "acme/base", "siblings": [{"rfilename": 5}]}',
    "a size is a text": SIBLINGS.join(('{"id": "acme/base", "sha": "aa", "siblings": ', "}")).replace(
        '"}', '", "size": "much"}'
    ),
    "a size without end": SIBLINGS.join(('{"id": "acme/base", "sha": "aa", "siblings": ', "}")).replace(
        '"}', '", "size": 1e999}'
    ),
    "a commit that climbs": SIBLINGS.join(('{"id": "acme/base", "sha": "../../../x", "siblings": ', "}")),
    "files that climb": '{"id": "acme/base", "sha": "aa", "siblings": [{"rfilename": "../../config.json"}]}',
    "no commit": SIBLINGS.join(('{"id": "acme/base", "siblings": ', "}")),
    "settings of another form": SIBLINGS.join(
        ('{"id": "acme/base", "sha": "aa", "config": [5], "cardData": {"language": {"a": [5]}}, "siblings": ', "}")
    ),
    "weights counted oddly": SIBLINGS.join(
        ('{"id": "acme/base", "sha": "aa", "safetensors": {"parameters": 5, "total": "x"}, "siblings": ', "}")
    ),
}


@pytest.mark.parametrize("document", ODD.values(), ids=ODD)
async def test_what_the_hub_says_of_a_model_may_have_any_form(
    document: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    async with serving(whole(document.encode()), b"") as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        with pytest.raises(BrightrunError):
            await asyncio.to_thread(describe_remote, "acme/base", get_paths())
        with pytest.raises(BrightrunError):
            await asyncio.to_thread(fetch_dataset, "hf:acme/base", get_paths())
        with pytest.raises(BrightrunError):
            await asyncio.to_thread(download, "acme/base", get_paths(), lambda what, share: None)
    assert [each.name for each in tmp_path.rglob("*") if each.is_file() and each.stat().st_size] == []
