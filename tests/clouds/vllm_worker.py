"""A worker as vLLM is one, for a toy model: `tests.preloaded` starts it with TOLD and PORT.

It takes token ids at ``/v1/completions`` and streams, names its models at ``/v1/models``, and refuses what it does not know. Told
``changing``, it loads and unloads adapters as vLLM does where that is allowed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any, cast

import bitsandbytes  # noqa: F401  so that no worker has it to import
import torch
import uvicorn
from peft import PeftModel
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from brightrun_tui.nf4 import suit_cpu


class Completion(BaseModel):
    """What vLLM's ``/v1/completions`` takes, as far as it is used; a field that is not its own is refused here."""

    model_config = ConfigDict(extra="forbid")

    model: str
    prompt: Annotated[list[int], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)] = 16
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: Annotated[int, Field(ge=1)] = 1 << 20
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    n: int = 1
    seed: int | None = None
    stop: list[str] = Field(default_factory=list)
    stop_token_ids: list[int] = Field(default_factory=list)
    stream: bool = False
    logprobs: Annotated[int, Field(ge=0)] | None = None
    stream_options: dict[str, bool] = Field(default_factory=dict)


class Worker:
    def __init__(self, told: dict[str, Any]) -> None:
        torch.set_num_threads(1)
        base = Path(told["base"])
        nf4 = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.float32,
        )
        model = AutoModelForCausalLM.from_pretrained(
            base, dtype=torch.float32, **({"quantization_config": nf4} if told["nf4"] else {})
        )
        if told["nf4"]:
            suit_cpu(model, torch.float32)
        self.bases: list[str] = told["names"]
        self.adapters: dict[str, str] = {}
        self.model: Any = model
        self.turn, self.loaded = threading.Lock(), 0
        self.changing = bool(told.get("changing"))
        self.most_rank = int(told.get("most_rank", 512))
        if "adapter" in told:
            self.load(told["adapter_name"], told["adapter"])
        self.model.eval()
        self.tokenizer = AutoTokenizer.from_pretrained(base)
        self.length = told["length"]

    def app(self) -> Starlette:
        changing = [
            Route("/v1/load_lora_adapter", self.load_adapter, methods=["POST"]),
            Route("/v1/unload_lora_adapter", self.unload_adapter, methods=["POST"]),
        ]
        return Starlette(
            routes=[
                Route("/health", lambda _request: Response()),
                Route("/v1/models", self.models),
                Route("/v1/completions", self.complete, methods=["POST"]),
                *(changing if self.changing else []),
            ]
        )

    async def models(self, _request: Request) -> Response:
        names = [*self.bases, *self.adapters]
        return JSONResponse({"object": "list", "data": [{"id": name, "object": "model"} for name in names]})

    async def load_adapter(self, request: Request) -> Response:
        told = await request.json()
        name, path = told.get("lora_name"), told.get("lora_path")
        if told.keys() - {"lora_name", "lora_path"} or not name or not path:
            return _error(400, "Both 'lora_name' and 'lora_path' must be provided.")
        if name in self.adapters:
            return _error(400, f"The lora adapter '{name}' has already been loaded.")
        try:
            await asyncio.to_thread(self.load, name, path)
        except (OSError, ValueError) as error:
            return _error(500, str(error))
        return PlainTextResponse(f"Success: LoRA adapter '{name}' added successfully.")

    async def unload_adapter(self, request: Request) -> Response:
        told = await request.json()
        name = told.get("lora_name")
        if told.keys() - {"lora_name", "lora_int_id"} or not name:
            return _error(400, "'lora_name' needs to be provided to unload a LoRA adapter.")
        if name not in self.adapters:
            return _error(404, f"The lora adapter '{name}' cannot be found.")
        await asyncio.to_thread(self.unload, name)
        return PlainTextResponse(f"Success: LoRA adapter '{name}' removed successfully.")

    def load(self, name: str, path: str) -> None:
        rank = json.loads((Path(path) / "adapter_config.json").read_text())["r"]
        if rank > self.most_rank:
            raise ValueError(f"LoRA rank {rank} is greater than max_lora_rank {self.most_rank}.")
        with self.turn:
            self.loaded += 1
            inner = f"adapter{self.loaded}"
            if isinstance(self.model, PeftModel):
                self.model.load_adapter(path, inner)
            else:
                self.model = PeftModel.from_pretrained(self.model, path, adapter_name=inner)
            self.model.eval()
            self.adapters[name] = inner

    def unload(self, name: str) -> None:
        with self.turn:
            inner = self.adapters.pop(name)
            if self.adapters:
                self.model.delete_adapter(inner)

    async def complete(self, request: Request) -> Response:
        try:
            asked = Completion.model_validate(await request.json())
        except ValidationError as error:
            return _error(400, str(error.errors()[0]["loc"]))
        if asked.model not in (*self.bases, *self.adapters):
            return _error(404, f"The model `{asked.model}` does not exist.")
        if self.length and len(asked.prompt) + asked.max_tokens > self.length:
            return _error(400, f"This model's maximum context length is {self.length} tokens.")
        if not asked.stream:
            return await asyncio.to_thread(self._say_whole, asked)
        return StreamingResponse(self._say(asked), media_type="text/event-stream")

    def _say_whole(self, asked: Completion) -> Response:
        """One token and how likely it is. What is no number cannot be written as JSON, and breaks the answer."""
        with self.turn, self._as(asked.model), torch.no_grad():
            scores = self.model(input_ids=torch.tensor([asked.prompt])).logits[0, -1]
        likely, token = scores.log_softmax(-1).max(-1)
        choice: dict[str, Any] = {"index": 0, "text": self.tokenizer.decode([int(token)]), "finish_reason": "length"}
        if asked.logprobs is not None:
            if not bool(torch.isfinite(likely)):
                return PlainTextResponse("Internal Server Error", 500)
            choice["logprobs"] = {"token_logprobs": [float(likely)]}
        return JSONResponse({"choices": [choice]})

    async def _say(self, asked: Completion) -> AsyncIterator[str]:
        ids, ended = await asyncio.to_thread(self._generate, asked)
        said = ""
        for end in range(1, len(ids) + 1):
            text = self.tokenizer.decode(ids[:end], skip_special_tokens=True)
            yield _event({"choices": [{"index": 0, "text": text[len(said) :], "finish_reason": None}]})
            said = text
        yield _event({"choices": [{"index": 0, "text": "", "finish_reason": "stop" if ended else "length"}]})
        usage = {"prompt_tokens": len(asked.prompt), "completion_tokens": len(ids)}
        yield _event({"choices": [], "usage": usage})
        yield "data: [DONE]\n\n"

    def _generate(self, asked: Completion) -> tuple[list[int], bool]:
        prompt = torch.tensor([asked.prompt])
        ends = [
            *asked.stop_token_ids,
            *([self.tokenizer.eos_token_id] if self.tokenizer.eos_token_id is not None else []),
        ]
        drawn = asked.temperature > 0
        options: dict[str, Any] = {"temperature": asked.temperature, "top_p": asked.top_p} if drawn else {}
        with self.turn, self._as(asked.model), torch.no_grad():
            made = self.model.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=asked.max_tokens,
                do_sample=drawn,
                repetition_penalty=asked.repetition_penalty,
                eos_token_id=ends or None,
                pad_token_id=0,
                **options,
            )
        ids = made[0, len(asked.prompt) :].tolist()
        return ids, bool(ids) and ids[-1] in ends

    def _as(self, name: str) -> AbstractContextManager[Any]:
        """While it lasts the model is the base, or has the adapter of this name."""
        if name in self.adapters:
            self.model.set_adapter(self.adapters[name])
        elif isinstance(self.model, PeftModel):
            return cast(AbstractContextManager[Any], self.model.disable_adapter())
        return nullcontext()


def _event(document: dict[str, Any]) -> str:
    return (
        f"data: {json.dumps({'id': 'cmpl-1', 'object': 'text_completion', 'model': 'm', 'created': 1} | document)}\n\n"
    )


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": {"message": message, "type": "BadRequestError", "code": status}}, status)


def main() -> None:
    uvicorn.run(Worker(json.loads(sys.argv[1])).app(), host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
