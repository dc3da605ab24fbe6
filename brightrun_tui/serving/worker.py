"""The process that holds the model: transformers' own server, on a socket that only the gate can reach.

Started by the gate as ``python -m brightrun_tui.serving.worker DIRECTORY PIPE``. It ends with the gate, even when
the gate is killed, because ``PIPE`` then reaches its end. Whether loading worked is in ``worker.json``.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from brightrun_tui.files import write_atomic
from brightrun_tui.importing import without_garbage_collection
from brightrun_tui.nf4 import suit_cpu
from brightrun_tui.serving.plan import EndpointPlan, read_plan
from brightrun_tui.serving.view import VIEW
from brightrun_tui.serving.worker_files import REPORT, SOCKET


def main(directory: Path, pipe: int) -> int:
    """Serve until the gate ends; 1 when the model cannot be loaded."""
    threading.Thread(target=_end_with_gate, args=(pipe,), daemon=True).start()
    # A socket's path may have 108 bytes at most, so both sides name it relative to the endpoint's directory.
    os.chdir(directory)
    Path(REPORT).unlink(missing_ok=True)
    try:
        _serve(read_plan(Path()))
    except Exception as error:
        write_atomic(Path(REPORT), json.dumps({"error": f"{type(error).__name__}: {error}".splitlines()[0][:500]}))
        raise
    return 0


def _end_with_gate(pipe: int) -> None:
    os.read(pipe, 1)
    os._exit(0)


def _serve(plan: EndpointPlan) -> None:
    with without_garbage_collection():
        import torch
        import uvicorn
        from transformers import BitsAndBytesConfig
        from transformers.cli.serve import Serve
        from transformers.cli.serving import model_manager, utils

    gpu = torch.cuda.is_available()
    dtype = _compute_dtype(plan, torch)

    class AdapterModelManager(model_manager.ModelManager):  # type: ignore[misc]
        """Holds the base as it was held in training, and refuses to answer without the adapter."""

        def get_quantization_config(self) -> BitsAndBytesConfig | None:
            if plan.quantisation == "none":
                return None
            return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype,
                                      bnb_4bit_use_double_quant=plan.double_quant)

        def _load_model(self, *args: Any, **kwargs: Any) -> Any:
            model = super()._load_model(*args, **kwargs)
            tensors = _check_adapter(model, Path(VIEW) / "adapter_model.safetensors")
            if plan.quantisation == "nf4" and not gpu:
                suit_cpu(model, dtype)
            device = torch.cuda.get_device_name() if gpu else "CPU"
            write_atomic(Path(REPORT), json.dumps({"device": device, "dtype": str(dtype).removeprefix("torch."),
                                                   "adapter_tensors": tensors}))
            return model

    model_manager.ModelManager = AdapterModelManager
    utils.get_response_template = functools.partial(_response_template, utils.get_response_template)
    uvicorn.Config = functools.partial(uvicorn.Config, uds=SOCKET, access_log=False)  # type: ignore[misc,assignment]
    Serve(force_model=VIEW, device="auto" if gpu else "cpu", dtype=str(dtype).removeprefix("torch."), log_level="error")


def _response_template(known: Any, processor: Any, model: Any) -> Any:
    """How to find reasoning and tool calls in an answer; None where what is known of the model's family does not fit.

    transformers goes by the architecture alone: a Qwen with another chat template than ChatML would return its prompt.
    """
    template = known(processor, model)
    if template is None or not template.get("start_anchor"):
        return template
    anchors = template["start_anchor"]
    prompt = processor.apply_chat_template([{"role": "user", "content": ""}], tokenize=False, add_generation_prompt=True)
    return template if any(anchor in prompt for anchor in ([anchors] if isinstance(anchors, str) else anchors)) else None


def _compute_dtype(plan: EndpointPlan, torch: Any) -> Any:
    """The type to compute in: as set for the run, else bfloat16 or float16 on a GPU, and float32 on a CPU."""
    if plan.compute_dtype != "auto":
        return getattr(torch, plan.compute_dtype)
    if not torch.cuda.is_available():
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _check_adapter(model: Any, file: Path) -> int:
    """Compare the LoRA matrices in memory with those on disk; how many there are.

    Raises:
        RuntimeError: some are missing or differ, so that the bare base model would answer.
    """
    from safetensors import safe_open

    with safe_open(file, "pt") as stored:
        names = [name for name in stored.keys() if "lora_" in name and "magnitude" not in name]
        weight = sum(float(stored.get_tensor(name).float().abs().sum()) for name in names)
    loaded = [parameter for name, parameter in model.named_parameters() if "lora_" in name and "magnitude" not in name]
    found = sum(float(parameter.detach().float().abs().sum()) for parameter in loaded)
    if not names or len(loaded) != len(names) or abs(found - weight) > 0.02 * weight:
        raise RuntimeError(f"the adapter did not attach to the base model ({len(loaded)} of {len(names)} matrices)")
    return len(names)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
