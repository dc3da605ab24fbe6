"""The turns of a conversation as OpenAI's clients send them, and as a chat template takes them. Every field is declared."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import from_json

Name = Annotated[str, Field(max_length=512)]


class Strict(BaseModel):
    """A field that is not declared is refused."""

    model_config = ConfigDict(extra="forbid")


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
        """OpenAI sends them as JSON in a string; a chat template goes through them."""
        try:
            return from_json(given, allow_inf_nan=False) if isinstance(given, str) else given
        except ValueError:
            raise ValueError("must be a JSON object in a string") from None


class ToolCall(Strict):
    id: Name | None = None
    type: Literal["function"] = "function"
    function: Function
    index: int | None = None

    def plain(self) -> dict[str, Any]:
        return self.model_dump(include={"id", "type", "function"})


class Tool(Strict):
    """What stands in ``function`` is between the caller and the chat template."""

    type: Literal["function"]
    function: dict[str, Any]


class Message(Strict):
    """One turn. Earlier answers come back as OpenAI's client dumps them; what a model thought is not told to it again."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Annotated[list[TextPart], Field(max_length=4096)] | None = None
    name: Name | None = None
    refusal: None = None
    annotations: Annotated[list[Any], Field(max_length=1024)] | None = None
    audio: None = None
    function_call: None = None
    reasoning_content: str | None = None
    tool_calls: Annotated[list[ToolCall], Field(max_length=128)] | None = None
    tool_call_id: Name | None = None

    def plain(self) -> dict[str, Any]:
        """As a chat template takes it: text in one string, and ``developer`` under its older name.

        Parts become lines, as in training, and as vLLM does. Beside calls of tools no text is told.
        """
        parts = [self.content] if isinstance(self.content, str) else [part.text for part in self.content or ()]
        content = "" if self.tool_calls else "\n".join(parts)
        document: dict[str, Any] = {"role": "system" if self.role == "developer" else self.role, "content": content}
        if self.tool_calls:
            document["tool_calls"] = [call.plain() for call in self.tool_calls]
        return document | ({"tool_call_id": self.tool_call_id} if self.tool_call_id is not None else {})


class ResponseMessage(Message):
    type: Literal["message"] | None = None
    id: Name | None = None
    status: Name | None = None
    phase: Name | None = None
