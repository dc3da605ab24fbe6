"""A GPU that computes wrongly, slowly or not at all is found out before anything is trained on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest
import torch

from brightrun_tui.domain.errors import GpuError
from brightrun_tui.domain.gpu import GpuCheck
from brightrun_tui.domain.setting_groups import QuantisationSettings
from brightrun_tui.trainer import gpu_check
from brightrun_tui.trainer.gpu_check import check_gpu, main, require_fit
from brightrun_tui.trainer.model.loading import TrainingDevice, choose_machine

MACHINE = choose_machine(QuantisationSettings())


def test_a_device_that_computes_right_has_no_faults() -> None:
    found = check_gpu(MACHINE)
    assert found.faults == () and found.rate > 1e8
    assert found.matmul_error < 1e-3 and found.quantise_error < 0.02 and set(found.product_errors) == {1, 48, 1024}


def test_a_slow_card_and_one_that_others_fill_are_refused() -> None:
    found = check_gpu(MACHINE, rate=1e18, memory=10**15)
    assert len(found.faults) == 2
    assert "TFLOP/s where such a card reaches 1000000" in found.faults[0] and "909.5 TiB are needed" in found.faults[1]


@pytest.mark.parametrize(
    ("what", "said"), [("dequantize_4bit", "read wrong by"), ("quantize_4bit", "quantised to 4 bits")]
)
def test_a_library_that_handles_4_bit_weights_wrongly_on_the_device_is_found_out(
    monkeypatch: pytest.MonkeyPatch, what: str, said: str
) -> None:
    """The first call is the reference; those that follow are the device's."""
    import bitsandbytes.functional as functional

    right, calls = getattr(functional, what), []

    def wrong_later(tensor: torch.Tensor, *args: Any, **options: Any) -> Any:
        calls.append(tensor)
        if len(calls) == 1:
            return right(tensor, *args, **options)
        return (
            right(tensor * 1.1, *args, **options) if what == "quantize_4bit" else right(tensor, *args, **options) * 1.1
        )

    monkeypatch.setattr(functional, what, wrong_later)
    assert any(said in fault for fault in check_gpu(MACHINE).faults)


def test_a_machine_whose_gpu_torch_cannot_see_is_told_apart_from_one_that_is_fit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on a rented machine: one line of JSON, and an exit code that is not 0."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main([]) == 1
    found = GpuCheck.model_validate_json(capsys.readouterr().out)
    assert found.device == "cpu"
    assert len(found.faults) == 1 and "sees no GPU" in found.faults[0]


@pytest.mark.parametrize("method", ["nf4", "none"])
def test_no_worker_begins_on_a_gpu_that_computes_wrongly(
    monkeypatch: pytest.MonkeyPatch, method: Literal["nf4", "none"]
) -> None:
    """Its arithmetic is looked at on every CUDA machine, rented or not; 4-bit weights only where the run has them."""
    asked: list[bool] = []

    def look(_machine: TrainingDevice, *, four_bit: bool) -> GpuCheck:
        asked.append(four_bit)
        return GpuCheck(device="G", compute="bfloat16", faults=("a matrix product is wrong by 40.0%",))

    monkeypatch.setattr(gpu_check, "check_gpu", look)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _device: "G")
    settings = QuantisationSettings(method=method)
    require_fit(MACHINE, settings)
    assert asked == [], "the arithmetic of a CPU is not doubted"
    with pytest.raises(GpuError, match="not fit to train on: a matrix product is wrong"):
        require_fit(replace(MACHINE, device=torch.device("cuda")), settings)
    assert asked == [method == "nf4"]
