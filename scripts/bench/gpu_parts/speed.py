"""Our worker against its peers on the same model, data and records a step; and where one of our steps spends its time."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from brightrun_tui.domain.settings import LoraSettings, QuantisationSettings, TrainingSettings
from brightrun_tui.trainer.adapter import attach_adapter, trainable
from brightrun_tui.trainer.forward import Forward
from brightrun_tui.trainer.lora import fuse_adapters
from brightrun_tui.trainer.model import choose_machine, load_base
from brightrun_tui.trainer.optim import make_optimizer
from scripts.bench.gpu_parts.models import ROOT, events_of, flops, make_examples, make_model, step_of, write_run
from scripts.bench.gpu_parts.runs import worker
from scripts.bench.train import NAMES, count_supervised

BATCH = 16
SKIPPED = 2
"""First steps, in which memory is allocated and kernels are chosen."""
GROUPS = {
    "matrix products": ("nvjet", "gemm", "cutlass", "cublas", "splitk"),
    "attention": ("flash", "sdpa", "fmha", "attention"),
    "4-bit": ("dequantize",),
    "norms, activations, positions": ("rms_norm", "swiglu", "rope", "silu"),
    "optimiser": ("optimizer", "adam", "blockwise"),
}


def ours(directory: Path, device: str, shape: str, workload: str, steps: int) -> dict[str, Any]:
    base = make_model(shape, directory, device)
    run = write_run(directory / f"speed-{shape}-{workload}", base, workload, BATCH * steps,
                    {"training.batch_size": BATCH, "training.keep_checkpoints": 1})
    seconds = worker(run)
    events = events_of(run)
    times = [(e["step"], e["time"]) for e in events if e["kind"] == "metric" and "train_loss" in e["values"]]
    speeds = [e["values"]["tokens_per_second"] for e in events if e["kind"] == "metric" and "train_loss" in e["values"]]
    step = statistics.median(b - a for (_, a), (_, b) in zip(times[SKIPPED:-1], times[SKIPPED + 1 :], strict=True))
    report = json.loads((run / "report.json").read_bytes())
    return {"step": step, "tokens": statistics.median(speeds[SKIPPED:]), "supervised": _supervised(run, steps) / step,
            "peak": report["training"]["peak_memory"],
            "eval_loss": report["tuned"]["loss"], "whole": seconds,
            "alerts": [e["message"] for e in events if e["kind"] == "alert"]}


def peer(directory: Path, device: str, shape: str, workload: str, steps: int, kind: str) -> dict[str, Any]:
    base = make_model(shape, directory, device)
    run = write_run(directory / f"peer-{shape}-{workload}", base, workload, BATCH * steps, {})
    command = [sys.executable, str(ROOT / "scripts/bench/train_peer.py"), kind, str(base), str(run / "data"), str(BATCH), "1e-4",
               "16", device]
    times, end = [], {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said = json.loads(line) if line.startswith('{"event"') else {"event": ""}
            if said["event"] == "step":
                times.append(time.perf_counter())
            elif said["event"] == "end":
                end = said
        if process.wait() or not end:
            assert process.stderr is not None
            raise RuntimeError(f"{NAMES.get(kind, kind)} failed: {process.stderr.read()[-600:]}")
    step = statistics.median(b - a for a, b in zip(times[SKIPPED:-1], times[SKIPPED + 1 :], strict=True))
    supervised = _supervised(run, steps) * steps / len(times)
    return {"step": step, "supervised": supervised / step, "peak": end["peak"], "eval_loss": end["eval_loss"],
            "steps": len(times)}


def _supervised(run: Path, steps: int) -> float:
    """Supervised tokens in a step, on average."""
    return count_supervised(run / "data") / steps


def profile(directory: Path, device: str, shape: str, workload: str, tokens: int) -> dict[str, Any]:
    """One micro-batch as the worker computes it: rate, arithmetic, memory, and what the device did meanwhile."""
    base = make_model(shape, directory, device)
    machine = choose_machine(QuantisationSettings())
    model = attach_adapter(load_base(str(base), "", QuantisationSettings(), machine), LoraSettings(r=16), machine, seed=1)
    fuse_adapters(model)
    forward = Forward(model, machine)
    forward.set_training(False)
    examples = make_examples(workload, tokens)
    notice = forward.choose_way(examples, packing="auto", longest=max(e.length for e in examples))
    forward.set_training(True)
    optimizer, parameters = make_optimizer(model, TrainingSettings(), machine.device), list(trainable(model).values())
    for group in optimizer.param_groups:
        group["lr"] = 1e-4
    work = step_of(examples)

    def step() -> None:
        (forward.loss_sum(forward.batch(examples)) / work.supervised).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    on_gpu = device == "cuda"
    times = []
    for _ in range(6):
        began = time.perf_counter()
        step()
        if on_gpu:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    seconds = statistics.median(times[2:])
    peak = torch.cuda.max_memory_allocated() if on_gpu else 0
    return {"tokens": work.tokens, "records": len(examples), "attention": forward.attention, "packed": forward.packed,
            "notice": notice, "seconds": seconds, "tokens_per_second": work.tokens / seconds,
            "teraflops": flops(shape, work) / seconds / 1e12, "peak": peak, "where": _where(step) if on_gpu else {}}


def _where(step: Any) -> dict[str, float]:
    """Milliseconds of the device by group of kernels in one step, with the time that it had nothing to do as ``idle``."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    torch.cuda.synchronize()
    with record(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as recorded:
        began = time.perf_counter()
        step()
        torch.cuda.synchronize()
        wall = 1e3 * (time.perf_counter() - began)
    spent: dict[str, float] = {}
    for event in recorded.key_averages():
        if event.device_type.name != "CUDA":
            continue
        name = event.key.lower()
        group = next((group for group, words in GROUPS.items() if any(word in name for word in words)), "everything else")
        spent[group] = spent.get(group, 0.0) + event.self_device_time_total / 1e3
    return {**{group: round(value, 1) for group, value in spent.items()}, "idle": round(max(0.0, wall - sum(spent.values())), 1)}
