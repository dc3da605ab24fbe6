"""vLLM as an engine of this machine: chosen where it is, told what it needs and no secret, and gone with its endpoint.

vLLM itself needs a GPU and is stood in for by `vllm_program`: a process of its own behind a real socket.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest

from brightrun_tui import serving
from brightrun_tui.serving import engines
from brightrun_tui.serving.engines import EngineUnsuitableError
from brightrun_tui.serving.plan import EndpointPlan
from brightrun_tui.serving.vllm_server import command
from tests.serving.test_processes import gone, state_of
from tests.serving.toy import Toy, end, serve, settled, wait_for
from tests.serving.vllm_program import install


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The command ``vllm``, first on the path."""
    found = install(tmp_path / "other environment" / "bin")
    monkeypatch.setenv("PATH", f"{found.parent}{os.pathsep}{os.environ['PATH']}")
    return found


def test_the_fastest_engine_that_is_here_is_chosen_and_else_it_is_said_why(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = tmp_path / "nvidiactl"
    monkeypatch.setattr(engines, "NVIDIA", gpu)
    assert engines.order("auto") == (("llama.cpp", "transformers"), "")
    gpu.touch()
    assert engines.order("auto") == (("vllm", "transformers"), "")
    assert engines.order("transformers") == (("transformers",), "")
    program.unlink()
    assert engines.order("auto") == (("transformers",), "vLLM is not installed: there is no command vllm")
    assert engines.what_is_missing("vllm") and not engines.what_is_missing("transformers")


@pytest.mark.parametrize(
    ("adapter", "changes", "why"),
    [
        ({"use_dora": True}, {}, "DoRA"),
        ({"modules_to_save": ["embed_tokens"]}, {}, "whole modules"),
        ({"rank_pattern": {"q_proj": 4}}, {}, "several ranks"),
        ({}, {"compute_dtype": "float32"}, "float32"),
        ({}, {"double_quant": False}, "double quantisation"),
    ],
)
def test_what_vllm_cannot_serve_as_it_was_graded_is_left_to_another_engine(
    program: Path, tmp_path: Path, adapter: dict[str, Any], changes: dict[str, Any], why: str
) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 12} | adapter))
    plan = EndpointPlan(
        id="e1",
        model="harbour",
        version=1,
        base_id="toy",
        base="/base",
        adapter=str(tmp_path),
        quantisation="nf4",
        compute_dtype="bfloat16",
    )
    told = command(plan.model_copy(update={"adapter": str(_plain(tmp_path))}))
    assert told[told.index("--max-lora-rank") + 1] == "16" and "--enable-prefix-caching" in told
    with pytest.raises(EngineUnsuitableError, match=why):
        command(plan.model_copy(update=changes))


def _plain(tmp_path: Path) -> Path:
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "adapter_config.json").write_text('{"r": 12}')
    return plain


@pytest.mark.slow
def test_an_endpoint_is_served_by_vllm_and_takes_it_along(
    program: Path, toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "sesame")
    directory = tmp_path / "endpoint"
    try:
        state = serve(directory, toy.version(), engine="vllm")
        assert (state.engine, state.engine_note) == ("vLLM", "")
        told = json.loads((directory / "told.json").read_text())
        assert not {"HF_TOKEN", "PYTHONPATH", "TORCHDYNAMO_DISABLE", "BRIGHTRUN_API_KEY"} & told["environment"].keys()
        assert serving.read_key(directory) not in json.dumps(told)

        canary = asyncio.run(serving.canary(directory, toy.version()))
        assert canary.passed and canary.likeness in ("same", "near")
        client = openai.OpenAI(base_url=state.url, api_key=serving.read_key(directory), max_retries=0, timeout=60)
        ask: dict[str, Any] = {"model": "harbour", "messages": [{"role": "user", "content": "How deep is it?"}]}
        with pytest.raises(openai.BadRequestError, match="“response_format” cannot be honoured by the engine vLLM"):
            client.chat.completions.create(**ask, response_format={"type": "json_object"})

        # vLLM is killed: the worker says so, and both come back at the same address.
        os.kill(told["pid"], signal.SIGKILL)
        wait_for(lambda: state_of(directory).restarts == 1, "its death is noticed")
        assert "vLLM ended with signal 9" in state_of(directory).error
        wait_for(lambda: state_of(directory).status == "ready", "it is back")
        second = json.loads((directory / "told.json").read_text())["pid"]
        assert client.chat.completions.create(**ask).choices[0].message.content

        # The worker is killed without mercy: vLLM, which is in a session of its own, does not outlive it.
        worker = state_of(directory).worker_pid
        assert worker is not None and os.getsid(second) == second
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: gone(second), "vLLM ends with its worker")
        wait_for(
            lambda: state_of(directory).restarts == 2 and state_of(directory).status == "ready", "it is back again"
        )

        # A vLLM that does not want to end is ended all the same.
        third = json.loads((directory / "told.json").read_text())["pid"]
        psutil.Process(third).suspend()
        end(directory)
        assert gone(third) and state_of(directory).status == "stopped"
    finally:
        end(directory)


@pytest.mark.slow
def test_a_vllm_that_does_not_come_up_is_told_with_its_place(program: Path, toy: Toy, tmp_path: Path) -> None:
    program.write_text("#!/bin/sh\necho no such option >&2\nexit 2\n")
    directory = tmp_path / "endpoint"
    serving.prepare(directory, endpoint_id="e1", version=toy.version(), engine="vllm")
    serving.start(directory)
    try:
        wait_for(lambda: settled(directory), "it has failed")
        state = state_of(directory)
        assert state.status == "failed"
        assert "vLLM ended with exit code 2 while it loaded the model; see server.log" in state.error
        assert "no such option" in (directory / "server.log").read_text()
    finally:
        end(directory)
