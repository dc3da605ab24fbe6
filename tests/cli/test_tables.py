"""Tables of the command line on terminals of any width: no amount, no name and no id is cut short."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from brightrun_tui.commands.shared.tables import fitting_table

COSTS = ("run or endpoint", "project", "gpu", "time", "quoted per hour", "traffic", "counted", "billed", "difference")
ROWS = [
    (
        "a-run-with-a-name-of-some-length",
        "bots",
        "NVIDIA GeForce RTX 4090",
        "1 min 54 s",
        "$0.3219",
        "$0.2108",
        "$0.2208",
    ),
    ("b", "", "RTX 3060", "4 s", "$0.0560", "$0.0105", "$12.0107"),
]
BILLS = [("$0.2102", "-0.0106"), ("not yet", "")]


def drawn(width: int) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    rows = [(*row, *bill) for row, bill in zip(ROWS, BILLS, strict=True)]
    with console.capture() as capture:
        console.print(fitting_table(COSTS, rows, width, spare=("difference", "quoted per hour", "project")))
    return capture.get()


@pytest.mark.parametrize("width", [60, 72, 80, 100, 120, 200])
def test_nothing_is_cut_short(width: int) -> None:
    text = drawn(width)
    assert "…" not in text and all(len(line.rstrip()) <= width for line in text.splitlines())
    for amount in ("$0.2108", "$0.2208", "$12.0107", "$0.2102"):
        assert amount in text


def test_columns_go_only_where_there_is_no_room() -> None:
    assert "difference" in drawn(200) and "difference" not in drawn(80)
    assert drawn(200).splitlines()[1].split()[:3] == ["run", "or", "endpoint"]
