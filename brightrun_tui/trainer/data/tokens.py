"""Tokenised data in a file: the same records, tokenizer and template give the same tokens, so they are made once."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from brightrun_tui import plugins
from brightrun_tui.domain.objective import DEFAULT_OBJECTIVE
from brightrun_tui.plugins import Door
from brightrun_tui.trainer.data.examples import Example, Prepared
from brightrun_tui.trainer.data.template import ChatTemplate

VERSION = "4"
"""Raised when the same records would become other tokens or masks than before."""


def tokens_key(
    data_files: Sequence[Path], tokenizer: Any, template: ChatTemplate, objective: str = DEFAULT_OBJECTIVE
) -> str:
    """Return a key over everything that the tokens and masks of the data depend on."""
    digest = hashlib.sha256(VERSION.encode())
    for file in data_files:
        with file.open("rb") if file.is_file() else Path("/dev/null").open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    digest.update(tokenizer.backend_tokenizer.to_str().encode())
    digest.update(json.dumps([template.source, template.variables], sort_keys=True).encode())
    if objective != DEFAULT_OBJECTIVE:
        digest.update(json.dumps([objective, plugins.origin_of(Door.OBJECTIVES, objective)]).encode())
    return digest.hexdigest()


def save_tokens(path: Path, key: str, splits: Sequence[Prepared]) -> None:
    """Write the splits, whole or not at all. Raises ``OSError``."""
    tensors: dict[str, np.ndarray] = {}
    for name, split in zip("te", splits, strict=True):
        examples = split.examples
        tensors[f"{name}.records"] = np.array([e.record for e in examples], dtype=np.int64)
        tensors[f"{name}.lengths"] = split.lengths
        tensors[f"{name}.ids"] = np.concatenate([np.empty(0, np.int32), *(e.ids.astype(np.int32) for e in examples)])
        tensors[f"{name}.supervised"] = np.packbits(
            np.concatenate([np.empty(0, bool), *(e.supervised for e in examples)])
        )
        opening = [np.zeros(e.length, bool) if e.opening is None else e.opening for e in examples]
        tensors[f"{name}.opening"] = np.packbits(np.concatenate([np.empty(0, bool), *opening]))
    told = [
        {
            "unsupervised": s.unsupervised,
            "unrenderable": s.unrenderable,
            "split_records": s.split_records,
            "open_ended": s.open_ended,
            "lost_thoughts": s.lost_thoughts,
            "turn_ends": s.turn_ends,
        }
        for s in splits
    ]
    aside = path.with_name(f".{path.name}.new")
    try:
        save_file(tensors, aside, metadata={"key": key, "told": json.dumps(told)})
        aside.replace(path)
    except SafetensorError as error:  # its words for a full disk
        raise OSError(str(error)) from error
    finally:
        aside.unlink(missing_ok=True)


def load_tokens(path: Path, key: str) -> list[Prepared] | None:
    """Return the splits that `save_tokens` wrote under the same key, or None."""
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("key") != key:
                return None
            told = json.loads(metadata["told"])
            return [_split(file, name, said) for name, said in zip("te", told, strict=True)]
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        return None  # absent or damaged: the tokens are made again


def _split(file: Any, name: str, said: dict[str, Any]) -> Prepared:
    lengths = file.get_tensor(f"{name}.lengths")
    ids = file.get_tensor(f"{name}.ids").astype(np.int64)
    supervised, opening = (
        np.unpackbits(file.get_tensor(f"{name}.{mask}"), count=len(ids)).astype(bool)
        for mask in ("supervised", "opening")
    )
    records, ends = file.get_tensor(f"{name}.records"), np.cumsum(lengths)
    opened = np.logical_or.reduceat(opening, ends - lengths) if len(ends) else np.empty(0, bool)
    examples = [
        Example(
            int(record),
            ids[end - length : end],
            supervised[end - length : end],
            opening[end - length : end] if has_opening else None,
        )
        for record, length, end, has_opening in zip(records, lengths, ends, opened, strict=True)
    ]
    ended = Counter({int(token): count for token, count in said.pop("turn_ends").items()})
    return Prepared(examples=examples, turn_ends=ended, **said)
