"""The optimiser chosen for a machine takes the steps it should, and the GPU never waits for it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from brightrun_tui.domain.setting_groups import TrainingSettings
from brightrun_tui.trainer.compute.optim import make_optimizer


def adapter(numbers: int, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    model = torch.nn.Module()
    model.register_parameter("lora_A", torch.nn.Parameter(torch.zeros(numbers, dtype=dtype)))
    return model


def for_gpu(
    model: torch.nn.Module, monkeypatch: pytest.MonkeyPatch, *, memory: int = 80 * 1024**3
) -> torch.optim.Optimizer:
    """What “auto” makes for a card of so many bytes; its steps can be taken here."""
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=memory))
    return make_optimizer(model, TrainingSettings(learning_rate=1e-4), torch.device("cuda"))


def steps_taken(model: torch.nn.Module, optimizer: torch.optim.Optimizer, steps: int, shrunk_from: int) -> float:
    """Length of a step (root mean square) after so many, the gradients having shrunk to a fifth on the way."""
    (parameter,) = model.parameters()
    chance = torch.Generator().manual_seed(1)
    for step in range(steps):
        with torch.no_grad():
            parameter.zero_()
        size = 1.0 if step < shrunk_from else 0.2
        parameter.grad = (torch.randn(parameter.numel(), generator=chance) * size).to(parameter.dtype)
        optimizer.step()
    return float(parameter.detach().float().pow(2).mean().sqrt())


def test_bfloat16_adapters_on_a_gpu_are_stepped_as_float32_ones_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's own AdamW fails this: its second moment in bfloat16 stays where it was, and steps come out half as long."""
    exact = adapter(8192)
    expected = steps_taken(
        exact, make_optimizer(exact, TrainingSettings(learning_rate=1e-4), torch.device("cpu")), 1500, 200
    )
    half = adapter(8192, torch.bfloat16)
    assert steps_taken(half, for_gpu(half, monkeypatch), 1500, 200) == pytest.approx(expected, rel=0.1)


def test_state_is_paged_only_where_it_is_large_for_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    model = adapter(100_000)
    assert not getattr(for_gpu(model, monkeypatch), "is_paged", True)
    assert getattr(for_gpu(model, monkeypatch, memory=1_000_000), "is_paged", False)


def test_a_step_does_not_wait_for_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """bitsandbytes waits after every tensor, hundreds of times a step; what it calls for that is told a tensor on a GPU here."""
    import bitsandbytes

    def fail() -> None:
        pytest.fail("it waited for the GPU")

    for_gpu(adapter(10), monkeypatch)
    monkeypatch.setattr(torch.cuda, "synchronize", fail)
    bitsandbytes.optim.optimizer.sync_gpu(SimpleNamespace(device=torch.device("cuda")))
    for_gpu(adapter(100_000), monkeypatch, memory=1_000_000)
    assert bitsandbytes.optim.optimizer.sync_gpu is bitsandbytes.utils.sync_gpu, (
        "the host moves paged state: it must wait"
    )
