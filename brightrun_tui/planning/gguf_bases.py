"""GGUF files as base models: read from their header, unpacked once into a directory that can be trained."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError, BrightrunError
from brightrun_tui.domain.run import BaseModelRef
from brightrun_tui.gguf_header import GgufHeader, read_header
from brightrun_tui.integrations.packages import install_command, missing_packages
from brightrun_tui.paths import Paths
from brightrun_tui.planning.architecture import NO_TEMPLATE, Architecture, BaseModelInfo, Traits
from brightrun_tui.planning.base_directory import describe_directory
from brightrun_tui.planning.unpacked import (
    BYTES_PER_WEIGHT,
    BaseOrigin,
    Progress,
    dequantise,
    make_directory,
    read_origin,
)

SUFFIX = ".gguf"
MODEL_TYPES = {
    "llama": "llama",
    "mistral": "mistral",
    "qwen2": "qwen2",
    "qwen2moe": "qwen2_moe",
    "qwen3": "qwen3",
    "qwen3moe": "qwen3_moe",
    "gpt-oss": "gpt_oss",
    "lfm2": "lfm2",
    "falcon": "falcon",
    "phi3": "phi3",
    "bloom": "bloom",
    "stablelm": "stablelm",
    "gpt2": "gpt2",
    "starcoder2": "starcoder2",
    "nemotron": "nemotron",
    "gemma2": "gemma2",
    "gemma3": "gemma3_text",
    "gemma4": "gemma4_text",
    "minimax-m2": "minimax_m2",
}
"""What GGUF calls an architecture → what transformers calls it: those that it reads and that generate text with attention."""
NOT_GATED = {"gpt2", "falcon", "bloom", "starcoder2", "nemotron"}
FULL = ("F32", "F16", "BF16")
ORIGINAL = "take the original model (a directory or a Hugging Face id), or another GGUF file"
_PART = re.compile(r"-\d{5}-of-\d{5}$")
_EDGE = 4096


def is_gguf(path: Path) -> bool:
    """Say whether this names a GGUF file, going by its name."""
    return path.suffix.lower() == SUFFIX


def describe_gguf(file: Path, paths: Paths, *, model_id: str) -> BaseModelInfo:
    """Return what the file holds, by its header; where it is unpacked already, what was unpacked.

    Raises:
        BaseModelError: it is missing, damaged, or no model that can be trained; says which.
    """
    file = file.expanduser().resolve()
    found = _describe(file, _state(file))
    directory = _directory(found, paths)
    if read_origin(directory):
        made = describe_directory(directory, model_id=model_id, title=found.title)
        return made.model_copy(
            update={
                "ref": made.ref.model_copy(update={"quantisation": found.ref.quantisation}),
                "license": found.license,
                "warnings": (*made.warnings, *found.warnings),
            }
        )
    return found.model_copy(
        update={"id": model_id, "ref": BaseModelRef(id=model_id, quantisation=found.ref.quantisation)}
    )


def fetch_gguf(file: Path, paths: Paths, progress: Progress) -> None:
    """Unpack the file below the data directory, if that was not done before. Blocking.

    Raises:
        BaseModelError, BrightrunError: as `describe_gguf`, and when it cannot be unpacked.
    """
    file = file.expanduser().resolve()
    found = _describe(file, _state(file))

    def fill(aside: Path) -> BaseOrigin:
        dequantise(file, aside, found.parameters, progress)
        return BaseOrigin(source=file.name, quantisation=found.ref.quantisation, file=str(file))

    make_directory(_directory(found, paths), progress, fill)


def unpacked_files(paths: Paths) -> list[tuple[str, BaseModelInfo]]:
    """Return every GGUF file that was unpacked here and still lies where it was: its path and what it holds."""
    found = []
    for directory in sorted(paths.bases.glob("gguf-*")):
        origin = read_origin(directory)
        if origin and Path(origin.file).is_file():
            try:
                found.append((origin.file, describe_gguf(Path(origin.file), paths, model_id=origin.file)))
            except BrightrunError:
                continue
    return found


def _state(file: Path) -> tuple[int, int]:
    try:
        about = file.stat()
    except OSError as error:
        raise BaseModelError(
            f"the GGUF file cannot be read ({error.strerror})",
            where=str(file),
            fix="check the path",
            kind=ErrorKind.BASE_MISSING,
        ) from None
    return about.st_size, about.st_mtime_ns


def _directory(found: BaseModelInfo, paths: Paths) -> Path:
    return paths.bases / f"gguf-{found.ref.fingerprint.removeprefix('sha256:')[:16]}"


@lru_cache(maxsize=32)
def _describe(file: Path, state: tuple[int, int]) -> BaseModelInfo:
    """Describe a file by its header alone. The fingerprint is that of the file, not of what is made of it."""
    try:
        header = read_header(file)
    except OSError as error:
        raise BaseModelError(
            f"the GGUF file cannot be read ({error.strerror})",
            where=str(file),
            kind=ErrorKind.BASE_MISSING,
            fix="check the path and its permissions",
        ) from None
    except ValueError as error:
        raise _damaged(file, str(error)) from None
    name = header.text("general.architecture")
    _require_model(file, header, name)
    _require_whole(file, header)
    quantisation = _quantisation(header)
    architecture = _architecture(file, header, name)
    weights = sum(tensor.elements for tensor in header.tensors)
    template = header.text("tokenizer.chat_template")
    words = f", {quantisation} weights" if quantisation else ""
    return BaseModelInfo(
        id="",
        title=header.text("general.name") or file.stem,
        architecture=architecture,
        parameters=weights,
        weight_bytes=BYTES_PER_WEIGHT * weights,
        license=header.text("general.license"),
        has_chat_template=bool(template),
        traits=Traits.of_template(template),
        preparing=f"will be unpacked on this machine{words}",
        warnings=_warnings(header, bool(template)),
        ref=BaseModelRef(id="", fingerprint=_fingerprint(file, header), quantisation=quantisation),
    )


def _warnings(header: GgufHeader, template: bool) -> tuple[str, ...]:
    found = []
    if not template:
        found.append(NO_TEMPLATE)
    if any(tensor.name == "rope_freqs.weight" for tensor in header.tensors):
        found.append("How this model stretches its positions is not carried over from GGUF; long texts may suffer.")
    return tuple(found)


def _require_model(file: Path, header: GgufHeader, name: str) -> None:
    """Refuse what is not the language model in one file."""
    kind = header.text("general.type")
    if header.number("split.count", 1) > 1 or _PART.search(file.stem):
        raise BaseModelError(
            "this is one part of a GGUF file that was split",
            where=str(file),
            kind=ErrorKind.GGUF_SPLIT,
            fix="join the parts first: llama-gguf-split --merge FIRST_PART WHOLE.gguf",
        )
    if kind == "adapter":
        raise BaseModelError(
            "this GGUF file is an adapter, not a base model",
            where=str(file),
            kind=ErrorKind.BASE_IS_ADAPTER,
            fix="name the model that the adapter was trained on",
        )
    if kind == "mmproj" or name == "clip":
        raise BaseModelError(
            "this GGUF file is the part that sees pictures (mmproj), not the language model",
            where=str(file),
            kind=ErrorKind.GGUF_NO_MODEL,
            fix="give the GGUF file of the language model that is beside it",
        )
    if name not in MODEL_TYPES:
        raise BaseModelError(
            f"GGUF files of the architecture “{name or 'unnamed'}” cannot be trained",
            where=str(file),
            fix=f"known: {', '.join(sorted(MODEL_TYPES))}; else {ORIGINAL}",
            kind=ErrorKind.GGUF_ARCHITECTURE,
        )
    if not header.tensors:
        raise BaseModelError(
            "this GGUF file holds a vocabulary and no weights",
            where=str(file),
            kind=ErrorKind.GGUF_NO_MODEL,
            fix="give the GGUF file that holds the weights",
        )
    if not header.lengths.get("tokenizer.ggml.tokens"):
        raise BaseModelError(
            "there is no tokenizer in this GGUF file", where=str(file), fix=ORIGINAL, kind=ErrorKind.BASE_NO_TOKENIZER
        )


def _require_whole(file: Path, header: GgufHeader) -> None:
    """Refuse a file unless every tensor lies inside it and is of a kind that can be unpacked."""
    if missing := missing_packages():
        raise BrightrunError(
            f"GGUF files need {', '.join(missing)}",
            where=str(file),
            fix=f"run: {install_command('train')}",
            kind=ErrorKind.PACKAGES_MISSING,
        )
    import numpy as np
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
    from gguf.quants import dequantize

    expected = header.data_start
    for tensor in header.tensors:
        if tensor.kind not in GGML_QUANT_SIZES.keys():
            raise _damaged(file, f"“{tensor.name[:60]}” is of an unknown kind ({tensor.kind})")
        block, size = GGML_QUANT_SIZES[GGMLQuantizationType(tensor.kind)]
        expected = max(expected, header.data_start + tensor.offset + -(-tensor.elements // block) * size)
    if expected > header.size:
        raise _damaged(file, f"{header.size:,} of {expected:,} bytes are there")
    for kind in {tensor.kind for tensor in header.tensors}:
        name = GGMLQuantizationType(kind)
        try:
            dequantize(np.zeros((1, GGML_QUANT_SIZES[name][1]), np.uint8), name)
        except NotImplementedError:
            raise BaseModelError(
                f"weights of the kind {name.name} cannot be unpacked",
                where=str(file),
                fix=ORIGINAL,
                kind=ErrorKind.GGUF_QUANTISATION,
            ) from None


def _quantisation(header: GgufHeader) -> str:
    """Return what most weights are, such as Q4_K; nothing for whole numbers of 16 or 32 bits."""
    from gguf import GGMLQuantizationType

    counts: Counter[int] = Counter()
    for tensor in header.tensors:
        counts[tensor.kind] += tensor.elements
    name = GGMLQuantizationType(counts.most_common(1)[0][0]).name
    return "" if name in FULL else name


def _architecture(file: Path, header: GgufHeader, name: str) -> Architecture:
    def number(key: str, default: int = 0) -> int:
        value = header.number(f"{name}.{key}", default)
        if value < 1:
            raise _damaged(file, f"it does not say {name}.{key}")
        return value

    hidden, heads = number("embedding_length"), number("attention.head_count")
    experts = max(1, header.number(f"{name}.expert_count", 1))
    head = number("attention.key_length", max(1, hidden // heads))
    shapes: dict[str, Any] = {tensor.name: tensor.shape for tensor in header.tensors}
    if not shapes.get("token_embd.weight"):
        raise _damaged(file, "the embedding is missing")
    return Architecture(
        model_type=MODEL_TYPES[name],
        hidden=hidden,
        layers=number("block_count"),
        query_width=heads * head,
        kv_width=number("attention.head_count_kv", heads) * head,
        intermediate=number(
            "expert_feed_forward_length"
            if f"{name}.expert_feed_forward_length" in header.values
            else "feed_forward_length"
        ),
        vocab=shapes["token_embd.weight"][-1],
        tied="output.weight" not in shapes,
        context=number("context_length", 2048),
        experts=experts,
        active_experts=number("expert_used_count", 1) if experts > 1 else 1,
        gated_mlp=name not in NOT_GATED,
    )


def _fingerprint(file: Path, header: GgufHeader) -> str:
    """Return SHA-256 over size, header, and the beginning of every tensor: a few megabytes of any file."""
    total = hashlib.sha256(f"{header.size}\0".encode())
    with file.open("rb") as data:
        total.update(data.read(header.data_start))
        for tensor in sorted(header.tensors, key=lambda one: one.offset):
            data.seek(header.data_start + tensor.offset)
            total.update(data.read(_EDGE))
    return "sha256:" + total.hexdigest()


def _damaged(file: Path, detail: str) -> BaseModelError:
    return BaseModelError(
        f"the GGUF file is incomplete or damaged ({detail})",
        where=str(file),
        fix="delete it and download it again",
        kind=ErrorKind.BASE_DAMAGED,
    )
