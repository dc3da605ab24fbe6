"""Loading the base model, frozen, in the numbers that suit the machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.utils import is_flash_attn_2_available

from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.domain.run import BaseModelRef
from brightrun_tui.domain.settings import QuantisationSettings
from brightrun_tui.trainer.attention import ONE_CALL, PER_DOCUMENT

DENSE_SHARE = 0.4
"""On a CPU, NF4 weights are unpacked once when they take at most this share of the memory that is free."""

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


@dataclass(frozen=True)
class Machine:
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
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"


def choose_machine(settings: QuantisationSettings) -> Machine:
    """bfloat16 where the GPU computes in it, else float16; float32 on a CPU, where both are many times slower."""
    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    if settings.compute_dtype != "auto":
        compute = _DTYPES[settings.compute_dtype]
    elif device.type == "cpu":
        compute = torch.float32
    else:
        compute = torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    half = compute == torch.float16
    return Machine(device, compute, torch.float32 if half else compute, half)


def locate_base(base: BaseModelRef) -> str:
    """The directory of the base model, or its Hub id where the run was given no directory.

    Raises:
        BaseModelError: no usable model there; says what is missing.
    """
    if not base.path:
        return base.id
    directory = Path(base.path)
    if not directory.is_dir():
        raise BaseModelError("there is no such directory", where=str(directory), kind="base_missing",
                             fix="fetch the base model again, or choose another")
    if not (directory / "config.json").is_file():
        raise BaseModelError("it holds no config.json, so it is no Hugging Face model", where=str(directory),
                             fix="give the directory that holds config.json and the weights", kind="base_incomplete")
    missing = _missing_weights(directory)
    if missing:
        raise BaseModelError(f"its weights are missing ({missing})", where=str(directory),
                             fix="download the model again, with its *.safetensors files", kind="base_incomplete")
    return str(directory)


def _missing_weights(directory: Path) -> str:
    """Which weight file is not there; empty when all are."""
    for index in ("model.safetensors.index.json", "pytorch_model.bin.index.json"):
        if (directory / index).is_file():
            try:
                shards = set(json.loads((directory / index).read_text("utf-8"))["weight_map"].values())
            except (ValueError, KeyError, AttributeError):
                return f"{index} cannot be read"
            absent = sorted(shard for shard in shards if not (directory / shard).is_file())
            return f"{absent[0]} and {len(absent) - 1} more" if len(absent) > 1 else "".join(absent)
    if any((directory / name).is_file() for name in ("model.safetensors", "pytorch_model.bin")):
        return ""
    return "no model.safetensors"


def load_tokenizer(source: str, revision: str) -> Any:
    """Raises `BaseModelError` when there is none that transformers can read."""
    try:
        return AutoTokenizer.from_pretrained(source, revision=revision or None)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BaseModelError(f"its tokenizer cannot be loaded: {_first_line(error)}", where=source,
                             fix="the directory needs tokenizer.json and tokenizer_config.json",
                             kind="base_tokenizer") from error


def load_config(source: str, revision: str) -> Any:
    """Raises `BaseModelError` when it is no model that transformers knows."""
    try:
        return AutoConfig.from_pretrained(source, revision=revision or None)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BaseModelError(f"its configuration cannot be read: {_first_line(error)}", where=source,
                             fix="choose a causal language model that transformers supports",
                             kind="base_unsupported") from error


def longest_context(config: Any, tokenizer: Any) -> int:
    """Tokens the model can take, as its configuration says; a large number where it says nothing."""
    text_config = config.get_text_config()
    limits = [getattr(text_config, name, None) for name in ("max_position_embeddings", "n_positions", "seq_length")]
    known = [int(limit) for limit in [*limits, tokenizer.model_max_length] if limit and 0 < limit < 10**9]
    return min(known) if known else 10**9


def load_base(source: str, revision: str, settings: QuantisationSettings, machine: Machine) -> torch.nn.Module:
    """The frozen base model on its device.

    Raises:
        BaseModelError: the weights cannot be read, or it is no causal language model.
    """
    options: dict[str, Any] = {"dtype": machine.compute, "attn_implementation": "sdpa"}
    if settings.method == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=settings.double_quant,
            bnb_4bit_compute_dtype=machine.compute)
    if machine.device.type == "cuda":
        options["device_map"] = {"": machine.device.index or 0}
    try:
        model = AutoModelForCausalLM.from_pretrained(source, revision=revision or None, **options)
    except torch.OutOfMemoryError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if "memory" in str(error).lower():
            raise
        raise BaseModelError(f"it cannot be loaded: {_first_line(error)}", where=source, kind="base_unsupported",
                             fix="choose a causal language model in safetensors format") from error
    model.requires_grad_(False)
    if machine.device.type == "cpu":
        _unpack_quantised(model, machine)
    return model


def packed_implementations(machine: Machine) -> tuple[str, ...]:
    """Attention that keeps packed records apart, the fastest first."""
    if machine.device.type == "cpu" or machine.compute == torch.float32:
        return (PER_DOCUMENT,)
    return (*(("flash_attention_2",) if is_flash_attn_2_available() else ()), ONE_CALL, PER_DOCUMENT)


def _unpack_quantised(model: torch.nn.Module, machine: Machine) -> None:
    """Replace NF4 layers by dense ones holding the same dequantised numbers, where memory allows it.

    The arithmetic is the same to the bit (bitsandbytes dequantises before every product on a CPU); only the time
    for doing it again and again is saved.
    """
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn import Linear4bit

    layers = {name: module for name, module in model.named_modules() if isinstance(module, Linear4bit)}
    wanted = sum(m.in_features * m.out_features for m in layers.values()) * machine.compute.itemsize
    if wanted > DENSE_SHARE * psutil.virtual_memory().available:
        return
    for name, layer in layers.items():
        with torch.device("meta"):
            dense = torch.nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
        weight = dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(machine.compute)
        dense.weight = torch.nn.Parameter(weight, requires_grad=False)
        if layer.bias is not None:
            dense.bias = torch.nn.Parameter(layer.bias.data.to(machine.compute), requires_grad=False)
        parent, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(parent), leaf, dense)


def keep_quantised_layers_in_training_mode(model: torch.nn.Module) -> None:
    """On CPUs with bfloat16, bitsandbytes repacks a layer in place (in bfloat16) when it sees evaluation mode.

    Its layers behave alike in both modes otherwise, so they are kept from ever seeing it.
    """
    for module in model.modules():
        if type(module).__name__ == "Linear4bit" and type(module).__module__.startswith("bitsandbytes"):
            module.training = True


def parameter_counts(model: torch.nn.Module) -> tuple[int, int]:
    """(trainable, all others); a quantised weight counts as the numbers it stands for."""
    trainable = frozen = 0
    for parameter in model.parameters():
        if parameter.requires_grad:
            trainable += parameter.numel()
        else:
            state = getattr(parameter, "quant_state", None)
            frozen += state.shape.numel() if state is not None else parameter.numel()
    return trainable, frozen


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
