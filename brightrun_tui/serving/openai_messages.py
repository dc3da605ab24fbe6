"""The turns of a conversation as OpenAI's clients send them, and as a chat template takes them. Every field is declared."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError, from_json

from brightrun_tui.domain import dataset

Name = Annotated[str, Field(max_length=512)]


def at_most(count: int) -> BeforeValidator:
    """Refuse an object with more than ``count`` fields before looking at any: else each of a million would get its own
    error.
    """

    def bounded(given: Any) -> Any:
        if isinstance(given, dict) and len(given) > count:
            raise PydanticCustomError("too_long", "an object may have {most} fields here", {"most": count})
        return given

    return BeforeValidator(bounded)


class Strict(BaseModel):
    """A field that is not declared is refused, and so is a value of another type: a ``true`` is no number."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TextPart(Strict):
    """Only text: a text model would drop an image without a word."""

    type: Literal["text", "input_text", "output_text"]
    text: str
    annotations: Annotated[list[Any], Field(max_length=1024)] | None = None
    logprobs: Annotated[list[Any], Field(max_length=0)] | None = None


class Function(Strict):
    name: Name
    arguments: dict[str, Any]

    @field_validator("arguments", mode="before")
    @classmethod
    def _as_object(cls, given: Any) -> Any:
        """Parse arguments, which OpenAI sends as JSON in a string and a chat template reads as an object."""
        try:
            return from_json(given, allow_inf_nan=False) if isinstance(given, str) else given
        except ValueError:
            raise ValueError("must be a JSON object in a string") from None


class ToolCall(Strict):
    id: Name | None = None
    type: Literal["function"] = "function"
    function: Function
    index: int | None = None


class Declaration(BaseModel):
    """A function that may be called. What else stands in it is between the caller and the chat template."""

    model_config = ConfigDict(extra="allow", strict=True)

    name: Annotated[str, Field(min_length=1, max_length=512)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None

    @field_validator("parameters")
    @classmethod
    def _of_an_object(cls, given: dict[str, Any] | None) -> dict[str, Any] | None:
        if (given or {}).get("type", "object") != "object":
            raise ValueError("the parameters of a function are a schema of type “object”")
        return given


class Tool(Strict):
    """One of the tools that may be called."""

    type: Literal["function"]
    function: Declaration

    def plain(self) -> dict[str, Any]:
        """Return it as the caller wrote it."""
        return self.model_dump(exclude_unset=True)


class Message(Strict):
    """One turn. Earlier answers come back as OpenAI's client dumps them."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Annotated[list[TextPart], Field(max_length=4096, fail_fast=True)] | None = None
    name: Name | None = None
    refusal: None = None
    annotations: Annotated[list[Any], Field(max_length=1024)] | None = None
    audio: None = None
    function_call: None = None
    reasoning_content: str | None = None
    tool_calls: Annotated[list[ToolCall], Field(max_length=128, fail_fast=True)] | None = None
    tool_call_id: Name | None = None

    @model_validator(mode="after")
    def _says_something_of_its_own(self) -> Message:
        """Apply OpenAI's rules for who says what: a turn without any text, or with what only another role has, is a
        mistake.
        """
        for field, role in (("tool_calls", "assistant"), ("reasoning_content", "assistant"), ("tool_call_id", "tool")):
            if getattr(self, field) and self.role != role:
                raise PydanticCustomError("misplaced", f"only a turn of the role “{role}” has “{field}”")
        if self.content is None and not self.tool_calls:
            raise PydanticCustomError("nothing_said", "“content” is missing")
        return self

    def plain(self) -> dict[str, Any]:
        """Return the turn as a chat template takes it and as training told it: ``developer`` under its older name,
        parts as lines.
        """
        parts = [self.content] if isinstance(self.content, str) else [part.text for part in self.content or ()]
        turn = dataset.Message(
            role="system" if self.role == "developer" else self.role,
            content="\n".join(parts),
            reasoning=self.reasoning_content or "",
            tool_calls=tuple(
                dataset.ToolCall(name=call.function.name, arguments=call.function.arguments, id=call.id or "")
                for call in self.tool_calls or ()
            ),
            name=self.name or "",
            tool_call_id=self.tool_call_id or "",
        )
        return turn.for_template()


class ResponseMessage(Message):
    type: Literal["message"] | None = None
    id: Name | None = None
    status: Name | None = None
    phase: Name | None = None
