"""Files to check, written where the test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from brightrun_tui.domain.dataset import DatasetReport

Write = Callable[[str, str | bytes], Path]
"""Writes a file of this name and content, and says where it lies."""


def lines(*rows: Any) -> str:
    """JSON Lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def chat(*texts: str, system: str = "") -> dict[str, Any]:
    """A ``messages`` record of alternating user and assistant texts."""
    turns = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
    return {"messages": ([{"role": "system", "content": system}] if system else []) + turns}


def pairs(count: int, start: int = 0) -> Iterable[dict[str, str]]:
    """Different prompt/completion records."""
    return ({"prompt": f"What is {i} plus {i}?", "completion": f"It is {i + i}."} for i in range(start, start + count))


def kinds(report: DatasetReport) -> set[str]:
    """The kinds of what was found."""
    return {problem.kind for problem in report.problems}


def first(report: DatasetReport) -> list[tuple[str, str]]:
    """The first record: who says what."""
    return [(message.role, message.content) for message in report.preview[0].messages]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file of this name and content into the test's own directory."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
