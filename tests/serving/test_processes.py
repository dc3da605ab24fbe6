"""Whatever is killed: an endpoint comes back, or nothing of it stays."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest
from safetensors.numpy import load_file, save_file

from brightrun_tui import serving
from brightrun_tui.domain.errors import BaseModelError, UsageError
from brightrun_tui.serving.__main__ import CLEANED
from tests.serving.conftest import Served
from tests.serving.toy import Toy, end, serve, settled, wait_for

pytestmark = pytest.mark.slow


def state_of(directory: Path) -> serving.ServerState:
    state = serving.read_state(directory)
    assert state is not None
    return state


def gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def answer(directory: Path, toy: Toy) -> str:
    return asyncio.run(serving.canary(directory, toy.version())).answer


def test_an_endpoint_survives_its_worker_and_takes_it_along(toy: Toy, tmp_path: Path) -> None:
    directory = tmp_path / "endpoint"
    try:
        first = serve(directory, toy.version(), engine="transformers")
        worker = first.worker_pid
        assert worker is not None and first.engine == "transformers"

        # What only the other engine can is refused by name.
        with pytest.raises(openai.BadRequestError, match=r"“n” cannot be honoured by the engine transformers"):
            openai.OpenAI(base_url=first.url, api_key=serving.read_key(directory)).chat.completions.create(
                model="harbour", messages=[{"role": "user", "content": "When?"}], n=2
            )

        # The worker is killed in the middle of an answer: the caller learns it, and the same address answers again.
        client = openai.OpenAI(base_url=first.url, api_key=serving.read_key(directory), max_retries=0, timeout=30)
        question: dict[str, Any] = {
            "model": "harbour",
            "messages": [{"role": "user", "content": "How deep is the harbour?"}],
            "max_tokens": 10_000,
            "logit_bias": {"1": -100},
            "stream": True,
        }
        stream = iter(client.chat.completions.create(**question))
        next(stream)
        os.kill(worker, signal.SIGKILL)
        with pytest.raises(openai.APIError, match="ended while answering"):
            list(stream)
        with pytest.raises(openai.InternalServerError) as early:
            client.chat.completions.create(**question)
        assert early.value.status_code == 503 and "retry-after" in early.value.response.headers
        wait_for(
            lambda: state_of(directory).restarts == 1 and state_of(directory).status == "ready", "the worker is back"
        )
        again = state_of(directory)
        assert again.url == first.url and again.worker_pid not in (None, worker)
        assert answer(directory, toy) in {s.tuned for s in toy.report.samples}

        # One that hangs does not end by itself: it is found out, ended and started again.
        assert again.worker_pid is not None
        os.kill(again.worker_pid, signal.SIGSTOP)
        wait_for(
            lambda: state_of(directory).restarts == 2 and state_of(directory).status == "ready", "it is there again"
        )
        assert gone(again.worker_pid)
        again = state_of(directory)

        # A second server process for the same directory ends by itself.
        second = subprocess.run(serving.command(directory), capture_output=True, timeout=60)
        assert second.returncode == 75 and serving.alive(directory)

        # The gate is killed: nothing is left, and nobody takes it for alive.
        assert again.worker_pid is not None
        os.kill(again.pid, signal.SIGKILL)
        wait_for(lambda: gone(again.pid) and gone(again.worker_pid or 0), "gate and worker are gone")
        assert not serving.alive(directory) and not asyncio.run(serving.healthy(directory))

        # Started again it has the same address and key, whichever engine there is; SIGTERM ends both cleanly.
        key = serving.read_key(directory)
        third = serve(directory, toy.version())
        assert third.url == first.url and serving.read_key(directory) == key
        os.kill(third.pid, signal.SIGTERM)
        wait_for(lambda: gone(third.pid) and gone(third.worker_pid or 0), "both have ended")
        assert state_of(directory).status == "stopped"
        assert not (directory / "engine.sock").exists()
    finally:
        end(directory)


def test_a_server_that_has_said_nothing_yet_can_be_ended(toy: Toy, tmp_path: Path) -> None:
    """Deployed and undeployed at once: nothing goes on running that nobody looks after."""
    directory = tmp_path / "endpoint"
    serving.prepare(directory, endpoint_id="e1", version=toy.version())
    pid = serving.start(directory)
    try:
        assert serving.read_state(directory) is None, "the server was faster than this test"
        end(directory)
        assert gone(pid)
    finally:
        if not gone(pid):
            os.kill(pid, signal.SIGKILL)


def test_the_server_keeps_no_credential_of_whoever_started_it(toy: Toy, tmp_path: Path) -> None:
    directory = tmp_path / "endpoint"
    serving.prepare(directory, endpoint_id="e1", version=toy.version())
    environment = os.environ | {"RUNPOD_API_KEY": "sesame", "HF_TOKEN": "sesame"}
    server = subprocess.Popen(serving.command(directory), env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: serving.read_state(directory), "it has begun")
        state = state_of(directory)
        wait_for(lambda: state_of(directory).worker_pid, "the worker has begun")
        worker = state_of(directory).worker_pid
        assert state.pid == server.pid and worker is not None
        for pid in (server.pid, worker):
            assert "sesame" not in psutil.Process(pid).environ().values()
    finally:
        server.terminate()
        assert server.wait(60) == 0


def test_a_server_begins_once_where_it_is_given_no_credential(served: Served) -> None:
    """Its address is there sooner: only one that was given more begins again without that."""
    assert CLEANED not in psutil.Process(state_of(served.directory).pid).environ()


def test_a_model_whose_adapter_does_not_attach_is_never_served(toy: Toy, tmp_path: Path) -> None:
    damaged = tmp_path / "adapter"
    shutil.copytree(toy.run / "adapter", damaged)
    tensors = load_file(damaged / "adapter_model.safetensors")
    save_file({f"other.{name}": tensor for name, tensor in tensors.items()}, damaged / "adapter_model.safetensors")
    directory = tmp_path / "endpoint"
    serving.prepare(directory, endpoint_id="e1", version=toy.version(directory=str(damaged)))
    serving.start(directory)
    try:
        wait_for(lambda: settled(directory), "it has failed")
        state = state_of(directory)
        assert state.status == "failed" and "adapter did not attach" in state.error
        wait_for(lambda: gone(state.pid), "the server process has ended")
    finally:
        end(directory)


def test_what_is_missing_is_said_before_anything_starts(toy: Toy, tmp_path: Path) -> None:
    for base in ("", str(tmp_path / "nowhere")):
        with pytest.raises(BaseModelError, match="not on this machine"):
            serving.prepare(tmp_path / "e", endpoint_id="e1", version=toy.version(base_path=base))
    (tmp_path / "empty").mkdir()
    shutil.copy(toy.base / "config.json", tmp_path / "empty")
    with pytest.raises(BaseModelError, match="no weights"):
        serving.prepare(tmp_path / "e", endpoint_id="e1", version=toy.version(base_path=str(tmp_path / "empty")))
    with pytest.raises(UsageError, match="adapter_config"):
        serving.prepare(tmp_path / "e", endpoint_id="e1", version=toy.version(directory=str(tmp_path)))
