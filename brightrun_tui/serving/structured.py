"""Answers that must have a form: JSON, JSON of a schema, the call of a tool."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

MAX_SCHEMA_BYTES = 64 << 10
MAX_SCHEMA_DEPTH = 32

_Name = Annotated[str, Field(max_length=512)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TextFormat(_Strict):
    """No form at all."""

    type: Literal["text"]

    def wanted(self) -> dict[str, Any] | None:
        return None


class JsonObject(_Strict):
    """Any JSON object."""

    type: Literal["json_object"]

    def wanted(self) -> dict[str, Any] | None:
        return {"type": "object"}


class _Schema(_Strict):
    name: _Name | None = None
    description: str | None = None
    strict: bool | None = None
    given: dict[str, Any] = Field(default_factory=lambda: {"type": "object"}, alias="schema")

    @field_validator("given")
    @classmethod
    def _bounded(cls, given: dict[str, Any]) -> dict[str, Any]:
        if len(json.dumps(given)) > MAX_SCHEMA_BYTES or _depth(given) > MAX_SCHEMA_DEPTH:
            raise ValueError(f"a schema may have {MAX_SCHEMA_BYTES >> 10} KiB and {MAX_SCHEMA_DEPTH} levels")
        return given


class JsonSchema(_Strict):
    """JSON of a schema, as a chat names it."""

    type: Literal["json_schema"]
    json_schema: _Schema

    def wanted(self) -> dict[str, Any] | None:
        return self.json_schema.given


class FlatJsonSchema(_Schema):
    """JSON of a schema, as ``/v1/responses`` names it."""

    type: Literal["json_schema"]

    def wanted(self) -> dict[str, Any] | None:
        return self.given


class NamedFunction(_Strict):
    name: _Name


class NamedTool(_Strict):
    """The one tool that must be called."""

    type: Literal["function"]
    function: NamedFunction


def call_schema(tools: list[dict[str, Any]], name: str | None) -> dict[str, Any] | None:
    """What an answer must look like to be the call of one of ``tools``, or of the one with this name; None: there is none."""
    functions = [tool["function"] for tool in tools if name in (None, tool["function"].get("name"))]
    forms = [
        {
            "type": "object",
            "properties": {
                "name": {"const": function.get("name")},
                "arguments": {"type": "object"} | (function.get("parameters") or {}),
            },
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for function in functions
    ]
    return forms[0] if len(forms) == 1 else {"anyOf": forms} if forms else None


def told_of_tools(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The conversation for a model whose chat template has no place for tools: they stand in the first message."""
    listed = "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)
    text = f'Call a function, as JSON {{"name": …, "arguments": …}}. Functions:\n{listed}'
    own = [messages[0]["content"]] if messages[0]["role"] == "system" else []
    return [{"role": "system", "content": "\n\n".join([*own, text])}, *messages[len(own) :]]


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max((_depth(each) for each in inner), default=0)
