"""The house plan holds: arrows between rooms point down only, and no room imports what it must not know."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_arrows_between_rooms_point_down_only() -> None:
    """Whoever reads one room needs to know only the rooms below it."""
    done = subprocess.run([str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"], cwd=ROOT,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


def test_every_room_has_its_place_in_the_plan() -> None:
    """A new room cannot slip past the check by not being named in it."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    named = {word for contract in contracts for line in [*contract.get("layers", []), *contract.get("source_modules", [])]
             for word in line.replace("|", ":").split(":")}
    rooms = {f"brightrun_tui.{path.parent.name}" for path in (ROOT / "brightrun_tui").glob("*/__init__.py")}
    assert rooms <= {word.strip() for word in named}
