"""A version takes another's place under callers who notice nothing."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from brightrun_tui import serving
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.serving.gate import MAX_IN_FLIGHT
from brightrun_tui.serving.places import let_serve, load_beside, serving_place
from tests.serving.toy import Toy, end, serve, settled, wait_for

pytestmark = pytest.mark.slow


def second_beside(directory: Path, second: ModelVersion, key: str) -> Path:
    """Another version, loaded beside the one that answers; its directory."""
    home = directory / "version-2"
    serving.put_key(home, key)
    serving.prepare(home, endpoint_id="e1", version=second)
    load_beside(directory, home.name)
    wait_for(lambda: settled(home), "the second version is loaded beside the first")
    return home


def test_another_version_takes_the_place_without_a_request_that_fails(toy: Toy, tmp_path: Path) -> None:
    directory = tmp_path / "endpoint"
    try:
        first = serve(directory, toy.version())
        key = serving.read_key(directory)
        client = openai.OpenAI(base_url=first.url, api_key=key, max_retries=0, timeout=60)
        served: list[str] = []
        failures: list[Exception] = []
        done = threading.Event()

        def ask(model: str = "harbour") -> str:
            question: ChatCompletionUserMessageParam = {"role": "user", "content": "How deep is the harbour?"}
            answer = client.chat.completions.create(model=model, messages=[question], temperature=0, max_tokens=80)
            assert answer.choices[0].message.content == toy.sample.tuned
            return answer.model

        def keep_asking() -> None:
            while not done.is_set():
                try:
                    served.append(ask())
                except Exception as error:
                    failures.append(error)

        callers = [threading.Thread(target=keep_asking) for _ in range(2)]
        for caller in callers:
            caller.start()
        second = toy.version(version=2)
        home = second_beside(directory, second, key)

        # It can be asked by its full name before it serves; everybody else still gets the first one.
        assert asyncio.run(serving.canary(home, second)).likeness == "same"
        assert ask() == "harbour:1" and ask("harbour:2") == "harbour:2"
        let_serve(directory, home.name)
        wait_for(lambda: "harbour:2" in served, "callers get the second version")
        done.set()
        for caller in callers:
            caller.join()
        assert not failures and set(served) == {"harbour:1", "harbour:2"}
        wait_for(lambda: not (directory / "engine.sock").exists(), "the first version has ended")

        # The choice outlives the server, and so do address and key.
        end(directory)
        assert serving_place(directory) == "version-2"
        serving.start(directory)
        wait_for(lambda: settled(directory), "the endpoint is back")
        back = serving.read_state(directory)
        assert back is not None and (back.status, back.url) == ("ready", first.url)
        assert ask() == "harbour:2"
    finally:
        end(directory)


def test_a_busy_endpoint_can_get_another_version(toy: Toy, tmp_path: Path) -> None:
    """While it refuses callers, too many at once, the version that is loaded beside it is asked, and found to be right."""
    directory, callers = tmp_path / "endpoint", []
    try:
        first = serve(directory, toy.version())
        key = serving.read_key(directory)
        second = toy.version(version=2)
        home = second_beside(directory, second, key)
        client = openai.OpenAI(base_url=first.url, api_key=key, max_retries=0, timeout=60)

        def refused() -> bool:
            question: ChatCompletionUserMessageParam = {"role": "user", "content": "How deep is the harbour?"}
            try:
                client.chat.completions.create(model="harbour", messages=[question], max_tokens=1)
            except openai.RateLimitError:
                return True
            return False

        address = urlsplit(first.url)
        for _ in range(MAX_IN_FLIGHT):
            caller = socket.create_connection((address.hostname, address.port))
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\ncontent-length: 99\r\n\r\n"
            caller.sendall(head.encode() + b"{")
            callers.append(caller)
        wait_for(refused, "there are too many at once")
        assert asyncio.run(serving.canary(home, second)).likeness == "same" and refused()
    finally:
        for caller in callers:
            caller.close()
        end(directory)
