"""What every dataset format keeps, whatever lies in a file."""

from __future__ import annotations

from typing import Any

import pytest

from brightrun_tui.datasets.formats import formats
from brightrun_tui.datasets.parsed import ParsedRecord
from brightrun_tui.datasets.turns import Unusable

ODD: tuple[Any, ...] = (
    None,
    True,
    7,
    1.5,
    "",
    "text",
    [],
    [[]],
    [None],
    {},
    {"": ""},
    {"messages": None},
    {"prompt": {}, "completion": []},
    {"messages": [{"role": None, "content": 3}]},
    {"conversations": {"from": "x"}},
    {"text": "<|im_start|>"},
)


@pytest.mark.parametrize("name", formats())
def test_it_tells_its_records_from_anything_else_without_a_fault(name: str) -> None:
    """`matches` raises nothing; what matches is drafted, or refused with a reason."""
    one = formats()[name]
    for row in ODD:
        if one.matches(row):
            try:
                draft = one.draft(row)
            except Unusable as reason:
                assert reason.kind
            else:
                assert isinstance(draft, ParsedRecord)
    assert not one.matches({"something": "else"})
