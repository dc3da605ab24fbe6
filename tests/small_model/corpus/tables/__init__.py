"""Tables of the corpus: text files with one row a line, columns parted by ``||``; ``#`` begins a comment."""

from __future__ import annotations

from pathlib import Path


def read_table(name: str) -> list[list[str]]:
    """The rows of ``name``.txt, each a list of its columns."""
    lines = Path(__file__).with_name(f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [[column.strip() for column in line.split("||")] for line in lines if line and not line.startswith("#")]


def split_items(column: str) -> list[str]:
    """The entries of a column that holds a list, parted by semicolons."""
    return [item.strip() for item in column.split(";")]
