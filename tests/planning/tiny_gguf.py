"""Writes GGUF files that are real in form: a small Llama with random quantised weights and a byte-level vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np

HIDDEN, LAYERS, HEADS, KV_HEADS, INNER, CONTEXT = 64, 2, 4, 2, 128, 256
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
Q8_0 = gguf.GGMLQuantizationType.Q8_0


def write_gguf(
    file: Path,
    *,
    architecture: str = "llama",
    values: dict[str, Any] | None = None,
    tensors: bool = True,
    tokenizer: bool = True,
    more_tensors: dict[str, np.ndarray[Any, Any]] | None = None,
    seed: int = 0,
) -> Path:
    """A complete file; ``values`` (texts and numbers) and ``more_tensors`` go in besides."""
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_name("Tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    words = _words()
    if tokenizer:
        writer.add_tokenizer_model("gpt2")
        writer.add_token_list(words)
        writer.add_token_types([3] * 3 + [1] * (len(words) - 3))
        writer.add_token_merges(["t h", "th e"])
        writer.add_eos_token_id(2)
        writer.add_bos_token_id(1)
        writer.add_pad_token_id(0)
        writer.add_chat_template(CHATML)
    for key, value in (values or {}).items():
        if isinstance(value, str):
            writer.add_string(key, value)
        else:
            writer.add_uint32(key, value)
    if tensors:
        for name, weights in _weights(len(words), seed).items():
            if weights.ndim == 1:
                writer.add_tensor(name, weights)
            else:
                writer.add_tensor(name, gguf.quants.quantize(weights, Q8_0), raw_dtype=Q8_0)
    for name, extra in (more_tensors or {}).items():
        writer.add_tensor(name, extra)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _words() -> list[str]:
    """Three control tokens, one for each byte (as GPT-2 spells bytes), and what two merges make."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spelled = [chr(byte) for byte in printable] + [chr(256 + place) for place in range(256 - len(printable))]
    return ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *spelled, "th", "the"]


def _weights(vocab: int, seed: int) -> dict[str, np.ndarray[Any, Any]]:
    dice = np.random.default_rng(seed)
    kv = HIDDEN // HEADS * KV_HEADS
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (vocab, HIDDEN), "output_norm.weight": (HIDDEN,)}
    for layer in range(LAYERS):
        one = {
            "attn_q": (HIDDEN, HIDDEN),
            "attn_k": (kv, HIDDEN),
            "attn_v": (kv, HIDDEN),
            "attn_output": (HIDDEN, HIDDEN),
            "ffn_gate": (INNER, HIDDEN),
            "ffn_up": (INNER, HIDDEN),
            "ffn_down": (HIDDEN, INNER),
            "attn_norm": (HIDDEN,),
            "ffn_norm": (HIDDEN,),
        }
        shapes |= {f"blk.{layer}.{name}.weight": shape for name, shape in one.items()}
    return {
        name: np.ones(shape, np.float32) if len(shape) == 1 else dice.normal(0, 0.05, shape).astype(np.float32)
        for name, shape in shapes.items()
    }
