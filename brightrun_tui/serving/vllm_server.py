"""vLLM's own server over base and adapter, as a process of its own that imports nothing of ours. Only the worker imports this.

It listens on a socket in the endpoint's directory, which is for its owner alone, so it needs no key. The command ``vllm`` may
belong to another environment than this program's.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from brightrun_tui.domain.run_directory import ADAPTER_CONFIG
from brightrun_tui.domain.serverless import ADAPTER, lora_rank
from brightrun_tui.files import write_atomic
from brightrun_tui.foreign_files import ForeignFileError, read_json
from brightrun_tui.serving.engines import VLLM, EngineUnsuitableError, vllm_program, what_is_missing
from brightrun_tui.serving.plan import EndpointPlan
from brightrun_tui.serving.process import environment
from brightrun_tui.serving.view import VIEW
from brightrun_tui.serving.worker_files import NOTE, REPORT, SOCKET

MEMORY_SHARE = 0.45
"""Of the GPU's memory. vLLM takes all of it at once, and the version that is to come is loaded beside the one that serves."""
GRACE_SECONDS = 3.0
"""To end in, once asked; less than whoever ends the worker waits for it."""
LOOK_SECONDS = 0.2
_NOT_HANDED_DOWN = ("PYTHONPATH", "TORCHDYNAMO_DISABLE", "OMP_WAIT_POLICY")
"""What is meant for our own processes: another environment has its own packages, and vLLM does compile."""
_PARENT_DEATH = 1  # PR_SET_PDEATHSIG


def serve(plan: EndpointPlan) -> None:
    """Load the model and serve it until the process ends. The current directory must be the endpoint's.

    Raises:
        EngineUnsuitableError: vLLM is not there, cannot load this model, or does not come up with it.
        RuntimeError: it ended after it had served.
    """
    wanted = command(plan)
    write_atomic(Path(NOTE), "loading the model into vLLM")
    Path(SOCKET).unlink(missing_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    process = subprocess.Popen(
        wanted, env=_environment(), stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_end_with_parent()
    )
    try:
        _wait_for_adapter(process)
        write_atomic(Path(NOTE), "")
        write_atomic(Path(REPORT), json.dumps({"engine": VLLM, "device": "GPU"}))
        raise RuntimeError(f"vLLM ended with {_words(process.wait())}; see server.log")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _end(process)


def command(plan: EndpointPlan) -> list[str]:
    """How vLLM is started for this version. No secret is in it. Raises `EngineUnsuitableError`."""
    program = vllm_program()
    if program is None:
        raise EngineUnsuitableError(what_is_missing("vllm"))
    if plan.compute_dtype == "float32":
        raise EngineUnsuitableError("vLLM does not compute adapters in float32")
    if plan.quantisation == "nf4" and not plan.double_quant:
        raise EngineUnsuitableError("vLLM holds a base in 4 bits with double quantisation only")
    quantised = ["--quantization", "bitsandbytes"] if plan.quantisation == "nf4" else []
    length = ["--max-model-len", str(plan.context_length)] if plan.context_length else []
    adapter = json.dumps({"name": ADAPTER, "path": plan.adapter})
    return [
        *(program, "serve", plan.base),
        *("--tokenizer", str(Path(VIEW).absolute())),
        *("--served-model-name", "base"),
        *("--enable-lora", "--max-loras", "1", "--max-lora-rank", str(lora_rank(_rank(Path(plan.adapter))))),
        *("--lora-modules", adapter),
        *("--dtype", plan.compute_dtype, *quantised, *length),
        *("--generation-config", "vllm"),  # the gate says what the base model's own settings are
        "--enable-prefix-caching",
        *("--gpu-memory-utilization", str(MEMORY_SHARE)),
        *("--uds", SOCKET),
        *("--no-enable-log-requests", "--disable-uvicorn-access-log"),
    ]


def _rank(adapter: Path) -> int:
    """Of an adapter that vLLM can load. Raises `EngineUnsuitableError`."""
    try:
        config = read_json(adapter / ADAPTER_CONFIG)
    except ForeignFileError as error:
        raise EngineUnsuitableError(f"{ADAPTER_CONFIG} {error.what}") from None
    for what, words in (
        ("use_dora", "DoRA adapters"),
        ("modules_to_save", "adapters that bring whole modules"),
        ("rank_pattern", "adapters with several ranks"),
    ):
        if config.get(what):
            raise EngineUnsuitableError(f"vLLM cannot load {words}")
    return int(config.get("r") or 0)


def _environment() -> dict[str, str]:
    return {name: value for name, value in environment().items() if name not in _NOT_HANDED_DOWN}


def _end_with_parent() -> Any:
    """For the child to call: it is asked to end when the worker is killed, whatever killed it."""
    prctl = ctypes.CDLL(None).prctl  # looked up here: between fork and exec as little as possible is done
    return lambda: prctl(_PARENT_DEATH, signal.SIGTERM)


def _wait_for_adapter(process: subprocess.Popen[bytes]) -> None:
    """Until it answers and names the adapter: it does only once it has loaded it."""
    with httpx.Client(transport=httpx.HTTPTransport(uds=SOCKET), base_url="http://engine", timeout=10.0) as client:
        while process.poll() is None:
            with suppress(httpx.HTTPError):
                reply = client.get("/v1/models")
                if reply.status_code == 200:
                    if ADAPTER in _names(reply):
                        return
                    raise EngineUnsuitableError("vLLM answers, but without the adapter")
            time.sleep(LOOK_SECONDS)
    raise EngineUnsuitableError(
        f"vLLM ended with {_words(process.returncode)} while it loaded the model; see server.log"
    )


def _names(reply: httpx.Response) -> list[str]:
    try:
        return [str(one["id"]) for one in reply.json()["data"]]
    except (ValueError, TypeError, KeyError):
        return []


def _end(process: subprocess.Popen[bytes]) -> None:
    """It and the processes that it started; after `GRACE_SECONDS` without mercy."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _words(code: int) -> str:
    return f"{'signal' if code < 0 else 'exit code'} {abs(code)}"
