"""A service that sends its caller elsewhere does not send the caller's key along."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import huggingface_hub
import pytest
from pydantic import SecretStr

from brightrun_tui.domain.errors import BrightrunError, UnclearError
from brightrun_tui.integrations import hub
from brightrun_tui.integrations.judge import Judge, JudgeSettings
from brightrun_tui.paths import get_paths
from brightrun_tui.planning.hub_datasets import fetch_dataset
from brightrun_tui.planning.hub_models import describe_remote, download
from brightrun_tui.providers.http import ProviderClient, ProviderTimings

KEY = "hf_KeyOfTheUser0123456789"
NOTHING = (
    b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{}"
)


@asynccontextmanager
async def listening(answer: bytes, heads: list[str]) -> AsyncIterator[str]:
    """The address of a server that gives one answer to everything; ``heads`` gets all that it was told."""

    async def told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            heads.append(head)
            path = head.split(" ", 2)[1]
            writer.write(answer.replace(b"PATH", path.encode("latin-1")))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(told, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    "status", ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 X"]
)
async def test_a_key_does_not_follow_an_answer_to_another_address(
    status: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked, elsewhere = list[str](), list[str]()
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", KEY)
    huggingface_hub.close_session()
    timings = ProviderTimings(pace=0, timeout_seconds=5, create_seconds=5, tries=1)
    async with listening(NOTHING, elsewhere) as other:
        moved = f"HTTP/1.1 {status}\r\nlocation: {other}PATH\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
        async with listening(moved, asked) as service:
            monkeypatch.setenv("HF_ENDPOINT", service)
            for ask in (
                lambda: hub.whoami(SecretStr(KEY)),
                lambda: describe_remote("acme/base", get_paths()),
                lambda: download("acme/base@main", get_paths(), lambda what, share: None),
                lambda: fetch_dataset("hf:acme/data", get_paths()),
                lambda: hub.api(SecretStr(KEY)).create_repo("acme/mine"),
            ):
                with pytest.raises((BrightrunError, huggingface_hub.errors.HfHubHTTPError)):
                    await asyncio.to_thread(ask)
            async with Judge(JudgeSettings(url=f"{service}/v1", model="m"), SecretStr(KEY)) as judge:
                with pytest.raises(BrightrunError):
                    await judge.ask([{"role": "user", "content": "Which?"}])
            client = ProviderClient("Acme", service, KEY, lambda reply: None, timings=timings, least_seconds={})
            with pytest.raises(BrightrunError):
                await client.ask("GET", "pods", kind="list")
            with pytest.raises((BrightrunError, UnclearError)):
                await client.create("POST", "pods", kind="create", body={})
            await client.close()
    assert sum(KEY in head for head in asked) >= 7, "the service itself was shown the key"
    assert elsewhere and not [head for head in elsewhere if KEY in head]
