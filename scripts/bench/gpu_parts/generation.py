"""How fast answers are written: ours as in the report card, and transformers' continuous batching."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from brightrun_tui.domain.settings import LoraSettings, QuantisationSettings
from brightrun_tui.trainer.adapter import attach_adapter
from brightrun_tui.trainer.base import load_tokenizer
from brightrun_tui.trainer.control import Control
from brightrun_tui.trainer.forward import Forward
from brightrun_tui.trainer.generate import Prompt, answer
from brightrun_tui.trainer.lora import fuse_adapters
from brightrun_tui.trainer.model import choose_machine, load_base
from scripts.bench.gpu_parts.models import make_examples, make_model


def run(directory: Path, device: str, shape: str, prompts: int, new_tokens: int) -> dict[str, Any]:
    base = make_model(shape, directory, device)
    machine = choose_machine(QuantisationSettings())
    model = attach_adapter(load_base(str(base), "", QuantisationSettings(), machine), LoraSettings(r=16), machine, seed=1)
    fuse_adapters(model)
    forward = Forward(model, machine)
    forward.set_training(False)
    forward.model.get_base_model().set_attn_implementation("sdpa")
    asked = [Prompt(str(i), (), "", tuple(int(t) for t in e.ids), new_tokens)
             for i, e in enumerate(make_examples("short", 90 * prompts)[:prompts])]
    tokenizer = load_tokenizer(str(base), "")
    control = Control(directory / "generation")
    answer(forward, tokenizer, asked[:2], 4, (), control=control)
    began = time.perf_counter()
    said = answer(forward, tokenizer, asked, new_tokens, (), control=control)
    seconds = time.perf_counter() - began
    result: dict[str, Any] = {"prompts": prompts, "new_tokens": new_tokens,
                              "ours": sum(each.tokens for each in said) / seconds}
    try:
        result["continuous batching"] = _continuous(forward, asked, new_tokens)
    except (RuntimeError, ValueError, TypeError, AttributeError, ImportError, NotImplementedError) as error:
        result["continuous batching"] = f"not on this device: {str(error)[:160]}"
    return result


def _continuous(forward: Forward, asked: list[Prompt], new_tokens: int) -> float:
    from transformers import GenerationConfig

    model = forward.model.get_base_model()
    config = GenerationConfig(max_new_tokens=new_tokens, do_sample=False, eos_token_id=-1, pad_token_id=0)
    began = time.perf_counter()
    with torch.no_grad():
        results = model.generate_batch(inputs=[list(p.ids) for p in asked], generation_config=config)
    written = sum(len(each.generated_tokens) for each in results.values())
    return float(written / (time.perf_counter() - began))
