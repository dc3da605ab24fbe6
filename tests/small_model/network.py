"""A Llama as a few plain functions, fast on a CPU: fused projections, fused attention.

The weights carry over to transformers' `LlamaForCausalLM` one to one (`as_llama`); a test holds the two to the
same logits. It exists because importing and stepping the general class costs a quarter of the time the small model
has, and because training needs no cache and no padding.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .recipe import Shape

NORM_EPS = 1e-5
ROPE_THETA = 10_000.0


class Layer:
    """Weights of one block: ``qkv`` and ``gate_up`` hold the projections that read the same input."""

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        width, inner = shape.hidden_size, shape.intermediate_size
        qkv_rows = (shape.num_attention_heads + 2 * shape.num_key_value_heads) * shape.head_dim
        shrink = (2 * shape.num_hidden_layers) ** -0.5
        self.attention_norm, self.mlp_norm = _ones(width), _ones(width)
        self.qkv = _normal(generator, qkv_rows, width)
        self.out = _normal(generator, width, width, shrink)
        self.gate_up = _normal(generator, 2 * inner, width)
        self.down = _normal(generator, width, inner, shrink)

    def matrices(self) -> list[Tensor]:
        return [self.qkv, self.out, self.gate_up, self.down]


class Network:
    """The whole model; calling it with token ids (rows, length) gives logits (rows, length, vocabulary).

    ``visible`` (rows, 1, length, length) says which tokens each one may look at; without it, all before it.
    """

    def __init__(self, shape: Shape, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.shape = shape
        self.embedding = _normal(generator, shape.vocab_size, shape.hidden_size)
        self.layers = [Layer(shape, generator) for _ in range(shape.num_hidden_layers)]
        self.norm = _ones(shape.hidden_size)

    def matrices(self) -> list[Tensor]:
        return [matrix for layer in self.layers for matrix in layer.matrices()]

    def vectors(self) -> list[Tensor]:
        return [self.norm, *(norm for layer in self.layers for norm in (layer.attention_norm, layer.mlp_norm))]

    def __call__(self, ids: Tensor, visible: Tensor | None = None) -> Tensor:
        cos, sin = _rotation(ids.shape[1], self.shape.head_dim)
        x = F.embedding(ids, self.embedding)
        for layer in self.layers:
            x = x + self._attend(layer, _rms_norm(x, layer.attention_norm), cos, sin, visible)
            gate, up = F.linear(_rms_norm(x, layer.mlp_norm), layer.gate_up).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, layer.down)
        return F.linear(_rms_norm(x, self.norm), self.embedding)

    def _attend(self, layer: Layer, x: Tensor, cos: Tensor, sin: Tensor, visible: Tensor | None) -> Tensor:
        rows, length, width = x.shape
        heads, kv_heads, size = self.shape.num_attention_heads, self.shape.num_key_value_heads, self.shape.head_dim
        mixed = F.linear(x, layer.qkv).view(rows, length, heads + 2 * kv_heads, size).transpose(1, 2)
        turned, value = mixed.split([heads + kv_heads, kv_heads], 1)
        turned = turned * cos + turned.roll(size // 2, -1) * sin
        query, key = turned.split([heads, kv_heads], 1)
        seen = F.scaled_dot_product_attention(
            query, key, value, attn_mask=visible, is_causal=visible is None, enable_gqa=True
        )
        return F.linear(seen.transpose(1, 2).reshape(rows, length, width), layer.out)


def as_llama(network: Network) -> dict[str, Tensor]:
    """The weights under the names `LlamaForCausalLM` uses (tied: the output layer is the embedding)."""
    shape = network.shape
    query, key = shape.num_attention_heads * shape.head_dim, shape.num_key_value_heads * shape.head_dim
    weights = {"model.embed_tokens.weight": network.embedding, "model.norm.weight": network.norm}
    for place, layer in enumerate(network.layers):
        parts = dict(zip(("q_proj", "k_proj", "v_proj"), layer.qkv.split([query, key, key]), strict=True))
        gate, up = layer.gate_up.chunk(2)
        named = {f"self_attn.{name}": part for name, part in parts.items()} | {
            "self_attn.o_proj": layer.out,
            "mlp.gate_proj": gate,
            "mlp.up_proj": up,
            "mlp.down_proj": layer.down,
            "input_layernorm": layer.attention_norm,
            "post_attention_layernorm": layer.mlp_norm,
        }
        weights |= {f"model.layers.{place}.{name}.weight": weight for name, weight in named.items()}
    return {name: weight.detach().clone().contiguous() for name, weight in weights.items()}


def llama_config(shape: Shape, token_ids: dict[str, int]) -> dict[str, object]:
    """``config.json`` for these weights; ``token_ids`` holds pad and eos."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float32",
        "hidden_act": "silu",
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.num_hidden_layers,
        "num_attention_heads": shape.num_attention_heads,
        "num_key_value_heads": shape.num_key_value_heads,
        "head_dim": shape.head_dim,
        "max_position_embeddings": shape.max_position_embeddings,
        "rms_norm_eps": NORM_EPS,
        "rope_parameters": {"rope_type": "default", "rope_theta": ROPE_THETA},
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "initializer_range": 0.02,
        "use_cache": True,
        "bos_token_id": None,
        "eos_token_id": token_ids["eos"],
        "pad_token_id": token_ids["pad"],
    }


def _ones(size: int) -> Tensor:
    return torch.ones(size, requires_grad=True)


def _normal(generator: torch.Generator, rows: int, columns: int, scale: float = 1.0) -> Tensor:
    return (torch.randn(rows, columns, generator=generator) * 0.02 * scale).requires_grad_()


def _rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), weight, NORM_EPS)


def _rotation(length: int, size: int) -> tuple[Tensor, Tensor]:
    """Cosine and (sign-folded) sine of the rotary positions, each (length, size)."""
    angles = torch.arange(length)[:, None] * ROPE_THETA ** (-torch.arange(0, size, 2) / size)[None]
    return torch.cat([angles.cos()] * 2, -1), torch.cat([-angles.sin(), angles.sin()], -1)
