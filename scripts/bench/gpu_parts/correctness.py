"""Is the arithmetic right on this device: NF4, gradients however they are computed, the 8-bit optimiser."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brightrun_tui.domain.settings import LoraSettings, QuantisationSettings, TrainingSettings
from brightrun_tui.trainer.adapter import attach_adapter, trainable
from brightrun_tui.trainer.attention import ONE_CALL, PER_DOCUMENT
from brightrun_tui.trainer.examples import Example
from brightrun_tui.trainer.forward import Forward
from brightrun_tui.trainer.lora import fuse_adapters
from brightrun_tui.trainer.model import choose_machine, load_base
from brightrun_tui.trainer.optim import make_optimizer
from scripts.bench.gpu_parts.models import make_examples, make_model

SAME = 0.999
"""Cosine of two gradients of the same numbers in bfloat16; float32 is held to `EXACT`."""
EXACT = 0.999999
WRONG = 0.99
"""What a gradient with a known fault must stay below."""
OPTIMISER = 0.06
"""How far fifty steps with 8 bits of state may end from those with 32, relative to the weights."""


def run(directory: Path, device: str) -> dict[str, Any]:
    base = make_model("tiny", directory, device)
    return {"nf4": _nf4(device), "matmul": matmul_peak(device), **_gradients(base), "optimiser": _optimiser(device)}


def matmul_peak(device: str) -> dict[str, float]:
    """Rate and error of a matrix product in the number format that runs compute in."""
    machine = choose_machine(QuantisationSettings())
    size = 8192 if device == "cuda" else 512
    a, b = (torch.randn(size, size, device=machine.device, dtype=machine.compute) for _ in range(2))
    times = []
    for _ in range(8):
        times.append(_seconds(lambda: a @ b))
    some = slice(0, 64)
    exact = a[some].double().cpu() @ b.double().cpu()
    error = float(((a @ b)[some].double().cpu() - exact).norm() / exact.norm())
    return {"teraflops": 2 * size**3 / min(times) / 1e12, "error": error}


def _seconds(work: Any) -> float:
    import time

    if torch.cuda.is_available():
        torch.cuda.synchronize()
    began = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _nf4(device: str) -> dict[str, float]:
    """Quantise and dequantise here and on the CPU."""
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    torch.manual_seed(1)
    weight = torch.randn(1024, 1024)
    results = []
    for place in ("cpu", device):
        packed, state = quantize_4bit(weight.to(place), quant_type="nf4", compress_statistics=True)
        results.append(dequantize_4bit(packed, state).float().cpu())
    reference, here = results
    differs = (reference - here).abs() > 0.05 * weight.std()
    return {"differing": float(differs.float().mean()), "error": float((here - weight).norm() / weight.norm())}


def _gradients(base: Path) -> dict[str, Any]:
    """Every way of computing a step's gradient against one record at a time, by the model's own code."""
    examples = make_examples("short", 1500)
    rows: list[dict[str, Any]] = []
    found: dict[str, Any] = {}
    for name, settings in (("float32", QuantisationSettings(method="none", compute_dtype="float32")),
                           ("nf4", QuantisationSettings())):
        plain = _forward(base, settings, fused=False)
        reference = _gradient(plain, [[e] for e in examples], packed=False, attention="eager", own_logits=True, trimmed=False)
        forward = _forward(base, settings, fused=True)
        found[f"chosen in {name}"] = _try_ways(rows, name, forward, reference, examples)
    return {"gradients": rows, **found}


def _try_ways(rows: list[dict[str, Any]], name: str, forward: Forward, reference: torch.Tensor,
              examples: Sequence[Example]) -> dict[str, Any]:
    """Add a row for each way of computing the step, and return the one that the worker would choose."""
    halves = [examples[: len(examples) // 2], examples[len(examples) // 2 :]]

    def add(what: str, kind: str, cut: Sequence[Sequence[Example]], **how: Any) -> None:
        rows.append(_row(f"{name}: {what}", kind, reference, lambda: _gradient(forward, cut, **how)))

    ways = {"one by one, fused": ([[e] for e in examples], False, "eager"), "padded": (halves, False, "sdpa"),
            "packed, a call for each record": (halves, True, PER_DOCUMENT), "packed, one call": (halves, True, ONE_CALL)}
    for what, (cut, packed, attention) in ways.items():
        add(what, name, cut, packed=packed, attention=attention)
        add(f"{what}, last layer trimmed", name, cut, packed=packed, attention=attention, trimmed=True)
    base = forward.model.get_base_model()
    base.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    add("recomputed", name, halves, packed=True, attention=PER_DOCUMENT)
    base.activation_checkpointing_disable()
    add("records that see each other (must fail)", "wrong", [[_joined(half)] for half in halves], packed=False, attention="eager")
    notice = forward.choose_way(examples, packing="auto", longest=max(e.length for e in examples))
    return {"attention": forward.attention, "packed": forward.packed, "trimmed": forward.trimmed,
            "own_logits": forward.own_logits, "notice": notice}


def _forward(base: Path, settings: QuantisationSettings, *, fused: bool) -> Forward:
    machine = choose_machine(settings)
    model = attach_adapter(load_base(str(base), "", settings, machine), LoraSettings(r=8), machine, seed=1)
    if fused:
        fuse_adapters(model)
    torch.manual_seed(3)
    for name, parameter in trainable(model).items():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    return Forward(model, machine)


def _gradient(forward: Forward, rows: Sequence[Sequence[Example]], *, packed: bool, attention: str, own_logits: bool = False,
              trimmed: bool = False) -> torch.Tensor:
    forward.packed, forward.own_logits, forward.trimmed = packed, own_logits, trimmed
    forward.model.get_base_model().set_attn_implementation(attention)
    forward.set_training(True)
    parameters = list(trainable(forward.model).values())
    for parameter in parameters:
        parameter.grad = None
    supervised = sum(e.targets for row in rows for e in row)
    for row in rows:
        (forward.loss_sum(forward.batch(row)) / supervised).backward()
    return torch.cat([p.grad.float().flatten() for p in parameters])


def _joined(examples: Sequence[Example]) -> Example:
    """Several records as if they were one."""
    supervised = np.concatenate([e.supervised for e in examples])
    return Example(0, np.concatenate([e.ids for e in examples]), supervised)


def _row(what: str, kind: str, reference: torch.Tensor, compute: Any) -> dict[str, Any]:
    try:
        cosine = float(torch.cosine_similarity(compute().double(), reference.double(), dim=0))
    except (RuntimeError, ValueError, TypeError, AttributeError, ImportError) as error:
        return {"what": what, "cosine": None, "right": None, "note": f"not on this device: {str(error)[:120]}"}
    right = cosine < WRONG if kind == "wrong" else cosine > (EXACT if kind == "float32" else SAME)
    return {"what": what, "cosine": cosine, "right": right}


def _optimiser(device: str) -> list[dict[str, Any]]:
    """Fifty steps on a quadratic bowl: 8-bit and paged AdamW against torch's in float32."""
    def track(kind: str) -> torch.Tensor:
        torch.manual_seed(5)
        layer = torch.nn.Linear(512, 64, bias=False).to(device)
        target = torch.randn(64, 512, device=device)
        optimizer = make_optimizer(layer, TrainingSettings(optim=kind, learning_rate=1e-2), torch.device(device))
        for group in optimizer.param_groups:
            group["lr"] = 1e-2
        for _ in range(50):
            optimizer.zero_grad()
            (layer.weight - target).square().sum().backward()
            optimizer.step()
        return layer.weight.detach().float().cpu()

    reference = track("adamw_torch_fused")
    rows = []
    for kind in ("adamw_8bit", "paged_adamw_8bit"):
        difference = float((track(kind) - reference).norm() / reference.norm())
        rows.append({"what": kind, "difference": difference, "right": difference < OPTIMISER})
    return rows
