"""vLLM's own server over base and adapter: one for all endpoints of a base that is held alike. Only the worker imports this.

Each worker brings its adapter to the vLLM that is there, or has one started; `vllm_keeper` ends it after the last of them. vLLM
listens on a socket in a directory that is for its owner alone, so it needs no key.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import isfinite
from pathlib import Path

import httpx
from filelock import FileLock

from brightrun_tui.domain.run_directory import ADAPTER_CONFIG
from brightrun_tui.domain.serverless import lora_rank
from brightrun_tui.files import private_directory, write_atomic
from brightrun_tui.foreign_files import ForeignFileError, read_json
from brightrun_tui.process import python
from brightrun_tui.serving import vllm_keeper as keeper
from brightrun_tui.serving.attached import NOTHING_COMPUTED, PROBE_TOKENS
from brightrun_tui.serving.engines import NVIDIA, VLLM, EngineUnsuitableError, vllm_program, what_is_missing
from brightrun_tui.serving.plan import EndpointPlan
from brightrun_tui.serving.process import LOG, environment, shorten_log
from brightrun_tui.serving.view import TOKENIZER_FILES, VIEW
from brightrun_tui.serving.worker_files import NOTE, REPORT, SOCKET

MEMORY_SHARE = 0.45
"""Of the GPU's memory. vLLM takes all of it at once, and a version that has another base is loaded beside the one that serves."""
ADAPTERS_AT_ONCE = 4
"""That one step computes; requests to further adapters wait for the next one."""
ADAPTERS_KEPT = 16
"""In main memory; further ones are read from the disk when they are asked."""
TOKENIZER = "tokenizer"
_READ_BY_TOKENIZER = (*TOKENIZER_FILES, "config.json")
LOG_TAIL = 4000
"""Characters of vLLM's log that are told where it does not come up."""


def serve(plan: EndpointPlan) -> None:
    """Have the model loaded and serve it until the process ends. The current directory must be the endpoint's.

    Raises:
        EngineUnsuitableError: vLLM is not there, cannot load this model, or does not come up with it.
        RuntimeError: it ended after it had served.
    """
    place = shared_place(plan)
    write_atomic(Path(NOTE), "loading the model into vLLM")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with _membership(place, plan):
            Path(SOCKET).unlink(missing_ok=True)
            # A socket's path may have 108 bytes at most; where a link leads may be as long as it likes.
            Path(SOCKET).symlink_to(place / SOCKET)
            _bring_adapter(place, plan)
            with keeper.connection() as client:
                require_computing(client, keeper.BASE_NAME if plan.base_alone else plan.adapter_name)
            write_atomic(Path(NOTE), "")
            write_atomic(Path(REPORT), json.dumps({"engine": VLLM, "device": "GPU" if NVIDIA.exists() else "CPU"}))
            while keeper.alive(place):
                time.sleep(keeper.LOOK_SECONDS)
            raise RuntimeError(f"vLLM ended with {_how_it_ended(place)}; see server.log")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def shared_place(plan: EndpointPlan) -> Path:
    """Say where the vLLM of this version is, or will be: the same for all that it can serve together. The current directory
    must be the endpoint's. Raises `EngineUnsuitableError`."""
    view = Path(VIEW)
    told = hashlib.sha256(json.dumps(command(plan, Path(TOKENIZER))).encode())
    for name in TOKENIZER_FILES:
        if "template" not in name and name != "tokenizer_config.json" and (view / name).is_file():
            told.update((view / name).read_bytes())  # what tokens are; how turns are laid out is the gate's business
    return Path(plan.shared or ".").absolute() / f"vllm-{told.hexdigest()[:16]}"


def command(plan: EndpointPlan, tokenizer: Path) -> list[str]:
    """Say how vLLM is started for the base of this version. No secret is in it. Raises `EngineUnsuitableError`."""
    program = vllm_program()
    if program is None:
        raise EngineUnsuitableError(what_is_missing("vllm"))
    if plan.compute_dtype == "float32":
        raise EngineUnsuitableError("vLLM does not compute adapters in float32")
    if plan.quantisation == "nf4" and not plan.double_quant:
        raise EngineUnsuitableError("vLLM holds a base in 4 bits with double quantisation only")
    quantised = ["--quantization", "bitsandbytes"] if plan.quantisation == "nf4" else []
    length = ["--max-model-len", str(plan.context_length)] if plan.context_length else []
    return [
        *(program, "serve", plan.base),
        *("--tokenizer", str(tokenizer)),
        *("--served-model-name", keeper.BASE_NAME),
        *("--enable-lora", "--max-lora-rank", str(lora_rank(_rank(Path(plan.adapter))))),
        *("--max-loras", str(ADAPTERS_AT_ONCE), "--max-cpu-loras", str(ADAPTERS_KEPT)),
        *("--dtype", plan.compute_dtype, *quantised, *length),
        *("--generation-config", "vllm"),  # the gate says what the base model's own settings are
        "--enable-prefix-caching",
        *("--gpu-memory-utilization", str(MEMORY_SHARE)),
        *("--uds", SOCKET),
        *("--no-enable-log-requests", "--disable-uvicorn-access-log"),
    ]


def _rank(adapter: Path) -> int:
    """Return the rank of an adapter that vLLM can load. Raises `EngineUnsuitableError`."""
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


@contextmanager
def _membership(place: Path, plan: EndpointPlan) -> Iterator[None]:
    """Join those for whom vLLM is kept, and have it started where it is not there. Afterwards vLLM has let go of the
    adapter, or has ended with its last user.
    """
    private_directory(place)
    private_directory(place / keeper.MEMBERS)
    ours = place / keeper.MEMBERS / str(os.getpid())
    with FileLock(place / keeper.CHANGING):
        member = ours.open("w")
        fcntl.flock(member, fcntl.LOCK_EX)
        member.write(plan.adapter_name)
        member.flush()
        if not keeper.alive(place):
            _start_keeper(place, plan)
    try:
        yield
    finally:
        member.close()
        deadline = time.monotonic() + keeper.GRACE_SECONDS + 1.0
        while ours.exists() and keeper.alive(place) and time.monotonic() < deadline:
            time.sleep(keeper.LOOK_SECONDS / 4)


def _start_keeper(place: Path, plan: EndpointPlan) -> None:
    tokenizer = place / TOKENIZER
    private_directory(tokenizer)
    for name in _READ_BY_TOKENIZER:
        if (Path(VIEW) / name).is_file():
            shutil.copyfile(Path(VIEW) / name, tokenizer / name)
    write_atomic(place / keeper.COMMAND, json.dumps(command(plan, tokenizer)))
    (place / keeper.ENDED).unlink(missing_ok=True)
    shorten_log(place)
    with (place / LOG).open("ab") as log:
        process = subprocess.Popen(
            python("-m", "brightrun_tui.serving.vllm_keeper", str(place)),
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    while process.poll() is None and not keeper.alive(place):
        time.sleep(keeper.LOOK_SECONDS / 4)


def _bring_adapter(place: Path, plan: EndpointPlan) -> None:
    """Wait until vLLM answers, and have it load the adapter. Raises `EngineUnsuitableError`."""
    with keeper.connection() as client:
        while keeper.names_at(client) is None:
            if not keeper.alive(place):
                raise EngineUnsuitableError(
                    f"vLLM ended with {_how_it_ended(place)} while it loaded the model; see server.log"
                )
            time.sleep(keeper.LOOK_SECONDS)
        with FileLock(place / keeper.CHANGING):
            if plan.adapter_name in (keeper.names_at(client) or []):
                return
            told = {"lora_name": plan.adapter_name, "lora_path": plan.adapter}
            try:
                reply = client.post("/v1/load_lora_adapter", json=told, timeout=600.0)
            except httpx.HTTPError as error:
                raise EngineUnsuitableError(f"vLLM did not load the adapter: {error}") from None
            if reply.status_code != 200:
                raise EngineUnsuitableError(f"vLLM did not load the adapter: {reply.text[:300]}")


def require_computing(client: httpx.Client, model: str) -> None:
    """Have vLLM read a few tokens. Each weight may be a number, and yet nothing be computed with all of them: it goes on then,
    and answers the same token to everything.

    Raises:
        EngineUnsuitableError: how likely the next token is, is no number; or vLLM gives no answer at all.
    """
    asked = {"model": model, "prompt": [*range(PROBE_TOKENS)], "max_tokens": 1, "temperature": 0.0}
    try:
        told, plain = (client.post("/v1/completions", json=asked | more) for more in ({"logprobs": 1}, {}))
        likely = told.json()["choices"][0]["logprobs"]["token_logprobs"][0] if told.status_code == 200 else None
    except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
        raise EngineUnsuitableError(f"vLLM gives no answer that can be read ({type(error).__name__})") from None
    if plain.status_code != 200:
        raise EngineUnsuitableError(f"vLLM does not answer: {plain.text[:300]}")
    # what is no number cannot be written as JSON: vLLM breaks over it, or writes null
    if told.status_code >= 500 or (
        told.status_code == 200 and not (isinstance(likely, float | int) and isfinite(likely))
    ):
        raise EngineUnsuitableError(NOTHING_COMPUTED)


def _how_it_ended(place: Path) -> str:
    """Say in words how it ended; what it printed last goes into this endpoint's log."""
    with suppress(OSError):
        print((place / LOG).read_text(errors="replace")[-LOG_TAIL:], file=sys.stderr, flush=True)
    with suppress(OSError):
        return (place / keeper.ENDED).read_text()
    return "its keeper"
