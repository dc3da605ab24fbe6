"""What a run keeps in memory, in bytes.

The formula counts what the worker holds: frozen weights, adapter with gradients and optimiser, activations of one
micro-batch, the chunk of logits being scored, and what the libraries take for themselves. Checked against published
figures of QLoRA runs from 7B to 65B it is 2–15 % low, the allocator's reserve, hence the margins.

Symbols: H hidden width, L layers, I MLP width, K key-value width, V vocabulary, N tokens of a micro-batch, r rank.
"""

from __future__ import annotations

from dataclasses import dataclass

from brightrun_tui.domain.money import Hardware
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.domain.sizing import CHUNK_LOGITS, CPU_TOKENS, DENSE_SHARE, ROWS_AT_ONCE, ROWS_AT_ONCE_SHARE
from brightrun_tui.planning.architecture import Architecture
from brightrun_tui.planning.shipping import memory_factor

NF4_BITS = 4.5
NF4_DOUBLE_BITS = 4.127
EXPERTS = "experts, which stay unquantised"
"""The part of the memory that mixtures of experts take in spite of 4-bit quantisation."""
CONTEXT_GPU = 900 * 1024**2
CONTEXT_CPU = 420 * 1024**2
"""Taken by the libraries before any weight is loaded: CUDA context and kernels; Python, PyTorch and transformers."""

CPU_HEAP = 1.2
"""On a CPU freed activations stay with the process for a while, and those of the longest record once more: what a record of one
length has left is no room for one of another. Nine runs of SmolLM2 took 0.91 to 1.08 times what this comes to."""

SAFE, TIGHT = 1.15, 1.05


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes by part, for a micro-batch of ``tokens`` tokens. ``per_token`` is what one more token in it costs; ``packed``: 4-bit
    layers stay as they are.
    """

    parts: dict[str, int]
    tokens: int
    per_token: float
    checkpointing: bool
    packed: bool

    @property
    def total(self) -> int:
        return sum(self.parts.values())


def memory_need(
    model: Architecture, settings: RunSettings, machine: Hardware, longest: int, supervised_share: float
) -> MemoryNeed:
    """Return what the worker needs, choosing as it would where a setting is automatic: rows side by side where a CPU's
    memory has room for them, activations computed twice where it is short.
    """
    checkpointing = settings.training.gradient_checkpointing
    one = _need(model, settings, machine, longest, supervised_share, checkpointing == "on", 1)
    if checkpointing == "auto" and one.total * SAFE > available(machine):
        return _need(model, settings, machine, longest, supervised_share, True, 1)
    rows_at_once = (
        1 if machine.gpu_count or settings.training.micro_batch_size or one.packed else min(machine.cores, ROWS_AT_ONCE)
    )
    several = _need(model, settings, machine, longest, supervised_share, checkpointing == "on", rows_at_once)
    room = (machine.free_memory or machine.memory) - one.total
    return several if several.total - one.total <= ROWS_AT_ONCE_SHARE * room else one


SERVED_TOKENS = 16_384
"""Of all conversations that an endpoint answers at once, at most."""


def memory_to_serve(model: Architecture, settings: RunSettings, machine: Hardware, conversations: int = 8) -> int:
    """Return bytes that a served model takes: weights as they were trained on, the adapter, and room for so many full
    conversations.
    """
    weights, _ = _weight_bytes(model, settings, machine)
    adapter, _ = adapter_bytes(model, settings, machine)
    width = 2 if machine.gpu_count else 4
    room = 2 * width * model.layers * model.kv_width * min(SERVED_TOKENS, conversations * model.context)
    experts = width * model.expert_parameters if settings.quantisation.method != "none" else 0
    return weights + experts + adapter + room + (CONTEXT_GPU if machine.gpu_count else CONTEXT_CPU)


def available(machine: Hardware) -> int:
    """Return bytes for one worker: one GPU's memory, or the machine's."""
    return machine.gpu_memory if machine.gpu_count else machine.memory


def adapter_bytes(model: Architecture, settings: RunSettings, machine: Hardware) -> tuple[int, int]:
    """Return (bytes of the adapter's weights, bytes of its optimiser's state)."""
    parameters = model.lora_parameters(settings.lora.r, settings.lora.target_modules)
    eight_bit = settings.training.optim in ("adamw_8bit", "paged_adamw_8bit") or (
        settings.training.optim == "auto" and machine.gpu_count > 0
    )
    return parameters * (2 if machine.gpu_count else 4), parameters * (2 if eight_bit else 8)


def _need(
    model: Architecture,
    settings: RunSettings,
    machine: Hardware,
    longest: int,
    supervised_share: float,
    checkpointing: bool,
    rows_at_once: int,
) -> MemoryNeed:
    width = 2 if machine.gpu_count else 4
    tokens = _micro_batch_tokens(settings, machine, longest, rows_at_once)
    at_once = min(rows_at_once * tokens, settings.training.batch_size * longest)
    h, i, k, layers = model.hidden, model.active_experts * model.intermediate, model.kv_width, model.layers
    dropout = settings.lora.lora_dropout > 0
    output = (
        8
        * model.vocab
        * min(max(16, CHUNK_LOGITS // model.vocab), max(1, int(tokens * supervised_share)))
        * rows_at_once
    )
    if checkpointing:
        one_layer = (35 * h + 12 * i) * width / 2
        per_token = width * h * layers + one_layer
        output = max(0, output - int(at_once * one_layer))  # never in memory together
    else:
        per_token = layers * ((32 if dropout else 16) * h + 4 * k + (10 if dropout else 8) * i) * width / 2
    per_token *= memory_factor(settings)
    left_over = 0 if machine.gpu_count else int(longest * per_token)
    per_token *= 1 if machine.gpu_count else CPU_HEAP
    weights, unpacked = _weight_bytes(model, settings, machine)
    experts = width * model.expert_parameters if settings.quantisation.method != "none" else 0
    adapter, optimiser = adapter_bytes(model, settings, machine)
    parts = {
        "base model": weights,
        **({EXPERTS: experts} if experts else {}),
        "adapter and optimiser": 2 * adapter + optimiser,
        "activations": int(at_once * per_token) + left_over,
        "output layer": output,
        "libraries": CONTEXT_GPU if machine.gpu_count else CONTEXT_CPU,
    }
    packed = settings.quantisation.method != "none" and not unpacked
    return MemoryNeed(parts, tokens, per_token, checkpointing, packed)


def _weight_bytes(model: Architecture, settings: RunSettings, machine: Hardware) -> tuple[int, bool]:
    """Return frozen weights, without experts that stay unquantised; and whether a CPU keeps its 4-bit layers unpacked, which it
    does where memory is plenty.
    """
    width = 2 if machine.gpu_count else 4
    outside = width * model.embedding_parameters
    if settings.quantisation.method == "none":
        return width * model.linear_parameters + outside, False
    quantised = model.linear_parameters - model.expert_parameters
    unpacked = not machine.gpu_count and width * quantised <= DENSE_SHARE * (machine.free_memory or machine.memory)
    bits = 8.0 * width if unpacked else NF4_DOUBLE_BITS if settings.quantisation.double_quant else NF4_BITS
    return int(bits / 8 * quantised) + outside, unpacked


def _micro_batch_tokens(settings: RunSettings, machine: Hardware, longest: int, rows_at_once: int) -> int:
    fixed = settings.training.micro_batch_size
    if fixed:
        return min(fixed, settings.training.batch_size) * longest
    whole_step = settings.training.batch_size * longest
    return longest if machine.gpu_count else max(longest, min(CPU_TOKENS // rows_at_once, whole_step))
