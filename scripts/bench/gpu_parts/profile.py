"""One micro-batch as the worker computes it: rate, memory against the plan, and what the device did meanwhile."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from brightrun_tui.domain.money import Hardware
from brightrun_tui.domain.setting_groups import LoraSettings, QuantisationSettings, TrainingSettings
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.planning.architecture import read_architecture
from brightrun_tui.planning.memory import memory_need
from brightrun_tui.trainer.compute.forward import Forward
from brightrun_tui.trainer.compute.optim import make_optimizer
from brightrun_tui.trainer.gpu_check import check_gpu, seconds_of
from brightrun_tui.trainer.model.adapter import attach_adapter, trainable
from brightrun_tui.trainer.model.loading import choose_machine, load_base
from brightrun_tui.trainer.model.lora import fuse_adapters
from scripts.bench.gpu_parts.models import Step, flops, make_examples, make_model, step_of

RANK = 16
GROUPS = {
    "attention": ("flash", "sdpa", "fmha", "attention"),
    "matrix products": ("nvjet", "gemm", "cutlass", "cublas", "splitk"),
    "4-bit": ("dequantize", "kdequant"),
    "norms, activations, positions": ("rms_norm", "swiglu", "rope", "silu"),
    "optimiser": ("optimizer", "adam", "blockwise"),
    "copies": ("copy", "memcpy", "memset", "cat"),
}
"""Kinds of kernels by what is in their names, the first that fits: attention before products, since its kernels name CUTLASS."""


def run(directory: Path, device: str, shape: str, workload: str, tokens: int) -> Iterator[dict[str, Any]]:
    base = make_model(shape, directory, device)
    machine = choose_machine(QuantisationSettings())
    yield {"peak_flops": check_gpu(machine).rate}
    model = attach_adapter(
        load_base(str(base), "", QuantisationSettings(), machine), LoraSettings(r=RANK), machine, seed=1
    )
    fuse_adapters(model)
    forward = Forward(model, machine)
    forward.set_training(False)
    examples = make_examples(workload, tokens)
    began = time.perf_counter()
    notice = forward.select_implementation(examples, packing="auto", longest=max(e.length for e in examples))
    work = step_of(examples)
    yield {
        "tokens": work.tokens,
        "records": len(examples),
        "attention": forward.attention,
        "packed": forward.packed,
        "trimmed": forward.trimmed,
        "own_logits": forward.own_logits,
        "notice": notice,
        "seconds to choose": time.perf_counter() - began,
    }
    forward.set_training(True)
    optimizer, parameters = make_optimizer(model, TrainingSettings(), machine.device), list(trainable(model).values())

    def step() -> None:
        (forward.loss_sum(forward.batch(examples)) / work.supervised).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    steps: dict[str, Any] = {}
    for way in ("kept activations", "recomputed"):
        if way == "recomputed":
            model.get_base_model().activation_checkpointing_enable(
                activation_checkpointing_kwargs={"use_reentrant": False}
            )
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        times = [seconds_of(machine, step) for _ in range(6 if device == "cuda" else 2)]
        seconds = statistics.median(times[2:] or times)
        steps[way] = {
            "seconds": seconds,
            "first": times[0],
            "tokens_per_second": work.tokens / seconds,
            "flops_per_second": flops(shape, work) / seconds,
            "peak": torch.cuda.max_memory_allocated() if device == "cuda" else 0,
            "planned": _planned(base, work, device, way == "recomputed"),
        }
        yield {"steps": dict(steps)}
        if device == "cuda":
            yield {f"milliseconds, {way}": _where(step)}


def _planned(base: Path, work: Step, device: str, recomputed: bool) -> int:
    """Bytes that the planner foretells for such a micro-batch, without what libraries take for themselves."""
    settings = RunSettings().with_overrides(
        {"training.gradient_checkpointing": "on" if recomputed else "off", "lora.r": RANK}
    )
    there = Hardware(device=device, gpu_count=1, gpu_memory=10**12)
    architecture = read_architecture(json.loads((base / "config.json").read_bytes()), str(base))
    need = memory_need(architecture, settings, there, work.tokens, work.supervised / work.tokens)
    return need.total - need.parts["libraries"]


def _where(step: Callable[[], None]) -> dict[str, Any]:
    """Of the device by group of kernels in one step, with the time that it had nothing to do as ``idle``; the longest kernels."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    torch.cuda.synchronize()
    with record(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as recorded:
        began = time.perf_counter()
        step()
        torch.cuda.synchronize()
        wall = 1e3 * (time.perf_counter() - began)
    spent: dict[str, float] = {}
    kernels: dict[str, float] = {}
    for event in recorded.key_averages():
        if event.device_type.name != "CUDA" or not event.self_device_time_total:
            continue
        milliseconds = event.self_device_time_total / 1e3
        group = next(
            (group for group, words in GROUPS.items() if any(word in event.key.lower() for word in words)),
            "everything else",
        )
        spent[group] = spent.get(group, 0.0) + milliseconds
        kernels[event.key[:110]] = round(milliseconds, 2)
    longest = dict(sorted(kernels.items(), key=lambda item: -item[1])[:25])
    return {
        **{group: round(value, 1) for group, value in spent.items()},
        "idle": round(max(0.0, wall - sum(spent.values())), 1),
        "in all": round(wall, 1),
        "kernels": longest,
    }
