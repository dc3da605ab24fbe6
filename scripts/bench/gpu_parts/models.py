"""Models with random weights in well-known shapes, their data, and how much arithmetic a step of them takes."""

from __future__ import annotations

import fcntl
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from brightrun_tui.domain.run import BaseModelRef, DatasetRef, RunSpec
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.trainer.data.examples import Example
from scripts.bench.train import Workload, count_supervised, write_data, write_tokenizer

SMALL: dict[str, Any] = {
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "vocab_size": 4096,
}
SHAPES: dict[str, dict[str, Any]] = {
    "tiny": SMALL,
    "qwen2": SMALL,
    "qwen3": {**SMALL, "head_dim": 64},
    "1b": {
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "tie_word_embeddings": True,
    },
    "8b": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
    },
}
"""Toys with the parts of Llama, Qwen2 (biases) and Qwen3 (norms of queries and keys), and Llama 3.2 1B and 3.1 8B."""
KINDS = {"qwen2": "Qwen2", "qwen3": "Qwen3"}
BATCH = 16
"""Records of an optimiser step."""
SKIPPED = 2
"""First steps, in which memory is allocated and kernels are chosen."""
WORKLOADS = {
    "short": Workload("short chats", (40, 30), (50, 30), 0),
    "prompt": Workload("prompt-heavy", (400, 120), (60, 20), 0),
}


@dataclass(frozen=True)
class Step:
    """What one optimiser step works on."""

    tokens: int
    supervised: int
    lengths: tuple[int, ...]


def make_model(shape: str, directory: Path, device: str) -> Path:
    """Make a directory with random bfloat16 weights and the tokenizer of the training benchmark. It is made once, and
    whole or not at all.
    """
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / shape
    with (directory / f".{shape}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            aside = Path(tempfile.mkdtemp(prefix=f".{shape}-", dir=directory))
            _write_model(shape, aside, device)
            aside.rename(target)
    return target


def _write_model(shape: str, directory: Path, device: str) -> None:
    import torch
    import transformers

    write_tokenizer(directory)
    kind = KINDS.get(shape, "Llama")
    config = getattr(transformers, f"{kind}Config")(
        max_position_embeddings=8192, eos_token_id=2, pad_token_id=0, bos_token_id=None, **SHAPES[shape]
    )
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            model = getattr(transformers, f"{kind}ForCausalLM")(config)
    finally:
        torch.set_default_dtype(torch.float32)
    for (
        name,
        parameter,
    ) in model.named_parameters():  # libraries begin with none, which would hide a bias that is left out
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.02)
    model.save_pretrained(directory)


def make(directory: Path, device: str, shape: str) -> Iterator[dict[str, Any]]:
    """Run `make_model` as a part: large ones take a while."""
    make_model(shape, directory, device)
    yield {"made": shape}


def make_examples(workload: str, tokens: int, vocabulary: int = 4000) -> list[Example]:
    """Make records of random tokens, ``tokens`` or a few more in all, with the answers supervised."""
    made: list[Example] = []
    chance, total = random.Random(workload), 0
    lengths = WORKLOADS[workload]
    while total < tokens:
        prompt, answer = (max(8, round(chance.gauss(*spread))) for spread in (lengths.prompt, lengths.answer))
        ids = np.array([chance.randrange(10, vocabulary) for _ in range(prompt + answer)], dtype=np.int64)
        made.append(Example(len(made), ids, np.arange(len(ids)) >= prompt))
        total += len(ids)
    return made


def step_of(examples: Iterable[Example]) -> Step:
    examples = list(examples)
    return Step(sum(e.length for e in examples), sum(e.targets for e in examples), tuple(e.length for e in examples))


def flops(shape: str, step: Step) -> float:
    """Return the arithmetic of one step as QLoRA needs it, without recomputation: forward and the gradient of the
    inputs.

    2 P T for each of the two passes over P frozen weights of the layers (the gradient of the weights is not needed),
    causal attention at half of 4 n² H a layer forward and twice that backward, and the output layer at supervised
    tokens only. Weights of the adapter are left out (below 1 %). After Kaplan et al., arXiv 2001.08361, section 2.1.
    """
    model = SHAPES[shape]
    hidden, wide, layers = model["hidden_size"], model["intermediate_size"], model["num_hidden_layers"]
    key_value = hidden * model["num_key_value_heads"] // model["num_attention_heads"]
    weights = layers * (2 * hidden * hidden + 2 * hidden * key_value + 3 * hidden * wide)
    attention = layers * sum(2 * n * n * hidden for n in step.lengths)
    return float(4.0 * weights * step.tokens + 3.0 * attention + 4.0 * hidden * model["vocab_size"] * step.supervised)


def write_run(run: Path, base: Path, workload: str, records: int, overrides: dict[str, Any]) -> Path:
    """Make a run directory as the engine makes it."""
    shutil.rmtree(run, ignore_errors=True)
    write_data(WORKLOADS[workload], run / "data", records)
    settings = RunSettings().with_overrides(
        {
            "training.epochs": 1,
            "training.learning_rate": 1e-4,
            "lora.r": 16,
            "lora.lora_alpha": 16,
            "training.lr_scheduler_type": "constant",
            "training.warmup_ratio": 0,
            "evaluation.sample_prompts": 0,
            "evaluation.eval_steps": 10_000,
            "evaluation.early_stopping_patience": 0,
            **overrides,
        }
    )
    spec = RunSpec(
        run_id=run.name,
        name=run.name,
        created_at=0.0,
        base=BaseModelRef(id=base.name, path=str(base)),
        settings=settings,
        dataset=DatasetRef(path="", name="bench", format="messages", fingerprint="", records=0, usable=0),
    )
    (run / "spec.json").write_text(spec.model_dump_json(), encoding="utf-8")
    return run


def events_of(run: Path) -> list[dict[str, Any]]:
    path = run / "events.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def curve_of(run: Path) -> dict[int, float]:
    """Return the training loss by step."""
    return {
        event["step"]: event["values"]["train_loss"]
        for event in events_of(run)
        if event["kind"] == "metric" and "train_loss" in event["values"]
    }


def supervised_per_step(run: Path, steps: int) -> float:
    """Return the supervised tokens of a step, on average."""
    return count_supervised(run / "data") / steps
