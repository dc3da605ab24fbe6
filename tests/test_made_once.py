"""What tests share can be borrowed by scripts, too."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.made_once import ROOT, SESSION

BORROW = """
from tests.made_once import made_once
made = [made_once("thing", lambda target: (target / "file").write_text("x") and None) for _ in range(2)]
assert made[0] == made[1] and (made[0] / "file").read_text() == "x"
print(made[0])
"""


def test_a_script_makes_what_it_borrows_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SESSION)
    done = subprocess.run([sys.executable, "-c", BORROW], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not (ROOT / done.stdout.strip()).parent.exists()
