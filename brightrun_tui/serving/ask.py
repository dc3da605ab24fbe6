"""A request to an endpoint once it has been checked, and one that is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Dialect = Literal["chat", "completions", "responses"]


class RequestRefused(Exception):
    """A request that is not served, as HTTP status and OpenAI's error object."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        status: int = 400,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


@dataclass(frozen=True)
class Ask:
    """A request that can be honoured. ``body`` is what the engine gets, without ``model``, ``stream``, prompt and length limit.

    ``messages`` and ``tools`` are the conversation as a chat template takes it; where there is none, ``prompt`` is what the
    model reads. ``stops`` are the strings at which the answer ends. ``new_tokens`` is the longest answer wanted, None when the
    caller did not say. ``usage``: token counts at a stream's end. ``n``: how many answers. ``logprobs``: with how many of the
    likeliest tokens, None for none. ``schema``: of the JSON that the answer must be; ``call_schema``: of the call of a tool.
    ``one_call``: no more than one tool may be called. ``needs``: fields that not every engine can honour.
    """

    dialect: Dialect
    model: str
    stream: bool
    body: dict[str, Any]
    messages: list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None
    prompt: str = ""
    stops: tuple[str, ...] = ()
    new_tokens: int | None = None
    usage: bool = False
    n: int = 1
    logprobs: int | None = None
    schema: dict[str, Any] | None = None
    call_schema: dict[str, Any] | None = None
    one_call: bool = False
    needs: tuple[str, ...] = ()

    @property
    def form(self) -> dict[str, Any] | None:
        """The schema that the answer must have, whatever it was asked for by; the empty one is any JSON. None: it is free."""
        return self.schema if self.call_schema is None else self.call_schema

    @property
    def bytes(self) -> int:
        """The size of what was said, without chat template and tools."""
        return len(self.prompt.encode()) + sum(len(message["content"].encode()) for message in self.messages or ())
