"""transformers' own server, with everything that is changed in it. Imports torch: only the worker imports this.

It expects finished prompts (a conversation of one message, whose text the model reads as it is), and knows three fields that
the original does not, or not as OpenAI means them: ``stop``, ``frequency_penalty`` and ``presence_penalty``.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import torch
import uvicorn
from transformers import BitsAndBytesConfig
from transformers.cli.serve import Serve
from transformers.cli.serving import chat_completion, completion, model_manager, response, utils
from transformers.generation import LogitsProcessorList, StoppingCriteriaList

from brightrun_tui.domain.run_directory import ADAPTER_WEIGHTS
from brightrun_tui.files import write_atomic
from brightrun_tui.nf4 import suit_cpu
from brightrun_tui.serving.attached import check_attached, check_computes
from brightrun_tui.serving.plan import EndpointPlan
from brightrun_tui.serving.sampling import Penalties, StopTexts
from brightrun_tui.serving.view import VIEW
from brightrun_tui.serving.worker_files import REPORT, SOCKET

OWN_FIELDS = ("stop", "frequency_penalty", "presence_penalty")
_ANCHOR_TOKENS = 64
"""At the end of a prompt, among which the beginning of an answer is looked for."""


def serve(plan: EndpointPlan) -> None:
    """Load the model and serve it until the process ends. The current directory must be the endpoint's."""
    gpu = torch.cuda.is_available()
    dtype = _compute_dtype(plan)

    class AdapterModelManager(model_manager.ModelManager):  # type: ignore[misc]
        """Holds the base as it was held in training, and refuses to answer without the adapter that should be there."""

        def get_quantization_config(self) -> BitsAndBytesConfig | None:
            if plan.quantisation == "none":
                return None
            return BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_compute_dtype=dtype,
                bnb_4bit_use_double_quant=plan.double_quant,
            )

        def _load_processor(self, *args: Any, **kwargs: Any) -> Any:
            processor = super()._load_processor(*args, **kwargs)
            processor.apply_chat_template = functools.partial(
                _finished_prompt, getattr(processor, "tokenizer", processor)
            )
            return processor

        def _load_model(self, *args: Any, **kwargs: Any) -> Any:
            model = super()._load_model(*args, **kwargs)
            tensors = 0 if plan.base_alone else check_attached(model, Path(VIEW) / ADAPTER_WEIGHTS)
            if plan.quantisation == "nf4" and not gpu:
                suit_cpu(model, dtype)
            check_computes(model)
            model.generate = functools.partial(_generate, model.generate)
            device = torch.cuda.get_device_name() if gpu else "CPU"
            write_atomic(
                Path(REPORT),
                json.dumps(
                    {
                        "engine": "transformers",
                        "device": device,
                        "dtype": str(dtype).removeprefix("torch."),
                        "adapter_tensors": tensors,
                    }
                ),
            )
            return model

    model_manager.ModelManager = AdapterModelManager
    chat_completion.ChatCompletionHandler = _with_own_fields(chat_completion.ChatCompletionHandler)
    completion.CompletionHandler = _with_own_fields(completion.CompletionHandler)
    for module in (chat_completion, response):
        module.build_response_parser = functools.partial(_response_parser, module.build_response_parser)
    uvicorn.Config = functools.partial(uvicorn.Config, uds=SOCKET, access_log=False)  # type: ignore[misc,assignment]
    Serve(force_model=VIEW, device="auto" if gpu else "cpu", dtype=str(dtype).removeprefix("torch."), log_level="error")


def _with_own_fields(handler: Any) -> Any:
    """Return the handler of a dialect, taking `OWN_FIELDS` along to `_generate`."""

    class Handler(handler):  # type: ignore[misc]
        def _validate_request(self, body: dict[str, Any]) -> None:
            super()._validate_request(_without_own(body))

        def _build_generation_config(self, body: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
            config = super()._build_generation_config(_without_own(body), *args, **kwargs)
            config.own_fields = {name: body[name] for name in OWN_FIELDS if body.get(name)}
            return config

    return Handler


def _without_own(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in OWN_FIELDS}


def _generate(original: Any, **kwargs: Any) -> Any:
    """Wrap ``model.generate`` to add what the caller asked for beyond transformers' own settings."""
    own = kwargs["generation_config"].__dict__.pop("own_fields", {})
    frequency, presence = own.get("frequency_penalty", 0.0), own.get("presence_penalty", 0.0)
    if frequency or presence:
        kwargs["logits_processor"] = LogitsProcessorList([Penalties(frequency, presence)])
    if own.get("stop"):
        kwargs["stopping_criteria"] = StoppingCriteriaList([StopTexts(own["stop"], kwargs["tokenizer"])])
    return original(**kwargs)


def _finished_prompt(tokenizer: Any, conversation: list[dict[str, str]], *, return_tensors: str, **_: Any) -> Any:
    """Replace ``apply_chat_template``: the one message is the prompt."""
    return tokenizer(conversation[0]["content"], add_special_tokens=False, return_tensors=return_tensors)


def _response_parser(original: Any, processor: Any, model: Any, input_ids: Any, tools: Any = None) -> Any:
    """Say how to find reasoning and tool calls in an answer; None if what is known of the model's family does not fit.

    transformers goes by the architecture alone: a Qwen with another chat template than ChatML would return its prompt.
    """
    template = utils.get_response_template(processor, model)
    if template is None or not template.get("start_anchor"):
        return original(processor, model, input_ids, tools=tools)
    anchors = [template["start_anchor"]] if isinstance(template["start_anchor"], str) else template["start_anchor"]
    prompt_end = getattr(processor, "tokenizer", processor).decode(input_ids[0, -_ANCHOR_TOKENS:])
    return (
        original(processor, model, input_ids, tools=tools) if any(anchor in prompt_end for anchor in anchors) else None
    )


def _compute_dtype(plan: EndpointPlan) -> Any:
    """Return the type to compute in: as set for the run, else bfloat16 or float16 on a GPU, and float32 on a CPU."""
    if plan.compute_dtype != "auto":
        return getattr(torch, plan.compute_dtype)
    if not torch.cuda.is_available():
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
