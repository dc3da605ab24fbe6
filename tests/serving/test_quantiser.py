"""A GGUF file in 4 bits: what llama.cpp's own blocks keep of the numbers, and what is kept as it was."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.gguf_conversion import quantiser

LAYERS = 8
TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"
_RANDOM = np.random.default_rng(3)


def numbers(*shape: int) -> np.ndarray:
    return _RANDOM.standard_normal(shape).astype(np.float16)


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    found = {"token_embd.weight": numbers(64, 256), "output.weight": numbers(64, 256)}
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_v", "ffn_down"):
            found[f"blk.{layer}.{name}.weight"] = numbers(32, 256)
        found[f"blk.{layer}.ffn_up.weight"] = numbers(32, 96)
        found[f"blk.{layer}.attn_norm.weight"] = numbers(256).astype(np.float32)
    return found


@pytest.fixture(scope="module")
def small(tensors: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> gguf.GGUFReader:
    place = tmp_path_factory.mktemp("gguf")
    writer = gguf.GGUFWriter(place / "whole.gguf", "llama")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_block_count(LAYERS)
    writer.add_chat_template(TEMPLATE)
    writer.add_token_list(["a", "é", "\n"])
    for name, data in tensors.items():
        writer.add_tensor(name, data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    quantiser.quantise(place / "whole.gguf", place / "small.gguf")
    assert (place / "small.gguf").stat().st_size < 0.5 * (place / "whole.gguf").stat().st_size
    return gguf.GGUFReader(place / "small.gguf")


def test_the_numbers_are_near_what_they_were(tensors: dict[str, np.ndarray], small: gguf.GGUFReader) -> None:
    assert {tensor.name for tensor in small.tensors} == set(tensors)
    for tensor in small.tensors:
        wanted = tensors[tensor.name].astype(np.float32)
        found = gguf.dequantize(tensor.data, tensor.tensor_type).reshape(wanted.shape)
        assert np.abs(found - wanted).mean() < 0.1 * np.abs(wanted).mean(), tensor.name


def test_those_that_lose_most_get_more_bits_and_norms_stay(small: gguf.GGUFReader) -> None:
    kinds = {tensor.name: tensor.tensor_type.name for tensor in small.tensors}
    assert kinds["output.weight"] == "Q6_K" and kinds["token_embd.weight"] == kinds["blk.0.attn_q.weight"] == "Q4_K"
    fine = {layer for layer in range(LAYERS) if kinds[f"blk.{layer}.ffn_down.weight"] == "Q6_K"}
    assert fine == {0, 3, 6, 7}, "not the layers that llama.cpp takes"
    assert kinds["blk.0.ffn_up.weight"] == "Q5_0", "rows that no block of 256 fits into"
    assert kinds["blk.0.attn_norm.weight"] == "F32"


def test_what_is_said_of_the_model_goes_along(small: gguf.GGUFReader) -> None:
    said = {name: field.contents() for name, field in small.fields.items()}
    assert said["general.file_type"] == gguf.LlamaFileType.MOSTLY_Q4_K_M
    assert said["tokenizer.chat_template"] == TEMPLATE and said["tokenizer.ggml.tokens"] == ["a", "é", "\n"]
    assert said["general.architecture"] == "llama" and said["llama.block_count"] == LAYERS


def test_without_llama_cpp_the_other_forms_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(BrightrunError, match="quantiser") as error:
        quantiser.quantise(tmp_path / "a", tmp_path / "b")
    assert "gguf-f16" in error.value.fix
