"""What callers may ask, and what the engine is told.

An engine may ignore what it cannot do (transformers' server: ``response_format``, ``n``, ``logprobs`` …) and answer as if it
had not been asked. Here every field is declared; one that would change the answer and cannot be honoured is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError, from_json

from brightrun_tui.serving.ask import Ask, RequestRefused
from brightrun_tui.serving.forms import Unfollowed
from brightrun_tui.serving.openai_messages import Message, Name, ResponseMessage, Strict, Tool, at_most
from brightrun_tui.serving.plan import EndpointPlan
from brightrun_tui.serving.structured import (
    FlatJsonSchema,
    JsonObject,
    JsonSchema,
    NamedTool,
    TextFormat,
    call_schema,
    told_of_tools,
)

DEFAULT_NEW_TOKENS = 1024
GREEDY_BELOW = 1e-4
"""A temperature so small that sampling is choosing the likeliest: a hundredth in the logits is a factor of e¹⁰⁰."""

Tokens = Annotated[int, Field(ge=1, lt=2**31)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Stop = Annotated[str, Field(max_length=64)]
_NEEDED = ("top_k", "min_p", "repetition_penalty")
_SAMPLES = {"top_p", "top_k", "min_p"}
"""Who sets one of these wants answers to be drawn."""
_FIELD = "field:"
"""Before the field in the kind of a fault that shows only beside other fields."""
MOST_FIELDS = 256
"""Of a request; all that are declared are some forty."""
MAX_ANSWERS = 8
MAX_LOGPROBS = 20


class _ResponseText(Strict):
    format: TextFormat | JsonObject | FlatJsonSchema | None = Field(None, discriminator="type")
    verbosity: Literal["medium"] | None = None


class _Common(Strict):
    """Fields of every dialect. Those from ``user`` on change nothing in the answer and are not passed on."""

    model: Name
    stream: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.01, le=2)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    user: Name | None = None
    metadata: Annotated[dict[Name, Name], at_most(16)] | None = None
    store: Literal[False] | None = None
    service_tier: Literal["auto", "default"] | None = None
    safety_identifier: Name | None = None
    prompt_cache_key: Name | None = None

    def sampling(self, plan: EndpointPlan) -> dict[str, Any]:
        """Say how to sample; without a word from the caller as the base model's own settings say."""
        given = self.model_dump(include={"temperature", "top_p", "seed", *_NEEDED}, exclude_none=True)
        if given.get("temperature", 1.0) < GREEDY_BELOW:
            given["temperature"] = 0.0
        return ({"temperature": 0.0} | given) if plan.greedy and not given.keys() & _SAMPLES else given

    def needed(self, *further: str) -> tuple[str, ...]:
        """Return fields of the request that not every engine can honour."""
        return (*(name for name in _NEEDED if getattr(self, name) is not None), *further)


class _Generation(_Common):
    """Fields of the two older dialects."""

    max_tokens: Tokens | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=16, fail_fast=True)] | None = None
    n: Annotated[int, Field(ge=1, le=MAX_ANSWERS)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    stream_options: dict[Literal["include_usage", "include_obfuscation"], bool] | None = None

    @model_validator(mode="after")
    def _streams_what_has_options(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise _fault("stream_options", "is for streams: say “stream”: true, too")
        return self

    def usage(self) -> bool:
        return bool((self.stream_options or {}).get("include_usage"))

    def stops(self) -> tuple[str, ...]:
        return tuple(s for s in ([self.stop] if isinstance(self.stop, str) else self.stop or ()) if s)

    def generation(self, plan: EndpointPlan) -> dict[str, Any]:
        body = self.sampling(plan) | self.model_dump(
            include={"frequency_penalty", "presence_penalty"}, exclude_none=True
        )
        return body | ({"stop": list(self.stops())} if self.stops() else {})

    def needed(self, *further: str) -> tuple[str, ...]:
        return super().needed(*(("n",) if (self.n or 1) > 1 else ()), *further)


class ChatRequest(_Generation):
    """``POST /v1/chat/completions``."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=4096, fail_fast=True)]
    max_completion_tokens: Tokens | None = None
    logit_bias: (
        Annotated[
            dict[Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,8})$")], Annotated[float, Field(ge=-100, le=100)]],
            at_most(1024),
        ]
        | None
    ) = None
    tools: Annotated[list[Tool], Field(max_length=128, fail_fast=True)] | None = None
    tool_choice: Literal["auto", "none", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_LOGPROBS)] | None = None
    response_format: TextFormat | JsonObject | JsonSchema | None = Field(None, discriminator="type")
    modalities: Annotated[list[Literal["text"]], Field(max_length=1)] | None = None

    @model_validator(mode="after")
    def _asks_for_one_thing(self) -> Self:
        """Refuse two fields that contradict each other, rather than ignore one."""
        if self.top_logprobs and not self.logprobs:
            raise _fault("top_logprobs", "needs “logprobs”: true")
        lengths = {self.max_tokens, self.max_completion_tokens} - {None}
        if len(lengths) > 1:
            raise _fault("max_tokens", "says another length than “max_completion_tokens”: give one of them")
        free = self.tools and self.tool_choice in (None, "auto")
        if free and self.response_format is not None and self.response_format.wanted() is not None:
            raise _fault(
                "response_format",
                "cannot be held to while the model may call tools: say “tool_choice”: “none” or “required”, or leave one out",
            )
        return self

    def ask(self, plan: EndpointPlan) -> Ask:
        forced = self._forced()
        if self.tools and not plan.tools and forced is None and self.tool_choice != "none":
            raise RequestRefused(
                "this model's chat template knows no tools; “tool_choice”: “required” makes it call one",
                param="tools",
                code="unsupported_value",
            )
        strange = next((token for token in self.logit_bias or () if 0 < plan.vocabulary <= int(token)), None)
        if strange is not None:
            raise RequestRefused(
                f"“logit_bias”: there is no token {strange}; this model has {plan.vocabulary}",
                param="logit_bias",
                code="invalid_value",
            )
        body = self.generation(plan) | ({"logit_bias": self.logit_bias} if self.logit_bias else {})
        tools = [tool.plain() for tool in self.tools] if self.tools and self.tool_choice != "none" else None
        one_call = bool(tools) and self.parallel_tool_calls is False
        messages = [message.plain() for message in self.messages]
        if tools and not plan.tools:
            messages, tools = told_of_tools(messages, tools), None
        wanted = self.response_format.wanted() if self.response_format and forced is None else None
        return Ask(
            "chat",
            self.model,
            bool(self.stream),
            body,
            messages=messages,
            tools=tools,
            stops=self.stops(),
            new_tokens=self.max_completion_tokens or self.max_tokens,
            usage=self.usage(),
            n=self.n or 1,
            logprobs=(self.top_logprobs or 0) if self.logprobs else None,
            schema=wanted,
            call_schema=forced,
            one_call=one_call,
            needs=self.needed(
                *(("logprobs",) if self.logprobs else ()),
                *(("response_format",) if wanted is not None else ()),
                *(("tool_choice",) if forced else ()),
                *(("parallel_tool_calls",) if one_call else ()),
            ),
        )

    def _forced(self) -> dict[str, Any] | None:
        """Return the form of the call that must be made; None where the model is free."""
        if self.tool_choice in (None, "auto", "none"):
            return None
        name = self.tool_choice.function.name if isinstance(self.tool_choice, NamedTool) else None
        try:
            schema = call_schema([tool.plain() for tool in self.tools or ()], name)
        except Unfollowed as error:
            raise RequestRefused(f"“tools”: {error}", param="tools", code="invalid_value") from None
        if schema is None:
            raise RequestRefused(
                f"“tool_choice”: there is no tool “{name}”" if name else "“tool_choice”: there are no tools",
                param="tool_choice",
                code="invalid_value",
            )
        return schema


class CompletionRequest(_Generation):
    """``POST /v1/completions``."""

    prompt: str | Annotated[list[str], Field(min_length=1, max_length=1)]
    best_of: Literal[1] | None = None
    echo: Literal[False] | None = None
    logprobs: Annotated[int, Field(ge=0, le=MAX_LOGPROBS)] | None = None
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = None
    suffix: Literal[""] | None = None

    def ask(self, plan: EndpointPlan) -> Ask:
        prompt = self.prompt if isinstance(self.prompt, str) else self.prompt[0]
        return Ask(
            "completions",
            self.model,
            bool(self.stream),
            self.generation(plan),
            prompt=prompt,
            stops=self.stops(),
            new_tokens=self.max_tokens,
            usage=self.usage(),
            n=self.n or 1,
            logprobs=self.logprobs,
            needs=self.needed(*(("logprobs",) if self.logprobs is not None else ())),
        )


class ResponseRequest(_Common):
    """``POST /v1/responses``: one answer, without memory of earlier ones."""

    input: str | Annotated[list[ResponseMessage], Field(min_length=1, max_length=4096, fail_fast=True)]
    instructions: str | None = None
    max_output_tokens: Tokens | None = None
    background: Literal[False] | None = None
    previous_response_id: None = None
    text: _ResponseText | None = None
    tool_choice: Literal["auto", "none"] | None = None
    tools: Annotated[list[Any], Field(max_length=0)] | None = None
    top_logprobs: Literal[0] | None = None
    truncation: Literal["disabled"] | None = None

    @field_validator("input", mode="before")
    @classmethod
    def _without_reasoning(cls, given: Any) -> Any:
        """Drop the model's reasoning, which is part of its earlier output and is not told to it again."""
        return (
            [item for item in given if not (isinstance(item, dict) and item.get("type") == "reasoning")]
            if isinstance(given, list)
            else given
        )

    def ask(self, plan: EndpointPlan) -> Ask:
        messages = (
            [{"role": "user", "content": self.input}]
            if isinstance(self.input, str)
            else [message.plain() for message in self.input]
        )
        if self.instructions:
            rest = messages[1:] if messages[0]["role"] == "system" else messages
            own = [messages[0]["content"]] if len(rest) < len(messages) else []
            messages = [{"role": "system", "content": "\n\n".join([self.instructions, *own])}, *rest]
        wanted = self.text.format.wanted() if self.text and self.text.format else None
        return Ask(
            "responses",
            self.model,
            bool(self.stream),
            self.sampling(plan),
            messages=messages,
            new_tokens=self.max_output_tokens,
            schema=wanted,
            needs=self.needed(*(("text",) if wanted is not None else ())),
        )


ROUTES: dict[str, type[ChatRequest] | type[CompletionRequest] | type[ResponseRequest]] = {
    "/v1/chat/completions": ChatRequest,
    "/v1/completions": CompletionRequest,
    "/v1/responses": ResponseRequest,
}


def model_of(content: bytes) -> str:
    """Return the model that a body names; empty where it names none. What is wrong with it, `parse` says."""
    try:
        document = from_json(content)
    except ValueError:
        return ""
    return str(document.get("model")) if isinstance(document, dict) else ""


def parse(path: str, content: bytes, plan: EndpointPlan) -> Ask:
    """Check what was posted to ``path`` (a key of `ROUTES`). Takes long for a large ``content``: not for an event loop.

    Raises:
        RequestRefused: with status 400 or 404, naming the field.
    """
    try:
        document = from_json(content, allow_inf_nan=False)
    except ValueError as error:
        raise RequestRefused(f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise RequestRefused("the body must be a JSON object")
    if len(document) > MOST_FIELDS:
        raise RequestRefused(f"the body has {len(document):,} fields")
    document = {
        name: value for name, value in document.items() if value is not None
    }  # null is the same as nothing said
    try:
        request = ROUTES[path].model_validate(document)
    except ValidationError as error:
        raise _refusal(error, document) from None
    if request.model not in plan.names:
        raise RequestRefused(
            f"the model “{request.model}” is not served here; this endpoint serves {plan.names_said}",
            param="model",
            code="model_not_found",
            status=404,
        )
    return request.ask(plan)


def _fault(field: str, said: str) -> PydanticCustomError:
    """Return an error: the field does not go with the others."""
    return PydanticCustomError(_FIELD + field, said)


def _refusal(error: ValidationError, document: dict[str, Any]) -> RequestRefused:
    first, path = _most_telling(error, document)
    if first["type"].startswith(_FIELD):
        name = first["type"].removeprefix(_FIELD)
        return RequestRefused(f"“{name}” {first['msg']}", param=name, code="invalid_value")
    field, place = path[0] if path else "", ".".join(path)
    if first["type"] == "extra_forbidden":
        return RequestRefused(f"“{place}” is not supported by this endpoint", param=field, code="unsupported_parameter")
    if first["type"] == "missing":
        return RequestRefused(f"“{place}” is missing", param=field, code="missing_required_parameter")
    said = first["msg"].removeprefix("Value error, ").replace(" after validation", "")
    known = first["type"] in ("literal_error", "none_required", "too_long")
    return RequestRefused(
        f"“{place}”: {said[0].lower()}{said[1:]}" + ("; this endpoint supports nothing else" if known else ""),
        param=field,
        code="unsupported_value" if known else "invalid_value",
    )


def _most_telling(error: ValidationError, document: dict[str, Any]) -> tuple[ErrorDetails, list[str]]:
    """Return the first thing that is wrong, and its place. Of a field that may have several forms: what is wrong in the form
    that was meant, which is the one in which the fault lies deepest, or is none of its kind."""
    found = [(each, _place(each["loc"], document)) for each in error.errors(include_url=False, include_context=False)]
    start = found[0][1]
    return max(
        (one for one in found if one[1][: len(start)] == start),
        key=lambda one: (len(one[1]), not one[0]["type"].endswith("_type")),
    )


def _place(path: tuple[int | str, ...], document: Any) -> list[str]:
    """Return the path as the caller wrote it, without what pydantic adds to tell the forms of a field apart."""
    place = []
    for part in path:
        inside = isinstance(document, dict) and part in document
        if inside or (isinstance(document, list) and isinstance(part, int) and part < len(document)):
            document = document[part]
        elif part != path[-1] or not isinstance(document, dict) or not str(part).isidentifier():
            continue
        place.append(str(part))
    return place
