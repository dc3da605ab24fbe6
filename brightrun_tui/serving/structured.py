"""Answers that must have a form: JSON, JSON of a schema, the call of a tool."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field, field_validator

from brightrun_tui.serving.forms import MAX_TOOLS_BYTES, check_schema, moved
from brightrun_tui.serving.openai_messages import Name, Strict

_ARGUMENTS = "/properties/arguments"
_OPEN = {"patternProperties", "allOf", "anyOf", "oneOf", "$ref"}
"""Words of a schema that may name further properties."""


class TextFormat(Strict):
    """No form at all."""

    type: Literal["text"]

    def wanted(self) -> dict[str, Any] | None:
        return None


class JsonObject(Strict):
    """Any JSON object."""

    type: Literal["json_object"]

    def wanted(self) -> dict[str, Any] | None:
        return {"type": "object"}


class _Schema(Strict):
    name: Name | None = None
    description: str | None = None
    strict: bool | None = None
    given: dict[str, Any] = Field(default_factory=lambda: {"type": "object"}, alias="schema")

    @field_validator("given")
    @classmethod
    def _bounded(cls, given: dict[str, Any]) -> dict[str, Any]:
        check_schema(given)
        return given


class JsonSchema(Strict):
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


class NamedFunction(Strict):
    name: Name


class NamedTool(Strict):
    """The one tool that must be called."""

    type: Literal["function"]
    function: NamedFunction


def call_schema(tools: list[dict[str, Any]], name: str | None) -> dict[str, Any] | None:
    """Return what an answer must look like to be the call of one of ``tools``, or of the one with this name; None: there is none.

    Raises:
        Unfollowed: no answer can be held to the parameters of one.
    """
    functions = [tool["function"] for tool in tools if name in (None, tool["function"].get("name"))]
    forms = [
        {
            "type": "object",
            "properties": {
                "name": {"const": function.get("name")},
                "arguments": moved(
                    _arguments(function.get("parameters") or {}),
                    f"/anyOf/{number}{_ARGUMENTS}" if len(functions) > 1 else _ARGUMENTS,
                ),
            },
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for number, function in enumerate(functions)
    ]
    if not forms:
        return None
    schema = forms[0] if len(forms) == 1 else {"anyOf": forms}
    check_schema(schema, MAX_TOOLS_BYTES)
    return schema


def _arguments(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what a call may give: nothing if no parameters are named, and no others than these, unless the schema says
    more.
    """
    if not parameters:
        return {"type": "object", "additionalProperties": False}
    closed = {"additionalProperties": False} if "properties" in parameters and not _OPEN & parameters.keys() else {}
    return {"type": "object"} | closed | parameters


def told_of_tools(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the conversation for a model whose chat template has no place for tools: they stand in the first message."""
    listed = "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)
    text = f'Call a function, as JSON {{"name": …, "arguments": …}}. Functions:\n{listed}'
    own = [messages[0]["content"]] if messages[0]["role"] == "system" else []
    return [{"role": "system", "content": "\n\n".join([*own, text])}, *messages[len(own) :]]
