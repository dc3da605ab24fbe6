"""Calls of tools as files hold them, and the tools that may be called, in the forms of all the well-known clients."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from brightrun_tui.datasets.nesting import json_of
from brightrun_tui.datasets.turns import Unusable
from brightrun_tui.domain.dataset import ToolCall

CALL_ROLES = frozenset({"function_call", "tool_call"})
"""Speakers whose whole text is a call, in ShareGPT's form."""
TOOLS = ("tools", "functions", "toolconfig")
_ARGUMENTS = ("arguments", "parameters", "input", "args", "kwargs", "params")
_SCHEMAS = ("input_schema", "inputSchema")
"""What Anthropic's clients and MCP call a tool's parameters."""
_CALL_PARTS = ("functionCall", "function_call", "toolUse")
_RESULT_PARTS = ("functionResponse", "function_response", "toolResult")
_DECLARATIONS = ("functionDeclarations", "function_declarations")
"""How the clients of Gemini and Bedrock name calls, results and tools."""
_ABOUT_CALLS = frozenset({"name", "id", "type", "index", "function", "call_id", "toolUseId"})


def calls_of(turn: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    """Return the calls of an assistant's turn: ``tool_calls``, or the older ``function_call``.

    Raises:
        Unusable: a call has no name, or arguments that are not an object.
    """
    given = turn.get("tool_calls") or ([turn["function_call"]] if turn.get("function_call") else [])
    given = _from_text(given)
    if not isinstance(given, list):
        raise Unusable("broken_call")
    return tuple(_call(one) for one in given)


def calls_in_text(text: Any) -> tuple[ToolCall, ...]:
    """Return the calls that a turn of a `CALL_ROLES` speaker consists of. Raises `Unusable` as `calls_of`."""
    given = _from_text(text)
    return tuple(_call(one) for one in (given if isinstance(given, list) else [given]))


def calls_in_parts(content: Any) -> tuple[Any, tuple[ToolCall, ...]]:
    """Return the content without the calls among its parts, as Anthropic's clients write them, and these. Raises as
    `calls_of`.
    """
    if not isinstance(content, list):
        return content, ()
    calls = [part for part in content if isinstance(part, dict) and (part.get("type") == "tool_use" or _called(part))]
    rest = [part for part in content if part not in calls]
    return rest, tuple(_call(_called(part) or part) for part in calls)


def results_in_parts(content: Any) -> tuple[Any, list[tuple[str, Any]]]:
    """Return the content without the results of tools among its parts, and these with the calls they answer."""
    if not isinstance(content, list):
        return content, []
    said: list[tuple[str, Any]] = []
    rest = []
    for part in content:
        returned = _first(part, _RESULT_PARTS)
        if isinstance(part, dict) and part.get("type") == "tool_result":
            said.append((str(part.get("tool_use_id") or ""), part.get("content")))
        elif isinstance(returned, dict):
            answered = returned.get("id") or returned.get("toolUseId") or ""
            said.append((str(answered), returned.get("response", _plain(returned.get("content")))))
        else:
            rest.append(part)
    return rest, said


def _plain(content: Any) -> Any:
    """Return Bedrock's parts of a result as parts of text."""
    if not isinstance(content, list):
        return content
    given = (part.get("json", part) if isinstance(part, dict) else part for part in content)
    return [
        part if isinstance(part, dict) and "text" in part else json.dumps(part, ensure_ascii=False, default=str)
        for part in given
    ]


def _called(part: Any) -> Any:
    """Return the call in a part as the clients of Gemini and Bedrock write it; None in any other."""
    return _first(part, _CALL_PARTS)


def _first(part: Any, names: tuple[str, ...]) -> Any:
    return next((part[name] for name in names if part.get(name)), None) if isinstance(part, dict) else None


def tools_of(row: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the tools of a record, in OpenAI's form.

    Raises:
        Unusable: they are not a list of objects with names.
    """
    given = next((row[name] for name in TOOLS if row.get(name)), None)
    given = _from_text(given)
    if not given:
        return ()
    if isinstance(given, dict):
        given = (
            given["tools"]
            if isinstance(given.get("tools"), list)
            else [given]
            if _first(given, _DECLARATIONS)
            else given
        )
    if not isinstance(given, list):
        raise Unusable("broken_tools")
    listed = ((_first(one, _DECLARATIONS) or one) for one in map(_from_text, given))
    return tuple(_tool(tool) for one in listed for tool in (one if isinstance(one, list) else [one]))


def tools_beside(row: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the tools of a question in a table, whose column of that name may also hold hammers; none then."""
    try:
        return tools_of(row)
    except Unusable:
        return ()


def calls_as_answer(answer: str, tools: tuple[dict[str, Any], ...]) -> tuple[ToolCall, ...]:
    """Return the calls that an answer consists of, as JSON, where all are of these tools; none in any other answer."""
    if not tools or not answer.startswith(("[", "{")):
        return ()
    try:
        calls = calls_in_text(answer)
    except Unusable:
        return ()
    return calls if {call.name for call in calls} <= {tool["function"]["name"] for tool in tools} else ()


def _call(given: Any) -> ToolCall:
    if not isinstance(given, dict):
        raise Unusable("broken_call")
    function = given.get("function") if isinstance(given.get("function"), dict) else given
    assert isinstance(function, dict)
    given_as = next((name for name in _ARGUMENTS if name in function), "")
    arguments = _from_text(function.get(given_as))
    if arguments is None or arguments == "":
        if not given_as and function.keys() - _ABOUT_CALLS:
            raise Unusable("broken_call")
        arguments = {}
    name = function.get("name")
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        raise Unusable("broken_call")
    called = given.get("id", given.get("toolUseId"))
    return ToolCall(name=name, arguments=arguments, id=called if isinstance(called, str) else "")


def _tool(given: Any) -> dict[str, Any]:
    function = given.get("function", given.get("toolSpec", given)) if isinstance(given, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise Unusable("broken_tools")
    schema = next((name for name in _SCHEMAS if name in function), "")
    if schema and "parameters" not in function:
        function = {"parameters" if name == schema else name: value for name, value in function.items()}
        if isinstance(function["parameters"], dict) and function["parameters"].keys() == {"json"}:
            function["parameters"] = function["parameters"]["json"]
    return {"type": "function", "function": function}


def _from_text(given: Any) -> Any:
    """Return what a text holds as JSON; anything else as it is."""
    if not isinstance(given, str):
        return given
    try:
        return json_of(given) if given.strip() else None
    except ValueError:
        return given
