"""Loading the base model, frozen, in the numbers that suit the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig
from transformers.utils import is_flash_attn_2_available

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.domain.gpu import CPU
from brightrun_tui.domain.setting_groups import QuantisationSettings
from brightrun_tui.nf4 import suit_cpu
from brightrun_tui.trainer.model.attention import ONE_CALL, PER_DOCUMENT
from brightrun_tui.trainer.model.base_model import first_line
from brightrun_tui.trainer.model.kernels import fuse_elementwise

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


@dataclass(frozen=True)
class TrainingDevice:
    """Device and number formats of a run.

    Attributes:
        compute: in which activations and unquantised weights are held.
        adapter: of the adapter's weights: as ``compute``, except beside float16, where it stays float32.
        scale_gradients: float16 needs its loss scaled, or small gradients vanish.
    """

    device: torch.device
    compute: torch.dtype
    adapter: torch.dtype
    scale_gradients: bool

    @property
    def name(self) -> str:
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else CPU


def choose_machine(settings: QuantisationSettings) -> TrainingDevice:
    """Choose bfloat16 where the GPU computes in it, else float16; float32 on a CPU, where both are many times slower."""
    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    if settings.compute_dtype != "auto":
        compute = _DTYPES[settings.compute_dtype]
    elif device.type == "cpu":
        compute = torch.float32
    else:
        compute = torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    half = compute == torch.float16
    return TrainingDevice(device, compute, torch.float32 if half else compute, half)


def load_base(source: str, revision: str, settings: QuantisationSettings, machine: TrainingDevice) -> torch.nn.Module:
    """Return the frozen base model on its device.

    Raises:
        BaseModelError: the weights cannot be read, or it is not a causal language model.
    """
    options: dict[str, Any] = {"dtype": machine.compute, "attn_implementation": "eager"}  # every model has that one
    if settings.method != "none":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=settings.double_quant,
            bnb_4bit_compute_dtype=machine.compute,
        )
    if machine.device.type == "cuda":
        options["device_map"] = {"": machine.device.index or 0}
    try:
        model = AutoModelForCausalLM.from_pretrained(source, revision=revision or None, **options)
    except torch.OutOfMemoryError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if "memory" in str(error).lower():
            raise
        raise BaseModelError(
            f"it cannot be loaded: {first_line(error)}",
            where=source,
            kind=ErrorKind.BASE_UNSUPPORTED,
            fix="choose a causal language model in safetensors format",
        ) from error
    model.requires_grad_(False)
    if machine.device.type == "cuda":
        fuse_elementwise(model, machine.compute)
    if machine.device.type == "cpu" and getattr(model, "is_loaded_in_4bit", False):
        suit_cpu(model, machine.compute)
    return model


def packed_implementations(machine: TrainingDevice) -> tuple[str, ...]:
    """Return attention that keeps packed records apart, the fastest first."""
    if machine.device.type == "cpu" or machine.compute == torch.float32:
        return (PER_DOCUMENT,)
    return (*(("flash_attention_2",) if is_flash_attn_2_available() else ()), ONE_CALL, PER_DOCUMENT)


def parameter_counts(model: torch.nn.Module) -> tuple[int, int]:
    """Return (trainable, all others); a quantised weight counts as the numbers it stands for."""
    trainable = frozen = 0
    for parameter in model.parameters():
        if parameter.requires_grad:
            trainable += parameter.numel()
        else:
            state = getattr(parameter, "quant_state", None)
            frozen += state.shape.numel() if state is not None else parameter.numel()
    return trainable, frozen
