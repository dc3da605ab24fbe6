"""A base as it was held in training, in numbers that can be added to, and the sum as a model like any other.

Imports torch: only for processes that merge.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.held_base import HeldBase


def load_held(base: Path, held: HeldBase, *, dtype: str = "float32") -> Any:
    """Return the base ready for an adapter to be merged into it.

    Args:
        held: 4 bits are dequantised to the very numbers that training saw, in 32 bits.
        dtype: of a base that was not quantised; ``auto`` for the one it is stored in.

    Raises:
        BrightrunError: there is not enough memory to unpack it.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    from brightrun_tui.nf4 import suit_cpu

    if held is HeldBase.WHOLE:
        return AutoModelForCausalLM.from_pretrained(base, dtype=dtype if dtype == "auto" else getattr(torch, dtype))
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.float32,
        bnb_4bit_use_double_quant=held is HeldBase.NF4_DOUBLE,
    )
    model = AutoModelForCausalLM.from_pretrained(base, quantization_config=nf4, dtype=torch.float32, device_map="cpu")
    if not suit_cpu(model, torch.float32):
        raise BrightrunError(
            "there is not enough free memory to unpack the 4-bit base model",
            where=str(base),
            fix="close other programs, or use the adapter as it is",
            kind=ErrorKind.MERGE_FAILED,
        )
    model.is_loaded_in_4bit = False
    return model


def save_plain(model: Any, base: Path, target: Path, dtype: str) -> None:
    """Write a merged model to the directory ``target``: one that knows nothing of the quantised form it was made from."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    kind = getattr(torch, dtype)
    with torch.device("meta"):
        plain: Any = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base), dtype=kind)
    weights = {
        name: value.to(kind) if value.is_floating_point() else value for name, value in model.state_dict().items()
    }
    plain.load_state_dict(weights, assign=True, strict=False)
    plain.tie_weights()
    plain.save_pretrained(target)
