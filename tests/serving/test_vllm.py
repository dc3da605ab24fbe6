"""vLLM as an engine of this machine: chosen where it is, told what it needs and no secret, and gone with its endpoint.

vLLM itself needs a GPU and is stood in for by `vllm_program`: a process of its own behind a real socket.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import tempfile
import threading
from pathlib import Path
from typing import Any, cast

import httpx
import openai
import psutil
import pytest
from safetensors.numpy import load_file, save_file

from brightrun_tui import serving
from brightrun_tui.adapter_files import check_finite
from brightrun_tui.serving import engines
from brightrun_tui.serving.engines import EngineUnsuitableError
from brightrun_tui.serving.places import let_serve, load_beside
from brightrun_tui.serving.plan import EndpointPlan
from brightrun_tui.serving.vllm_server import command, require_computing
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
    told = command(plan.model_copy(update={"adapter": str(_plain(tmp_path))}), Path("tokenizer"))
    assert told[told.index("--max-lora-rank") + 1] == "16" and "--enable-prefix-caching" in told
    with pytest.raises(EngineUnsuitableError, match=why):
        command(plan.model_copy(update=changes), Path("tokenizer"))


def _plain(tmp_path: Path) -> Path:
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "adapter_config.json").write_text('{"r": 12}')
    return plain


def _told(place: Path) -> dict[str, Any]:
    """What the one vLLM below ``place`` was told."""
    (found,) = place.glob("vllm-*/told.json")
    said: dict[str, Any] = json.loads(found.read_text())
    return said


@pytest.mark.slow
def test_an_endpoint_is_served_by_vllm_and_takes_it_along(
    program: Path, toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "sesame")
    directory = tmp_path / "endpoint"
    try:
        state = serve(directory, toy.version(), engine="vllm")
        assert (state.engine, state.engine_note) == ("vLLM", "")
        told = _told(directory)
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
        second = _told(directory)["pid"]
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
        third = _told(directory)["pid"]
        psutil.Process(third).suspend()
        end(directory)
        assert gone(third) and state_of(directory).status == "stopped"
    finally:
        end(directory)


@pytest.mark.slow
def test_an_adapter_with_which_vllm_computes_nothing_is_not_served(toy: Toy, tmp_path: Path) -> None:
    """Each of its weights was a number; vLLM loaded it, and answered “!” to everything, for as long as anybody asked."""
    from starlette.testclient import TestClient

    from tests.clouds.vllm_worker import Worker

    shutil.copytree(toy.run / "adapter", tmp_path / "adapter")
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    save_file({name: 0 * tensor.astype("float32") + 3e38 for name, tensor in load_file(weights).items()}, weights)
    check_finite(weights, "bundle")
    worker = Worker({"base": str(toy.base), "nf4": False, "names": ["base"], "length": 0, "changing": True})
    worker.load("sound", str(toy.run / "adapter"))
    worker.load("damaged", str(tmp_path / "adapter"))
    with TestClient(worker.app()) as asking:
        client = cast(httpx.Client, asking)  # it is one of httpx or of its successor, whichever starlette finds
        for name in ("base", "sound"):
            require_computing(client, name)
        with pytest.raises(EngineUnsuitableError, match="infinite or no number"):
            require_computing(client, "damaged")
        with pytest.raises(EngineUnsuitableError, match="does not exist"):
            require_computing(client, "nobody")


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


@pytest.mark.slow
def test_endpoints_of_one_base_share_one_vllm_and_none_lives_or_dies_by_another(
    program: Path, toy: Toy, tmp_path: Path
) -> None:
    shared, first, second = tmp_path / "shared", tmp_path / "first", tmp_path / "second"
    untaught = toy.version(version=2, directory=str(_untaught(toy, tmp_path / "untaught")))
    try:
        serve(first, toy.version(), engine="vllm", shared=str(shared))
        serve(second, untaught, engine="vllm", shared=str(shared), endpoint_id="e2")
        vllm = _told(shared)["pid"]
        assert len(_vllms(shared)) == 1
        assert (_answer(first, toy), _answer(second, toy)) == (toy.sample.tuned, toy.sample.base)

        # Another version takes a place without a request that fails, and without a second vLLM.
        failures, done = [], threading.Event()

        def keep_asking() -> None:
            while not done.is_set():
                try:
                    _answer(first, toy)
                except openai.OpenAIError as error:
                    failures.append(error)

        caller = threading.Thread(target=keep_asking)
        caller.start()
        home = first / "version-2"
        serving.put_key(home, serving.read_key(first))
        serving.prepare(home, endpoint_id="e1", version=untaught, engine="vllm", shared=str(shared))
        load_beside(first, home.name)
        wait_for(lambda: settled(home), "the other version is loaded beside the first")
        let_serve(first, home.name)
        wait_for(lambda: _answer(first, toy) == toy.sample.base, "callers get the other version")
        wait_for(lambda: len(_adapters(shared)) == 2, "the adapter that nobody uses is unloaded")
        done.set()
        caller.join()
        assert not failures and [process.pid for process in _vllms(shared)] == [vllm]

        # vLLM dies: both endpoints notice, and both come back with one.
        os.kill(vllm, signal.SIGKILL)
        wait_for(lambda: {state_of(at).restarts for at in (first, second)} == {1}, "both notice")
        wait_for(lambda: {state_of(at).status for at in (first, second)} == {"ready"}, "both are back")
        assert len(_vllms(shared)) == 1
        assert (_answer(first, toy), _answer(second, toy)) == (toy.sample.base, toy.sample.base)

        # One goes; the other answers. With the last one vLLM goes.
        end(first)
        assert _answer(second, toy) == toy.sample.base and len(_adapters(shared)) == 1
        end(second)
        assert not _vllms(shared)
    finally:
        end(first)
        end(second)


def _untaught(toy: Toy, target: Path) -> Path:
    """An adapter that changes nothing."""
    shutil.copytree(toy.run / "adapter", target)
    weights = target / "adapter_model.safetensors"
    save_file(
        {name: 0 * tensor if "lora_B" in name else tensor for name, tensor in load_file(weights).items()}, weights
    )
    return target


def _vllms(place: Path) -> list[psutil.Process]:
    """The vLLMs below ``place`` that run."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if "serve" in (process.info["cmdline"] or [])
        and any(word.startswith(str(place)) for word in process.info["cmdline"])
    ]


def _adapters(place: Path) -> list[str]:
    """What the vLLM below ``place`` names beside the base."""
    (socket,) = place.glob("vllm-*/engine.sock")
    with tempfile.TemporaryDirectory() as short:  # a socket's path may have 108 bytes at most
        link = Path(short) / "s"
        link.symlink_to(socket)
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(link)), base_url="http://engine") as client:
            return [one["id"] for one in client.get("/v1/models").json()["data"] if one["id"] != "base"]


def _answer(directory: Path, toy: Toy) -> str:
    client = openai.OpenAI(
        base_url=state_of(directory).url, api_key=serving.read_key(directory), max_retries=0, timeout=60
    )
    messages: Any = list(toy.sample.prompt)
    said = client.chat.completions.create(model="harbour", messages=messages, temperature=0, max_tokens=80)
    return said.choices[0].message.content or ""
