"""Writes base-model directories that are real in form: config, tokenizer, chat template, safetensors."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 256,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + ' </s>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] }}{% endif %}{{ ' ' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)


def safetensors(shapes: Mapping[str, tuple[int, ...]], fill: int = 0) -> bytes:
    """A float32 safetensors file: length of the header, header, numbers."""
    header, offset = {}, 0
    for name, shape in shapes.items():
        size = 4
        for extent in shape:
            size *= extent
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    document = json.dumps(header).encode()
    return struct.pack("<Q", len(document)) + document + bytes([fill]) * offset


WEIGHTS = {"model.embed_tokens.weight": (256, 64), "model.layers.0.self_attn.q_proj.weight": (64, 64)}


def write_model(directory: Path, *, config: dict[str, Any] | None = None, weight_rows: int = 256) -> Path:
    """A complete directory; the caller takes away or breaks what a test is about."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(CONFIG | (config or {})))
    (directory / "tokenizer.json").write_text(json.dumps(word_tokenizer()))
    (directory / "tokenizer_config.json").write_text(json.dumps({"chat_template": CHAT_TEMPLATE, "eos_token": "</s>"}))
    shapes = WEIGHTS | {"model.embed_tokens.weight": (weight_rows, 64)}
    (directory / "model.safetensors").write_bytes(safetensors(shapes))
    return directory


def word_tokenizer() -> dict[str, Any]:
    """One token a word, in the format of the tokenizers library."""
    return {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "truncation": None,
        "padding": None,
        "model": {"type": "WordLevel", "vocab": {"?": 0}, "unk_token": "?"},
    }
