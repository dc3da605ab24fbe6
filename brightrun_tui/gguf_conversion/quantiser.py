"""A GGUF file in 4 bits, Q4_K_M: its blocks are made by llama.cpp, from the library that serves models here.

That library has llama.cpp's quantisation of blocks, but not the program that goes through a file with it, which is this one.
Tensors get the types that llama.cpp gives them: 4 bits, and 6 for those that lose most.
"""

from __future__ import annotations

import ctypes
import importlib.util
import re
from pathlib import Path
from typing import Any

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError

_NARROW = {"Q4_K": "Q5_0", "Q6_K": "Q8_0"}
"""For rows that are no multiple of 256."""
_MOST_VALUES = 1 << 24
"""Of a tensor that are held in 32 bits at a time."""


def quantise(source: Path, target: Path) -> None:
    """Write the GGUF file ``source``, in 16 or 32 bits, to ``target`` as Q4_K_M.

    Raises:
        BrightrunError: llama.cpp's library is not here, or has no such function.
    """
    import gguf
    import numpy as np

    blocks = _block_maker()
    reader = gguf.GGUFReader(source)
    known = reader.get_field(gguf.Keys.General.ARCHITECTURE)
    writer = gguf.GGUFWriter(target, str(known.contents()) if known else "llama")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == gguf.Keys.General.ARCHITECTURE:
            continue
        inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        value = gguf.LlamaFileType.MOSTLY_Q4_K_M if field.name == gguf.Keys.General.FILE_TYPE else field.contents()
        writer.add_key_value(field.name, value, field.types[0], sub_type=inner)
    names = [tensor.name for tensor in reader.tensors]
    layers = 1 + max((_layer(name) for name in names), default=0)
    tied = "output.weight" not in names
    chosen = []
    for tensor in reader.tensors:
        width = int(tensor.shape[0])
        kind = _kind(tensor.name, len(tensor.shape), width, layers, tied)
        into = gguf.GGMLQuantizationType[kind] if kind else tensor.tensor_type
        chosen.append(into)
        if kind is None:
            writer.add_tensor_info(tensor.name, tensor.data.shape, tensor.data.dtype, tensor.data.nbytes, into)
            continue
        shape = gguf.quant_shape_to_byte_shape([int(size) for size in reversed(tensor.shape)], into)
        writer.add_tensor_info(tensor.name, shape, np.dtype(np.uint8), int(np.prod(shape)), into)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor, into in zip(reader.tensors, chosen, strict=True):
        data: Any = tensor.data
        if into != tensor.tensor_type:
            rows = data.reshape(-1, data.shape[-1])
            step = max(1, _MOST_VALUES // rows.shape[-1])
            cuts = [blocks(rows[at : at + step], int(into)) for at in range(0, len(rows), step)]
            data = np.concatenate(cuts).reshape(*data.shape[:-1], -1)
        writer.write_tensor_data(data)
    writer.close()


def _kind(name: str, dimensions: int, width: int, layers: int, tied: bool) -> str | None:
    """Return the type of a tensor by its name, as llama.cpp has it in Q4_K_M; None where it stays as it is."""
    if dimensions < 2 or not name.endswith(".weight") or "norm" in name or "ffn_gate_inp" in name or width % 32:
        return None
    layer, eighth = _layer(name), layers // 8
    more = layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2
    outermost = name == ("token_embd.weight" if tied else "output.weight")
    fine = outermost or (more and ("attn_v." in name or "ffn_down" in name))
    kind = "Q6_K" if fine else "Q4_K"
    return _NARROW[kind] if width % 256 else kind


def _layer(name: str) -> int:
    found = re.match(r"blk\.(\d+)\.", name)
    return int(found[1]) if found else 0


def _block_maker() -> Any:
    """Return ``(rows, type) → bytes``, which packs rows of numbers as blocks of a ggml type, by llama.cpp."""
    import gguf
    import numpy as np

    spec = importlib.util.find_spec("xllamacpp")
    place = Path(spec.origin).parent if spec and spec.origin else None
    files = sorted(place.glob("xllamacpp*.so")) if place else []
    try:
        make = ctypes.CDLL(str(files[0])).ggml_quantize_chunk
    except (IndexError, OSError, AttributeError):
        raise BrightrunError(
            "llama.cpp's quantiser is not installed",
            where="xllamacpp",
            fix="pip install 'brightrun[serve]', or export it in 8 or 16 bits (gguf, gguf-f16)",
            kind=ErrorKind.SERVE_EXTRA_MISSING,
        ) from None
    make.restype = ctypes.c_size_t
    make.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p]

    def blocks(rows: Any, kind: int) -> Any:
        values = np.ascontiguousarray(rows, dtype=np.float32)
        of, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType(kind)]
        made = np.empty((len(values), values.shape[1] // of * size), dtype=np.uint8)
        make(kind, values.ctypes.data, made.ctypes.data, 0, len(values), values.shape[1], None)
        return made

    return blocks
