"""Whether the files of an adapter are what they should be: looked into without running anything of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from brightrun_tui import foreign_files
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.run_directory import ADAPTER_CONFIG, ADAPTER_WEIGHTS, MANIFEST
from brightrun_tui.foreign_files import ForeignFileError, SafetensorsHeader, read_safetensors_header

_MAX_HEADER_BYTES = 16 << 20
_LAYERS = (
    *("target_modules", "exclude_modules", "modules_to_save", "layers_pattern", "rank_pattern", "alpha_pattern"),
    *("target_parameters", "layer_replication"),
)
"""What PEFT takes for patterns, and matches against each layer of the base: one can be made that it never gets through."""
_OTHERWISE = (
    *(
        "loftq_config",
        "eva_config",
        "corda_config",
        "lora_ga_config",
        "kasa_config",
        "velora_config",
        "monteclora_config",
    ),
    *(
        "arrow_config",
        "alora_invocation_tokens",
        "trainable_token_indices",
        "use_bdlora",
        "use_qalora",
        "runtime_config",
    ),
)
"""What PEFT does otherwise where these are given: it prepares weights anew (for any number of rounds, or from files that are
named), or loads and computes others than those of the matrices."""
_LAYER = re.compile(r"[\w.-]{1,200}")
_DOWN = "_A"
"""In the names of the matrices whose first dimension is the rank: ``lora_A`` and ``lora_embedding_A``."""
_MOST_SCALE = 1_000_000
_PEFT_RANK, _MOST_RANK = 8, 1024
"""What PEFT takes where none is given; and the most that is taken from others: several times what servers can hold."""


_PIECE_BYTES = 1 << 20


def _marking(bits: int) -> bytes:
    """Return a table for ``bytes.translate``: 1 for each byte in which all of these bits are set, else 0."""
    return bytes(byte & bits == bits for byte in range(256))


_NOT_FINITE = {
    "F64": (8, _marking(0x7F), _marking(0xF0)),
    "F32": (4, _marking(0x7F), _marking(0x80)),
    "BF16": (2, _marking(0x7F), _marking(0x80)),
    "F16": (2, _marking(0x7C), _marking(0x00)),
}
"""By type its bytes, and which bits of its last and its last but one byte are the exponent."""


class UntrustedError(BrightrunError):
    """Files that are not what they should be."""


def check_adapter(directory: Path, where: str) -> None:
    """Look into the adapter without running anything of it.

    Raises:
        UntrustedError: it is not a LoRA adapter, names code to import or patterns of layers, or its weights file is malformed.
    """
    config = read_json(directory / ADAPTER_CONFIG, where)
    if config.get("peft_type") != "LORA":
        raise UntrustedError("this is not a LoRA adapter", where=f"{where}: {ADAPTER_CONFIG}", kind=ErrorKind.NOT_LORA)
    for key in ("auto_mapping", "megatron_config"):
        if config.get(key):
            raise UntrustedError(
                f"its “{key}” would import code", where=f"{where}: {ADAPTER_CONFIG}", kind=ErrorKind.CUSTOM_CODE
            )
    for key in _OTHERWISE:
        if config.get(key):
            raise UntrustedError(
                f"its “{key}” makes it another kind of adapter than plain LoRA, or computes one anew",
                where=f"{where}: {ADAPTER_CONFIG}",
                kind=ErrorKind.NOT_LORA,
            )
    if config.get("init_lora_weights", True) not in (True, False, None):
        raise UntrustedError(
            "its “init_lora_weights” would compute weights that are there already, for as long as it likes",
            where=f"{where}: {ADAPTER_CONFIG}",
            kind=ErrorKind.NOT_LORA,
        )
    for key in _LAYERS:
        given = config.get(key) or []
        names = [given] if isinstance(given, str) else given if isinstance(given, list | dict) else [given]
        if not all(isinstance(name, str) and _LAYER.fullmatch(name) for name in names):
            raise UntrustedError(
                f"its “{key}” are not names of layers", where=f"{where}: {ADAPTER_CONFIG}", kind=ErrorKind.BAD_JSON
            )
    for path in directory.glob("*.json"):
        if path.name != MANIFEST and "auto_map" in read_json(path, where):
            raise UntrustedError(
                "its “auto_map” would run code", where=f"{where}: {path.name}", kind=ErrorKind.CUSTOM_CODE
            )
    _check_ranks(config, check_safetensors(directory / ADAPTER_WEIGHTS, where), where)
    _check_scales(config, where)


def _check_scales(config: dict[str, Any], where: str) -> None:
    """Require that the weights are multiplied by finite numbers. Raises `UntrustedError`."""
    patterns = config.get("alpha_pattern")
    for scale in (config.get("lora_alpha", 0), *(patterns.values() if isinstance(patterns, dict) else ())):
        if not isinstance(scale, int | float) or isinstance(scale, bool) or not abs(scale) <= _MOST_SCALE:
            raise UntrustedError(
                f"its scale “{str(scale)[:40]}” is not a number of at most {_MOST_SCALE:,}",
                where=f"{where}: {ADAPTER_CONFIG}",
                kind=ErrorKind.BAD_JSON,
            )


def _check_ranks(config: dict[str, Any], weights: SafetensorsHeader, where: str) -> None:
    """Refuse ranks wider than any of the weights, and enormous ones where layers have ranks of their own: what is built
    before a weight is read goes by the configuration.

    Raises:
        UntrustedError: a rank is not a number, or is larger than any of the weights.
    """
    held = [tensor.shape[0] for name, tensor in weights.tensors.items() if tensor.elements and _DOWN in name]
    patterns = config.get("rank_pattern")
    others = list(patterns.values()) if isinstance(patterns, dict) else []
    most = min(_MOST_RANK, max(held)) if held and not others else _MOST_RANK
    for rank in (config.get("r", _PEFT_RANK), *others):
        if not isinstance(rank, int) or isinstance(rank, bool) or not 1 <= rank <= most:
            raise UntrustedError(
                f"its rank “{str(rank)[:40]}” is not one of its weights, which are of {most} at most",
                where=f"{where}: {ADAPTER_CONFIG}",
                kind=ErrorKind.BAD_JSON,
            )


def check_safetensors(path: Path, where: str) -> SafetensorsHeader:
    """Return its header. Raises `UntrustedError` unless that is JSON and its tensors fill the rest of the file exactly."""
    place = f"{where}: {path.name}"
    try:
        header = read_safetensors_header(path, _MAX_HEADER_BYTES)
    except ForeignFileError as error:
        raise UntrustedError(
            f"the file of its weights {error.what}", where=place, kind=ErrorKind.BAD_SAFETENSORS
        ) from None
    spans = sorted(tuple(tensor.data_offsets) for tensor in header.tensors.values())
    edges = [0, *(end for _, end in spans)]
    if (
        not spans
        or any(start != edge for (start, _), edge in zip(spans, edges, strict=False))
        or edges[-1] != header.data_bytes
    ):
        raise UntrustedError(
            "its weights cannot be read (tensors do not fill the file)", where=place, kind=ErrorKind.BAD_SAFETENSORS
        )
    return header


def check_finite(path: Path, where: str) -> None:
    """Read all weights of an adapter.

    Raises:
        UntrustedError: one of them is infinite or no number: a model with it answers nothing. As `check_safetensors`.
    """
    header = check_safetensors(path, where)
    with path.open("rb") as file:
        for name, tensor in header.tensors.items():
            start, end = tensor.data_offsets
            file.seek(header.data_start + start)
            while end > start and tensor.dtype in _NOT_FINITE:
                piece = file.read(min(_PIECE_BYTES, end - start))
                start += len(piece) or end
                if not _is_finite(piece, tensor.dtype):
                    raise UntrustedError(
                        f"a weight of “{name[:120]}” is infinite, or no number",
                        where=f"{where}: {path.name}",
                        fix="train it again; with such a weight a model answers nothing",
                        kind=ErrorKind.NOT_FINITE,
                    )


def _is_finite(piece: bytes, dtype: str) -> bool:
    """Look at the exponents alone: they have every bit set in what is infinite or no number. Little-endian, as the format is."""
    size, high, low = _NOT_FINITE[dtype]
    marks = int.from_bytes(piece[size - 1 :: size].translate(high), "little")
    return not marks & int.from_bytes(piece[size - 2 :: size].translate(low), "little")


def read_json(path: Path, where: str) -> dict[str, Any]:
    """Return a JSON object of reasonable size. Raises `UntrustedError`."""
    try:
        return foreign_files.read_json(path)
    except ForeignFileError as error:
        raise UntrustedError(f"{path.name} {error.what}", where=where, kind=ErrorKind.BAD_JSON) from None
