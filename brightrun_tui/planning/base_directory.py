"""Read a base model's directory: architecture, completeness, fingerprint. Reads some 100 kB, whatever its size."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.domain.run import BaseModelRef
from brightrun_tui.domain.run_directory import ADAPTER_CONFIG
from brightrun_tui.foreign_files import ForeignFileError, read_bytes, read_json, read_model, read_safetensors_header
from brightrun_tui.planning.architecture import NO_TEMPLATE, BaseModelInfo, Traits, read_architecture
from brightrun_tui.planning.model_card import CARD, CardFacts, card_facts

DESCRIBING_FILES = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
)
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")
INDEX = "model.safetensors.index.json"
MAX_ENTRIES = 10_000
EDGE = 64 * 1024
MAX_TEMPLATE_BYTES = 4 << 20
MAX_DESCRIBING_BYTES = 256 << 20
"""Tokenizers of large vocabularies have some 30 MB."""


class ShardIndex(BaseModel):
    """``model.safetensors.index.json``: the file of each tensor, a name in the same directory."""

    model_config = ConfigDict(frozen=True)

    weight_map: dict[str, Annotated[str, Field(pattern=r"^[^/\\\x00]{1,255}$")]]


def describe_directory(directory: Path, *, model_id: str, title: str = "", revision: str = "") -> BaseModelInfo:
    """Describe the model in ``directory``; the answer is kept until a file there changes.

    Raises:
        BaseModelError: it is not a complete base model; says what is missing and how to get it.
    """
    directory = Path(os.path.realpath(directory))
    try:
        state = tuple(sorted((entry.name, seen.st_size, seen.st_mtime_ns) for entry, seen in _entries(directory)))
    except NotADirectoryError:
        raise BaseModelError(
            "this is a file; a base model is a directory",
            where=str(directory),
            fix="give the directory that holds config.json and the weights",
            kind=ErrorKind.BASE_MISSING,
        ) from None
    except (OSError, ValueError) as error:
        raise BaseModelError(
            f"the base model's directory cannot be read ({getattr(error, 'strerror', None) or error})",
            where=str(getattr(error, "filename", None) or directory),
            fix="check the path",
            kind=ErrorKind.BASE_MISSING,
        ) from None
    info = _describe(directory, state)
    return info.model_copy(
        update={
            "id": model_id,
            "title": title or directory.name,
            "ref": info.ref.model_copy(update={"id": model_id, "revision": revision}),
        }
    )


def _entries(directory: Path) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    """Yield what lies there, with its state. A link that leads nowhere is left out: its file is missing. Raises
    ``OSError``.
    """
    with os.scandir(directory) as entries:
        for number, entry in enumerate(entries):
            if number >= MAX_ENTRIES:
                raise OSError(errno.EFBIG, f"more than {MAX_ENTRIES:,} files", str(directory))
            with suppress(FileNotFoundError):
                yield entry, entry.stat()


@contextmanager
def _refused() -> Iterator[None]:
    """Turn an error of one file into an error of the model."""
    try:
        yield
    except ForeignFileError as error:
        name = Path(error.where).name
        unreadable = error.kind == ErrorKind.FILE_NOT_READABLE
        raise BaseModelError(
            f"{name} {error.what}",
            where=error.where,
            fix="check the permissions" if unreadable else "delete it and fetch the model again",
            kind=ErrorKind.BASE_MISSING if unreadable else ErrorKind.BASE_DAMAGED,
        ) from None


@lru_cache(maxsize=32)
def _describe(directory: Path, state: tuple[tuple[str, int, int], ...]) -> BaseModelInfo:
    with _refused():
        return _read_directory(directory, {name for name, _, _ in state})


def _read_directory(directory: Path, names: set[str]) -> BaseModelInfo:
    _require_config(directory, names)
    config = read_json(directory / "config.json")
    architecture = read_architecture(config, str(directory / "config.json"))
    shards = _weight_files(directory, names)
    headers = [read_safetensors_header(shard).tensors for shard in shards]
    if "tie_word_embeddings" not in config:
        architecture = architecture.model_copy(
            update={"tied": not any("lm_head.weight" in header for header in headers)}
        )
    if not names & set(TOKENIZER_FILES):
        raise BaseModelError(
            "there is no tokenizer beside the weights",
            where=str(directory),
            fix="copy tokenizer.json and tokenizer_config.json from the original model",
            kind=ErrorKind.BASE_NO_TOKENIZER,
        )
    template = _chat_template(directory, names)
    warnings = [] if template else [NO_TEMPLATE]
    if quantisation := config.get("quantization_config"):
        method = quantisation.get("quant_method") if isinstance(quantisation, dict) else None
        warnings.append(
            f"The weights are quantised already ({str(method)[:40] if method else 'unknown method'}); "
            "the original weights give better results."
        )
    card = card_facts(directory) if CARD in names else CardFacts()
    return BaseModelInfo(
        id="",
        title="",
        architecture=architecture,
        parameters=sum(tensor.elements for header in headers for tensor in header.values()),
        present=True,
        has_chat_template=bool(template),
        traits=Traits.of_template(template, card.languages),
        license=card.license,
        weight_bytes=sum(shard.stat().st_size for shard in shards),
        warnings=tuple(warnings),
        ref=BaseModelRef(id="", path=str(directory), fingerprint=_fingerprint(directory, names, shards)),
    )


def _require_config(directory: Path, names: set[str]) -> None:
    if "config.json" in names:
        return
    if ADAPTER_CONFIG in names:
        raise BaseModelError(
            "this is an adapter, not a base model",
            where=str(directory),
            fix="name the model that the adapter was trained on",
            kind=ErrorKind.BASE_IS_ADAPTER,
        )
    if any(name.endswith(".gguf") for name in names):
        raise BaseModelError(
            "this directory holds GGUF files and no Hugging Face model",
            where=str(directory),
            fix="give the GGUF file itself: --base DIRECTORY/FILE.gguf",
            kind=ErrorKind.BASE_IS_GGUF,
        )
    raise BaseModelError(
        "there is no config.json: this is not a Hugging Face model directory",
        where=str(directory),
        fix="give the directory that holds config.json, the tokenizer and model.safetensors",
        kind=ErrorKind.BASE_NO_CONFIG,
    )


def _weight_files(directory: Path, names: set[str]) -> list[Path]:
    if INDEX in names:
        wanted = sorted(set(read_model(directory / INDEX, ShardIndex).weight_map.values()))
        missing = [name for name in wanted if name not in names]
        if missing or not wanted:
            raise BaseModelError(
                f"{len(missing)} of {len(wanted)} weight files are missing ({', '.join(missing[:3])})",
                where=str(directory),
                fix="download the model again; what is there is kept",
                kind=ErrorKind.BASE_INCOMPLETE,
            )
        return [directory / name for name in wanted]
    if "model.safetensors" in names:
        return [directory / "model.safetensors"]
    if any(name.endswith((".bin", ".pth", ".pt")) for name in names):
        raise BaseModelError(
            "the weights are only there in PyTorch's old pickle format, which can run code when opened",
            where=str(directory),
            kind=ErrorKind.BASE_PICKLE,
            fix="take a version with safetensors, or convert it on a machine you trust: "
            "AutoModelForCausalLM.from_pretrained(…).save_pretrained(…)",
        )
    raise BaseModelError(
        "there are no weights in this directory",
        where=str(directory),
        fix="download the whole model: model.safetensors is missing",
        kind=ErrorKind.BASE_NO_WEIGHTS,
    )


def _chat_template(directory: Path, names: set[str]) -> str:
    """Return the text of it, or of all of them where there are several; empty where there is none."""
    if "chat_template.jinja" in names:
        return read_bytes(directory / "chat_template.jinja", MAX_TEMPLATE_BYTES).decode("utf-8", "replace")
    for name in ("chat_template.json", "tokenizer_config.json"):
        if name in names and (found := read_json(directory / name).get("chat_template")):
            return found if isinstance(found, str) else json.dumps(found)
    return ""


def _fingerprint(directory: Path, names: set[str], shards: list[Path]) -> str:
    """Return SHA-256 over the describing files, and over names, sizes and both ends of the weight files."""
    total = hashlib.sha256()
    for name in DESCRIBING_FILES:
        if name in names:
            total.update(
                name.encode() + b"\0" + hashlib.sha256(read_bytes(directory / name, MAX_DESCRIBING_BYTES)).digest()
            )
    for shard in shards:
        size = shard.stat().st_size
        total.update(f"{shard.name}\0{size}\0".encode())
        with shard.open("rb") as file:
            total.update(file.read(EDGE))
            file.seek(max(0, size - EDGE))
            total.update(file.read(EDGE))
    return "sha256:" + total.hexdigest()
