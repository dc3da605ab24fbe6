"""What a model says between markers: its reasoning, and its calls of tools."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any, Literal

Part = Literal["content", "reasoning", "call", "closed"]
"""``closed``, without text: a call ends here, and what comes next may be another one."""

MARKERS: dict[Part, tuple[str, str]] = {"reasoning": ("<think>", "</think>"), "call": ("<tool_call>", "</tool_call>")}


class Segments:
    """Cuts a growing text at `MARKERS`, which do not appear in what comes out, however the text is cut into pieces.

    ``parts`` are those to look for; ``begin``: the part in which the text starts.
    """

    def __init__(self, parts: tuple[Part, ...], begin: Part = "content") -> None:
        self._openings = {MARKERS[part][0]: part for part in parts}
        self._any_opening = re.compile("|".join(map(re.escape, self._openings)) or "(?!)")
        self._part: Part = begin
        self._held = ""
        self._first = True

    def feed(self, piece: str) -> list[tuple[Part, str]]:
        """Return what can be passed on now; what may be the beginning of a marker is held back."""
        text, start = self._held + piece, 0
        found: list[tuple[Part, str]] = []
        while True:
            closing = "" if self._part == "content" else MARKERS[self._part][1]
            match = (re.compile(re.escape(closing)) if closing else self._any_opening).search(text, start)
            if match is None:
                break
            found.append((self._part, text[start : match.start()]))
            start = match.end()
            before, self._part = self._part, self._openings.get(match[0], "content")
            if before == "call":
                found.append(("closed", ""))
            while before == "reasoning" and text.startswith("\n", start):
                start += 1
        self._held = text[start:]
        wanted = [closing] if closing else list(self._openings)
        kept = max((_overlap(self._held, marker) for marker in wanted), default=0)
        cut = len(self._held) - kept
        found.append((self._part, self._held[:cut]))
        self._held = self._held[cut:]
        return [(part, text) for part, text in found if text or part == "closed"]

    def rest(self) -> list[tuple[Part, str]]:
        """Return what was held back, when the text has ended."""
        text, self._held = self._held, ""
        return [(self._part, text)] if text else []


def _overlap(text: str, marker: str) -> int:
    """Return how many characters at the end of ``text`` may be the beginning of ``marker``."""
    return next((size for size in range(min(len(text), len(marker) - 1), 0, -1) if marker.startswith(text[-size:])), 0)


def read_call(text: str, index: int) -> dict[str, Any] | None:
    """Return a call of a tool as OpenAI writes it, from the JSON that a model wrote; None where that is none.

    Models name the arguments ``arguments`` or ``parameters``.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not isinstance(document.get("name"), str):
        return None
    arguments = document.get("arguments", document.get("parameters", {}))
    return {
        "index": index,
        "id": f"call_{secrets.token_hex(12)}",
        "type": "function",
        "function": {
            "name": document["name"],
            "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False),
        },
    }
