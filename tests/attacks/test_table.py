"""SECURITY.md says for everything that comes from outside which test holds it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    row for row in (ROOT / "SECURITY.md").read_text(encoding="utf-8").splitlines() if re.match(r"\| (?!what|---)", row)
]


@pytest.mark.parametrize("row", ROWS, ids=[row.split("|")[1].strip()[:40] for row in ROWS])
def test_what_holds_a_row_of_the_table_is_there(row: str) -> None:
    held_by = re.findall(r"`((?:tests|scripts)/[^` ]+)", row.rsplit("|", 2)[1])
    assert held_by and all((ROOT / place).exists() for place in held_by)
