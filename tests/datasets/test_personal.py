"""Signs of personal data: what has a pattern is found, what only looks like it is not."""

from __future__ import annotations

import pytest

from brightrun_tui.datasets.personal import personal_data


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("write to anna.lind@shop-24.de please", ["e-mail addresses"]),
        ("call +49 (0)221 123 45 67", ["telephone numbers"]),
        ("IBAN DE89 3704 0044 0532 0130 00", ["bank accounts (IBAN)"]),
        ("my card is 4111-1111-1111-1111.", ["credit card numbers"]),
        ("IBAN DE89 3704 0044 0532 0130 01, card 4111 1111 1111 1112", []),
        ("see you@example.com; order 20240102-123456, 1000000000000 items, version 1.2.3.4", []),
    ],
)
def test_only_what_is_surely_personal_is_named(text: str, kinds: list[str]) -> None:
    """Checksums, and addresses that are meant as examples, keep false alarms away."""
    assert personal_data([text]) == kinds
