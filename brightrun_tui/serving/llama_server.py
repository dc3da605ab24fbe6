"""llama.cpp's own server over the graded model as a GGUF. Only the worker imports this.

It is given token ids, made by the model's own tokenizer, so that its reading of text and templates plays no part. Before it is
used, its first answers are compared with those of the graded model in full precision.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import httpx
import psutil

from brightrun_tui.domain.held_base import held_base
from brightrun_tui.files import write_atomic
from brightrun_tui.process import python
from brightrun_tui.serving.engines import EngineUnsuitableError
from brightrun_tui.serving.graded_gguf import Reference, read_references, ready_gguf
from brightrun_tui.serving.plan import EndpointPlan
from brightrun_tui.serving.process import environment
from brightrun_tui.serving.room import SLOTS, room_for
from brightrun_tui.serving.worker_files import NOTE, REPORT, SOCKET

NOISE = 0.1
"""Nats by which rounding weights to 16 bits may move the likelihood of a token."""


def serve(plan: EndpointPlan) -> None:
    """Load the model, compare it, and serve it until the process ends. The current directory must be the endpoint's.

    Raises:
        EngineUnsuitableError: no GGUF can be made of this model, or it answers otherwise than the graded model.
    """
    gguf = graded_gguf(plan)
    write_atomic(Path(NOTE), "loading the model into llama.cpp, and comparing its answers")
    server = _start(gguf, plan)
    deviation = compare(read_references(gguf))
    write_atomic(Path(NOTE), "")
    write_atomic(Path(REPORT), json.dumps({"engine": "llama.cpp", "device": _device(), "deviation": deviation}))
    threading.Event().wait()
    del server


def _device() -> str:
    """Return what computes: a GPU where this build of llama.cpp knows one."""
    import xllamacpp

    gpu = xllamacpp.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_GPU
    gpus = [str(found["description"]) for found in xllamacpp.get_device_info() if found["type"] == gpu]
    return gpus[0] if gpus else "CPU"


def graded_gguf(plan: EndpointPlan) -> Path:
    """Return the version's GGUF, made now where it is not there yet. Raises ``EngineUnsuitableError``."""
    base, adapter = Path(plan.base), Path(plan.adapter)
    held = held_base(plan.quantisation, double_quant=plan.double_quant)
    known = ready_gguf(base, adapter, held)
    if known is None:
        done = subprocess.run(
            python("-m", "brightrun_tui.serving.graded_gguf", str(base), str(adapter), held, str(Path.cwd())),
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        known = ready_gguf(base, adapter, held)
        if done.returncode or known is None:
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            raise EngineUnsuitableError(lines[-1][:300] if lines else f"converting ended with code {done.returncode}")
    return known


def _start(gguf: Path, plan: EndpointPlan) -> Any:
    import xllamacpp

    cores = min(max(1, psutil.cpu_count(logical=False) or 1), len(os.sched_getaffinity(0)))
    Path(SOCKET).unlink(missing_ok=True)
    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.hostnames = [SOCKET]
    params.n_parallel = SLOTS
    params.n_ctx = room_for(plan.context_length)
    params.kv_unified = (
        True  # a long request may take what others leave; the gate lets in no more than there is room for
    )
    params.cache_idle_slots = False  # it would forget the beginnings that the next requests share
    params.cache_ram_mib = 0  # by default it keeps up to 8 GB of what was asked
    params.ui = False
    params.enable_chat_template = False
    params.endpoint_slots = False
    params.verbosity = 1  # errors; it warns of every prompt that it has read before
    params.warmup = False  # the comparison does that
    # The threads of a token wait for each other: where the gate or a caller takes a core from one, all of them stand still.
    params.cpuparams.n_threads = max(1, cores - 1)
    params.cpuparams_batch.n_threads = cores
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.poll = 0  # threads that spin while they wait take the cores from everything else
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise EngineUnsuitableError(f"llama.cpp cannot load it ({error}); see server.log") from None


def compare(references: list[Reference]) -> float:
    """Return the largest difference (nats) between the likelihoods of the tokens that this server and the graded model answer.

    Raises:
        EngineUnsuitableError: the first answers differ by more than rounding explains.
    """
    worst = 0.0
    with httpx.Client(transport=httpx.HTTPTransport(uds=SOCKET), base_url="http://engine", timeout=600) as client:
        for known in references:
            reply = client.post(
                "/v1/completions",
                json={
                    "prompt": list(known.prompt),
                    "max_tokens": len(known.tokens),
                    "temperature": 0,
                    "logprobs": 1,
                    "return_tokens": True,
                },
            )
            reply.raise_for_status()
            probabilities = (reply.json()["choices"][0].get("logprobs") or {}).get("content") or []
            worst = max(worst, _difference(known, [(each["id"], each["logprob"]) for each in probabilities]))
    if not worst <= NOISE or math.isnan(worst):
        raise EngineUnsuitableError(
            f"llama.cpp answers differently from the graded model: a token is {worst:.2g} nats more or less likely"
        )
    return worst


def _difference(known: Reference, said: list[tuple[int, float]]) -> float:
    """Compare up to the first token that differs; where another one was as likely, that does not count as a difference."""
    worst = 0.0
    for place, token in enumerate(known.tokens):
        if place >= len(said):
            # The token that ends an answer is not listed.
            return worst if place == len(known.tokens) - 1 else math.inf
        if said[place][0] != token:
            return worst if known.margins[place] <= 2 * NOISE else math.inf
        worst = max(worst, abs(said[place][1] - known.logprobs[place]))
    return worst
