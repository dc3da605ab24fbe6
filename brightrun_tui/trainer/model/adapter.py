"""The adapter: attach it, save it as safetensors, and prove that what was saved is what was trained."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.run_directory import ADAPTER_WEIGHTS
from brightrun_tui.domain.setting_groups import LoraSettings
from brightrun_tui.nf4 import keep_in_training_mode
from brightrun_tui.trainer.model.loading import TrainingDevice
from brightrun_tui.trainer.runtime.failures import TrainingError


def attach_adapter(base: torch.nn.Module, settings: LoraSettings, machine: TrainingDevice, seed: int) -> PeftModel:
    """Wrap the frozen base in a fresh LoRA adapter, in evaluation mode; nothing but the adapter is trainable.

    The base is not upcast to float32 (``prepare_model_for_kbit_training`` would do that to embeddings and head).

    Raises:
        UsageError: ``target_modules`` names layers that the model does not have.
    """
    targets: str | list[str] = settings.target_modules.strip()
    if targets != "all-linear":
        targets = [name.strip() for name in str(targets).split(",") if name.strip()]
    config = LoraConfig(
        r=settings.r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=targets,
        use_rslora=settings.use_rslora,
        use_dora=settings.use_dora,
        bias="none",
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            model = get_peft_model(base, config, autocast_adapter_dtype=False)
    except ValueError as error:
        raise UsageError(
            f"the adapter cannot be attached: {str(error).splitlines()[0][:300]}",
            where="lora.target_modules",
            fix="use all-linear",
            kind=ErrorKind.BAD_SETTING,
        ) from error
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name)
    for parameter in trainable(model).values():
        parameter.data = parameter.data.to(machine.adapter)
    model.eval()
    keep_in_training_mode(model)
    return model


def trainable(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """Return the adapter's parameters by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def adapter_state(model: PeftModel) -> dict[str, torch.Tensor]:
    """Return the adapter's tensors under the names that peft saves them by, contiguous and on the CPU."""
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: tensor.detach().to("cpu").contiguous() for name, tensor in state.items()}


def load_adapter(model: PeftModel, directory: Path) -> None:
    """Put a saved adapter's weights into ``model``, exactly."""
    result: Any = set_peft_model_state_dict(model, load_file(str(directory / ADAPTER_WEIGHTS)))
    if getattr(result, "unexpected_keys", None):
        raise TrainingError(
            "the saved adapter does not belong to this base model and settings",
            where=str(directory),
            fix="start the run again",
            kind=ErrorKind.CHECKPOINT_MISMATCH,
        )


def save_adapter(model: PeftModel, directory: Path, base_name: str) -> None:
    """Write weights and configuration to ``directory``, then reopen the file and compare every number.

    Raises:
        TrainingError: what can be read back is not what was in memory, or not finite.
    """
    directory.mkdir(parents=True, exist_ok=True)
    state = adapter_state(model)
    save_file(state, str(directory / ADAPTER_WEIGHTS), metadata={"format": "pt"})
    config = model.peft_config["default"]
    config.base_model_name_or_path = base_name
    config.inference_mode = True
    config.save_pretrained(str(directory))
    config.inference_mode = False
    saved = load_file(str(directory / ADAPTER_WEIGHTS))
    intact = saved.keys() == state.keys() and all(torch.equal(saved[name], state[name]) for name in state)
    if not intact or not all(torch.isfinite(tensor).all() for tensor in saved.values()):
        raise TrainingError(
            "the saved adapter does not hold what was trained",
            where=str(directory / ADAPTER_WEIGHTS),
            fix="check the disk, then retry: it goes on from the newest checkpoint",
            kind=ErrorKind.SAVE_FAILED,
        )
