"""Mixtures of experts: what the plan reckons with is what the worker's libraries really hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from brightrun_tui.domain.dataset import DatasetReport, LengthStats
from brightrun_tui.domain.money import Hardware
from brightrun_tui.domain.run import BaseModelRef
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.planning.architecture import BaseModelInfo, read_architecture
from brightrun_tui.planning.estimate import estimate
from brightrun_tui.planning.machine_checks import check_memory

GIB = 1024**3
QWEN3_30B_A3B: dict[str, Any] = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "hidden_size": 2048,
    "num_hidden_layers": 48,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "intermediate_size": 6144,
    "moe_intermediate_size": 768,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "vocab_size": 151_936,
    "tie_word_embeddings": False,
    "max_position_embeddings": 40_960,
}
"""As its config.json says; its card says 30.5 billion parameters."""
SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 128,
    "vocab_size": 256,
    "num_experts_per_tok": 2,
    "tie_word_embeddings": False,
}


def test_a_mixture_of_experts_is_refused_where_its_experts_alone_do_not_fit() -> None:
    """A 30B mixture is no 4-bit run of 16 GB: its experts take 54 GiB, and the check says that they are the reason."""
    architecture = read_architecture(QWEN3_30B_A3B, "here")
    assert architecture.parameters == pytest.approx(30.5e9, rel=0.01)
    base = BaseModelInfo(
        id="q", title="q", architecture=architecture, ref=BaseModelRef(id="q"), parameters=architecture.parameters
    )
    lengths = LengthStats(mean=2000, percentiles=(2000,) * 100, longest=2000)
    data = DatasetReport(
        path="d",
        name="d",
        format="messages",
        bytes=2_000_000,
        fingerprint="sha256:0",
        records=1000,
        usable=1000,
        turns=2000,
        characters=lengths,
        answer_characters=lengths,
    )
    found = {}
    for gibibytes in (48, 80, 141):
        card = Hardware(device="cuda", gpu="card", gpu_count=1, gpu_memory=gibibytes * GIB, memory=64 * GIB, flops=3e14)
        reckoned = estimate(base, data, RunSettings(), card)
        found[gibibytes] = reckoned.fits
        if reckoned.fits == "no":
            assert "GiB of it are the model's experts" in check_memory(reckoned, card).what
    assert found[48] == "no" and found[141] == "safe"
    assert reckoned.memory > 57 * GIB


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mixtral", "qwen3_moe", "olmoe"])
def test_experts_that_are_loaded_in_4_bit_are_as_large_as_the_plan_says(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted in a real model, loaded as the worker loads it: what is no 4-bit layer is what the plan counts in full."""
    pytest.importorskip("torch", reason="the training packages are not installed")
    bitsandbytes = pytest.importorskip("bitsandbytes", reason="the training packages are not installed")
    from transformers import AutoConfig, AutoModelForCausalLM

    from brightrun_tui.trainer.model.loading import choose_machine, load_base

    config = AutoConfig.for_model(kind, **SMALL, num_local_experts=4, num_experts=4, moe_intermediate_size=128)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    monkeypatch.setattr("brightrun_tui.nf4.DENSE_SHARE", 0.0)
    settings = RunSettings().quantisation
    model = load_base(str(tmp_path), "", settings, choose_machine(settings))
    architecture = read_architecture(json.loads((tmp_path / "config.json").read_text()), str(tmp_path))
    packed = [m for m in model.modules() if isinstance(m, bitsandbytes.nn.Linear4bit)]
    assert (
        sum(m.in_features * m.out_features for m in packed)
        == architecture.linear_parameters - architecture.expert_parameters
    )
    loaded = [p for name, p in model.named_parameters() if ".experts." in name]
    assert loaded and all(p.is_floating_point() for p in loaded)
    assert sum(p.numel() for p in loaded) == architecture.expert_parameters
