"""One module puts numbers into words: what is the same size reads the same in app, command line, checks and errors."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from brightrun_tui.domain import humanize

PACKAGE = Path(__file__).resolve().parents[1] / "brightrun_tui"
GIB = 1024**3


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        (0.4 * GIB, 7.8 * GIB, "0.4 of 7.8 GiB"),
        (12 * 1024**2, 850 * 1024**2, "12.0 of 850.0 MiB"),
        (0.3 * GIB, 128 * GIB, "0.3 of 128.0 GiB"),
        (3, 900, "3 of 900 B"),
        (GIB, 5000 * GIB, "1.0 of 5000.0 GiB"),
    ],
)
def test_a_part_is_said_in_the_unit_of_the_whole(part: float, whole: float, said: str) -> None:
    assert humanize.sizes(part, whole) == said


def test_what_is_there_is_never_nothing_and_what_is_not_all_is_never_everything() -> None:
    assert [humanize.share(one) for one in (0.0, 0.001, 0.42, 0.999, 1.0)] == ["0%", "<1%", "42%", ">99%", "100%"]


def test_amounts_in_a_table_of_costs_are_exact() -> None:
    assert [humanize.money_exact(one) for one in (0.0, 0.00312, 1234.5)] == ["$0.0000", "$0.0031", "$1,234.5000"]


def test_nobody_else_puts_bytes_into_words() -> None:
    """The same 850 MB were once said in three ways."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name == "humanize.py":
            continue
        for text in (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.JoinedStr)):
            for number, words in zip(text.values, text.values[1:], strict=False):
                unit = isinstance(words, ast.Constant) and re.match(r" ?[MG]i?B\b", str(words.value))
                if unit and isinstance(number, ast.FormattedValue):
                    found.append(f"{path.name}:{text.lineno}")
    assert not found
