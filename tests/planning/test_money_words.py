"""Amounts in words: nothing is free, or as dear as its limit, by rounding."""

from __future__ import annotations

import pytest

from brightrun_tui.domain import humanize


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (1234.5, "$1,234.50"),
        (0.42, "$0.42"),
        (0.0559722, "$0.056"),
        (0.05, "$0.05"),
        (0.0104, "$0.0104"),
        (0.01, "$0.01"),
        (0.0031, "$0.0031"),
        (1.3e-5, "$0.000013"),
        (0.0, "$0.00"),
        (-0.0095, "-$0.0095"),
        (-2.0, "-$2.00"),
        (None, "–"),
    ],
)
def test_small_amounts_have_digits(amount: float | None, words: str) -> None:
    assert humanize.money(amount) == words


@pytest.mark.parametrize(
    ("first", "second"), [(0.0104, 0.01), (0.5004, 0.5), (12.3456, 12.3499), (0.0100004, 0.01), (3.0, 3.0)]
)
def test_what_is_compared_is_seen_to_differ(first: float, second: float) -> None:
    """“It costs about $0.01, the budget is $0.01” explains no refusal."""
    one, other = humanize.money_apart(first, second)
    assert (one == other) == (first == second)
    assert (float(one[1:]) > float(other[1:])) == (first > second)
