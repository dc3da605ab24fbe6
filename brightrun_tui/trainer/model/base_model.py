"""Where the base model lies, its tokenizer and its configuration: all that is known of it without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.domain.run import BaseModelRef


def locate_base(base: BaseModelRef) -> str:
    """Return the directory of the base model, or its Hub id where the run was given no directory.

    Raises:
        BaseModelError: no usable model there; says what is missing.
    """
    if not base.path:
        return base.id.partition("@")[0]
    directory = Path(base.path)
    if not directory.is_dir():
        raise BaseModelError(
            "there is no such directory",
            where=str(directory),
            kind=ErrorKind.BASE_MISSING,
            fix="fetch the base model again, or choose another",
        )
    if not (directory / "config.json").is_file():
        raise BaseModelError(
            "it holds no config.json, so it is not a Hugging Face model",
            where=str(directory),
            fix="give the directory that holds config.json and the weights",
            kind=ErrorKind.BASE_INCOMPLETE,
        )
    missing = _missing_weights(directory)
    if missing:
        raise BaseModelError(
            f"its weights are missing ({missing})",
            where=str(directory),
            fix="download the model again, with its *.safetensors files",
            kind=ErrorKind.BASE_INCOMPLETE,
        )
    return str(directory)


def _missing_weights(directory: Path) -> str:
    """Say which weight file is not there; empty when all are."""
    for index in ("model.safetensors.index.json", "pytorch_model.bin.index.json"):
        if (directory / index).is_file():
            try:
                shards = set(json.loads((directory / index).read_text("utf-8"))["weight_map"].values())
            except (ValueError, KeyError, AttributeError):
                return f"{index} cannot be read"
            absent = sorted(shard for shard in shards if not (directory / shard).is_file())
            return f"{absent[0]} and {len(absent) - 1} more" if len(absent) > 1 else "".join(absent)
    if any((directory / name).is_file() for name in ("model.safetensors", "pytorch_model.bin")):
        return ""
    return "no model.safetensors"


def load_tokenizer(source: str, revision: str) -> Any:
    """Return the tokenizer. Raises `BaseModelError` when there is none that transformers can read."""
    try:
        return AutoTokenizer.from_pretrained(source, revision=revision or None)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BaseModelError(
            f"its tokenizer cannot be loaded: {first_line(error)}",
            where=source,
            fix="the directory needs tokenizer.json and tokenizer_config.json",
            kind=ErrorKind.BASE_TOKENIZER,
        ) from error


def load_config(source: str, revision: str) -> Any:
    """Return the configuration. Raises `BaseModelError` when it is not a model that transformers knows."""
    try:
        return AutoConfig.from_pretrained(source, revision=revision or None)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BaseModelError(
            f"its configuration cannot be read: {first_line(error)}",
            where=source,
            fix="choose a causal language model that transformers supports",
            kind=ErrorKind.BASE_UNSUPPORTED,
        ) from error


def longest_context(config: Any, tokenizer: Any) -> int:
    """Return tokens the model can take, as its configuration says; a large number where it says nothing."""
    text_config = config.get_text_config()
    limits = [getattr(text_config, name, None) for name in ("max_position_embeddings", "n_positions", "seq_length")]
    known = [int(limit) for limit in [*limits, tokenizer.model_max_length] if limit and 0 < limit < 10**9]
    return min(known) if known else 10**9


def embedding_rows(config: Any) -> int:
    """Return tokens that the model has an embedding for; a large number where its configuration says nothing."""
    return int(getattr(config.get_text_config(), "vocab_size", 0) or 10**9)


def first_line(error: Exception) -> str:
    """Return what a library said, without the rest of it."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
