"""The command ``vllm`` as far as an endpoint needs it, for a toy model on a CPU: ``vllm serve BASE …``.

It takes the options that vLLM documents, by their full names, and no others, and lets adapters come and go only where its
environment allows that. What it was told, and with which environment, lies in ``told.json`` beside its socket.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import stat
import sys
from pathlib import Path

from brightrun_tui.importing import without_garbage_collection
from brightrun_tui.process import WITHOUT_COMPILER

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
ROOT = Path(__file__).resolve().parents[2]


def install(folder: Path) -> Path:
    """The command in ``folder``, to be put on the path; in an environment of its own as vLLM is, but for the interpreter."""
    folder.mkdir(parents=True)
    program = folder / "vllm"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from tests.serving.vllm_program import main\nmain(sys.argv[1:])\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def main(arguments: list[str]) -> None:
    told = read(arguments)
    Path("told.json").write_text(
        json.dumps({"pid": os.getpid(), "arguments": arguments, "environment": dict(os.environ)})
    )
    import uvicorn

    for name, value in WITHOUT_COMPILER.items():
        os.environ.setdefault(name, value)
    with without_garbage_collection():
        from tests.clouds.vllm_worker import Worker

    worker = Worker(
        {
            "base": told.model,
            "nf4": told.quantization == "bitsandbytes",
            "names": [told.served_model_name],
            "length": told.max_model_len,
            "most_rank": told.max_lora_rank,
            "changing": os.environ.get("VLLM_ALLOW_RUNTIME_LORA_UPDATING") == "True",
        }
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(worker.app(), uds=told.uds, log_level="error")


def read(arguments: list[str]) -> argparse.Namespace:
    """What it is told; ends the process with 2 over an option that vLLM does not have, or has otherwise."""
    parser = argparse.ArgumentParser(prog="vllm serve", allow_abbrev=False)
    if arguments[:1] != ["serve"]:
        parser.error("invalid choice")
    parser.add_argument("model")
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--served-model-name")
    parser.add_argument("--enable-lora", action=argparse.BooleanOptionalAction, required=True)
    parser.add_argument("--max-loras", type=int, default=1)
    parser.add_argument("--max-cpu-loras", type=int)
    parser.add_argument("--max-lora-rank", type=int, choices=RANKS, default=16)
    parser.add_argument("--dtype", choices=("auto", "half", "float16", "bfloat16", "float", "float32"))
    parser.add_argument("--quantization", "-q")
    parser.add_argument("--max-model-len", type=int, default=0)
    parser.add_argument("--generation-config")
    parser.add_argument("--enable-prefix-caching", action=argparse.BooleanOptionalAction, required=True)
    parser.add_argument("--gpu-memory-utilization", type=float)
    parser.add_argument("--uds", required=True)
    parser.add_argument("--enable-log-requests", action=argparse.BooleanOptionalAction)
    parser.add_argument("--disable-uvicorn-access-log", action="store_true")
    told = parser.parse_args(arguments[1:])
    if told.max_cpu_loras is not None and told.max_cpu_loras < told.max_loras:
        parser.error("max_cpu_loras must be at least max_loras")
    return told
