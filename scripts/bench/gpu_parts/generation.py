"""How fast answers are written: ours as in the report card, and transformers' continuous batching."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from brightrun_tui.domain.setting_groups import LoraSettings, QuantisationSettings
from brightrun_tui.domain.sizing import ANSWERS_AT_ONCE
from brightrun_tui.trainer.compute.forward import Forward
from brightrun_tui.trainer.evaluation.generate import HeldOutPrompt, answer
from brightrun_tui.trainer.model.adapter import attach_adapter
from brightrun_tui.trainer.model.base_model import load_tokenizer
from brightrun_tui.trainer.model.loading import choose_machine, load_base
from brightrun_tui.trainer.model.lora import fuse_adapters
from brightrun_tui.trainer.runtime.control import Control
from scripts.bench.gpu_parts.models import make_examples, make_model


def ours(directory: Path, device: str, shape: str, prompts: int, new_tokens: int) -> Iterator[dict[str, Any]]:
    base = make_model(shape, directory, device)
    forward = _forward(base)
    examples = make_examples("short", 90 * prompts)
    forward.select_implementation(examples, packing="auto", longest=max(e.length for e in examples))
    asked = [HeldOutPrompt(str(i), (), "", ids, new_tokens) for i, ids in enumerate(_prompts(prompts))]
    tokenizer, control = load_tokenizer(str(base), ""), Control(directory / "generation")
    answer(forward, tokenizer, asked[:2], 4, (), control=control)
    began = time.perf_counter()
    said = answer(forward, tokenizer, asked, new_tokens, (), control=control)
    yield _figures(sum(each.tokens for each in said if each), time.perf_counter() - began) | {
        "at a time": ANSWERS_AT_ONCE
    }


def continuous(directory: Path, device: str, shape: str, prompts: int, new_tokens: int) -> Iterator[dict[str, Any]]:
    from transformers import ContinuousBatchingConfig, GenerationConfig

    model = _forward(make_model(shape, directory, device)).model.get_base_model()
    model.set_attn_implementation("sdpa")
    config = GenerationConfig(max_new_tokens=new_tokens, do_sample=False, eos_token_id=-1, pad_token_id=0)
    room = ContinuousBatchingConfig(num_blocks=4 * prompts, max_batch_tokens=1024)
    asked = [list(ids) for ids in _prompts(prompts)]
    for first, some in ((True, asked[:2]), (False, asked)):
        began = time.perf_counter()
        with torch.no_grad():
            said = model.generate_batch(inputs=some, generation_config=config, continuous_batching_config=room)
        if not first:
            yield _figures(sum(len(each.generated_tokens) for each in said.values()), time.perf_counter() - began)


def _forward(base: Path) -> Forward:
    machine = choose_machine(QuantisationSettings())
    model = attach_adapter(
        load_base(str(base), "", QuantisationSettings(), machine), LoraSettings(r=16), machine, seed=1
    )
    fuse_adapters(model)
    forward = Forward(model, machine)
    forward.set_training(False)
    return forward


def _prompts(count: int) -> list[tuple[int, ...]]:
    return [tuple(int(token) for token in example.ids) for example in make_examples("short", 200 * count)[:count]]


def _figures(written: int, seconds: float) -> dict[str, Any]:
    return {"tokens": written, "seconds writing": seconds, "tokens_per_second": written / seconds}
