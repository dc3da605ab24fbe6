"""Read a base model's directory: architecture, completeness, fingerprint. Reads some 100 kB, whatever its size."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from functools import lru_cache
from pathlib import Path
from typing import Any

from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.domain.run import BaseModelRef
from brightrun_tui.planning.architecture import BaseModelInfo, read_architecture

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
EDGE = 64 * 1024
LARGEST_HEADER = 100 << 20


def describe_directory(directory: Path, *, model_id: str, title: str = "", revision: str = "") -> BaseModelInfo:
    """What lies in ``directory``; the answer is kept until a file there changes.

    Raises:
        BaseModelError: it is no complete base model; says what is missing and how to get it.
    """
    directory = directory.expanduser().resolve()
    try:
        state = tuple(
            sorted((entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in directory.iterdir())
        )
    except NotADirectoryError:
        raise BaseModelError(
            "this is a file; a base model is a directory",
            where=str(directory),
            fix="give the directory that holds config.json and the weights",
            kind="base_missing",
        ) from None
    except OSError as error:
        raise BaseModelError(
            f"the base model's directory cannot be read ({error.strerror})",
            where=error.filename or str(directory),
            fix="check the path",
            kind="base_missing",
        ) from None
    info = _describe(directory, state)
    return info.model_copy(
        update={
            "id": model_id,
            "title": title or directory.name,
            "ref": info.ref.model_copy(update={"id": model_id, "revision": revision}),
        }
    )


@lru_cache(maxsize=32)
def _describe(directory: Path, state: tuple[tuple[str, int, int], ...]) -> BaseModelInfo:
    names = {name for name, _, _ in state}
    _require_config(directory, names)
    config = _read_json(directory / "config.json")
    architecture = read_architecture(config, str(directory / "config.json"))
    shards = _weight_files(directory, names)
    headers = [_read_safetensors_header(shard) for shard in shards]
    if "tie_word_embeddings" not in config:
        architecture = architecture.model_copy(
            update={"tied": not any("lm_head.weight" in header for header in headers)}
        )
    if not names & set(TOKENIZER_FILES):
        raise BaseModelError(
            "there is no tokenizer beside the weights",
            where=str(directory),
            fix="copy tokenizer.json and tokenizer_config.json from the original model",
            kind="base_no_tokenizer",
        )
    template = _has_chat_template(directory, names)
    warnings = (
        [] if template else ["This model has no chat template of its own. Choose an “instruct” version for chats."]
    )
    if quantisation := config.get("quantization_config"):
        warnings.append(
            f"The weights are quantised already ({quantisation.get('quant_method', 'unknown method')}); "
            "the original weights give better results."
        )
    return BaseModelInfo(
        id="",
        title="",
        architecture=architecture,
        parameters=sum(sum(header.values()) for header in headers),
        present=True,
        has_chat_template=template,
        weight_bytes=sum(shard.stat().st_size for shard in shards),
        warnings=tuple(warnings),
        ref=BaseModelRef(id="", path=str(directory), fingerprint=_fingerprint(directory, names, shards)),
    )


def _require_config(directory: Path, names: set[str]) -> None:
    if "config.json" in names:
        return
    if "adapter_config.json" in names:
        raise BaseModelError(
            "this is an adapter, not a base model",
            where=str(directory),
            fix="name the model that the adapter was trained on",
            kind="base_is_adapter",
        )
    if any(name.endswith(".gguf") for name in names):
        raise BaseModelError(
            "this directory holds GGUF files and no Hugging Face model",
            where=str(directory),
            fix="give the GGUF file itself: --base DIRECTORY/FILE.gguf",
            kind="base_is_gguf",
        )
    raise BaseModelError(
        "there is no config.json: this is no Hugging Face model directory",
        where=str(directory),
        fix="give the directory that holds config.json, the tokenizer and model.safetensors",
        kind="base_no_config",
    )


def _weight_files(directory: Path, names: set[str]) -> list[Path]:
    if INDEX in names:
        index = _read_json(directory / INDEX)
        wanted = sorted({str(name) for name in (index.get("weight_map") or {}).values()})
        missing = [name for name in wanted if name not in names]
        if missing or not wanted:
            raise BaseModelError(
                f"{len(missing)} of {len(wanted)} weight files are missing ({', '.join(missing[:3])})",
                where=str(directory),
                fix="download the model again; what is there is kept",
                kind="base_incomplete",
            )
        return [directory / name for name in wanted]
    if "model.safetensors" in names:
        return [directory / "model.safetensors"]
    if any(name.endswith((".bin", ".pth", ".pt")) for name in names):
        raise BaseModelError(
            "the weights are only there in PyTorch's old pickle format, which can run code when opened",
            where=str(directory),
            kind="base_pickle",
            fix="take a version with safetensors, or convert it on a machine you trust: "
            "AutoModelForCausalLM.from_pretrained(…).save_pretrained(…)",
        )
    raise BaseModelError(
        "there are no weights in this directory",
        where=str(directory),
        fix="download the whole model: model.safetensors is missing",
        kind="base_no_weights",
    )


def _read_safetensors_header(path: Path) -> dict[str, int]:
    """Number of elements of every tensor in a safetensors file, which must be whole.

    Format: 8 bytes little-endian length, then that much JSON with ``data_offsets`` of each tensor into the rest.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else LARGEST_HEADER + 1
        if length > min(LARGEST_HEADER, size):
            raise _damaged(path, "its beginning makes no sense")
        try:
            header = json.loads(file.read(length))
        except ValueError:
            raise _damaged(path, "its beginning makes no sense") from None
    tensors = {name: tensor for name, tensor in header.items() if name != "__metadata__"}
    expected = 8 + length + max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
    if size < expected:
        raise _damaged(path, f"{size:,} of {expected:,} bytes are there")
    return {name: math.prod(tensor["shape"]) for name, tensor in tensors.items()}


def _damaged(path: Path, detail: str) -> BaseModelError:
    return BaseModelError(
        f"the weight file is incomplete or damaged ({detail})",
        where=str(path),
        fix="delete it and download the model again",
        kind="base_damaged",
    )


def _has_chat_template(directory: Path, names: set[str]) -> bool:
    if names & {"chat_template.jinja", "chat_template.json"}:
        return True
    return "tokenizer_config.json" in names and bool(
        _read_json(directory / "tokenizer_config.json").get("chat_template")
    )


def _fingerprint(directory: Path, names: set[str], shards: list[Path]) -> str:
    """SHA-256 over the describing files, and over names, sizes and both ends of the weight files."""
    total = hashlib.sha256()
    for name in DESCRIBING_FILES:
        if name in names:
            total.update(name.encode() + b"\0" + hashlib.sha256((directory / name).read_bytes()).digest())
    for shard in shards:
        size = shard.stat().st_size
        total.update(f"{shard.name}\0{size}\0".encode())
        with shard.open("rb") as file:
            total.update(file.read(EDGE))
            file.seek(max(0, size - EDGE))
            total.update(file.read(EDGE))
    return "sha256:" + total.hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BaseModelError(
            f"cannot be read ({error.strerror})", where=str(path), fix="check the permissions", kind="base_missing"
        ) from None
    except ValueError as error:
        raise BaseModelError(
            f"is no valid JSON ({error})", where=str(path), fix="download the model again", kind="base_damaged"
        ) from None
    if not isinstance(document, dict):
        raise BaseModelError("is no JSON object", where=str(path), fix="download the model again", kind="base_damaged")
    return document
