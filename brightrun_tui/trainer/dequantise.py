"""A GGUF file as a plain Hugging Face directory: ``python -m brightrun_tui.trainer.dequantise FILE DIRECTORY``.

Each line of stdout is ``{"fraction": 0–1, "what": …}``; an error is ``{"error": {…}}``. The directory exists and is empty;
whoever started this publishes it when the process ends with 0.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from brightrun_tui.domain.error_kinds import ErrorKind, ExitCode
from brightrun_tui.domain.errors import BaseModelError, BrightrunError
from brightrun_tui.gguf_header import read_header
from brightrun_tui.lighter_imports import hasten_imports

SHARD = "4GB"
ENDS_A_TURN = "tokenizer.ggml.eot_token_id"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m brightrun_tui.trainer.dequantise", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(cores))
    os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        dequantise(arguments.file.resolve(), arguments.directory.resolve())
    except BrightrunError as error:
        print(json.dumps({"error": error.as_dict()}), flush=True)
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return ExitCode.DONE


def dequantise(source: Path, directory: Path) -> None:
    """Write weights as bfloat16, configuration without a word of quantisation, tokenizer with its template, and how to generate.

    Raises:
        BaseModelError: transformers cannot read the file, or weights are missing in it.
    """
    _tell(0.02, "loading torch")
    hasten_imports()
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        _tell(0.3, "reading the tokenizer")
        tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
        _tell(0.45, "unpacking the weights")
        loaded, found = AutoModelForCausalLM.from_pretrained(
            source.parent, gguf_file=source.name, dtype=torch.bfloat16, output_loading_info=True
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, NotImplementedError, RuntimeError) as error:
        raise BaseModelError(
            f"transformers cannot read this GGUF file: {_in_a_line(error)}",
            where=str(source),
            kind=ErrorKind.GGUF_UNREADABLE,
            fix="take another quantisation of the model, or its original weights",
        ) from error
    if missing := sorted(found["missing_keys"]):
        raise BaseModelError(
            f"{len(missing)} weights are missing in this GGUF file ({', '.join(missing[:3])})",
            where=str(source),
            kind=ErrorKind.GGUF_INCOMPLETE,
            fix="take another GGUF file of the model, or its original weights",
        )
    _tell(0.8, "writing the unpacked weights")
    _plain(loaded, source).save_pretrained(directory, max_shard_size=SHARD)
    tokenizer.model_max_length = loaded.config.max_position_embeddings
    tokenizer.save_pretrained(directory)


def _plain(loaded: Any, source: Path) -> Any:
    """Return the same weights in a model that does not know it was quantised, which transformers would refuse to save."""
    import torch
    from transformers import GenerationConfig

    settings = {
        name: value
        for name, value in loaded.config.to_dict().items()
        if name not in ("quantization_config", "_name_or_path", "_model_name_or_path")
    }
    config = type(loaded.config)(**settings)
    with torch.device("meta"):
        model = type(loaded)(config)
    model.load_state_dict(loaded.state_dict(), assign=True)
    model.tie_weights()
    given = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    ends = [end for end in (*given, read_header(source).values.get(ENDS_A_TURN)) if isinstance(end, int)]
    model.generation_config = GenerationConfig(
        bos_token_id=config.bos_token_id,
        eos_token_id=list(dict.fromkeys(ends)) or None,
        pad_token_id=config.pad_token_id,
    )
    return model


def _in_a_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _tell(fraction: float, what: str) -> None:
    print(json.dumps({"fraction": fraction, "what": what}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
