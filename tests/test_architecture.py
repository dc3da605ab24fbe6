"""The house plan holds. That arrows between rooms point down only is a check of its own in ``scripts/test``."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GLOSSARY = ROOT / "docs" / "glossary.md"
KINDS = r"(\w+\.)*(error|failure|event|body)\.(kind|error)"


def test_a_new_room_cannot_slip_past_the_plan() -> None:
    """Rooms that no layer names, imports for types only, and single exceptions are not let through."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    layers = next(contract for contract in settings["contracts"] if contract["type"] == "layers")
    assert layers["exhaustive"] and not layers.get("exhaustive_ignores")
    assert not settings.get("exclude_type_checking_imports")
    assert not any("ignore_imports" in contract for contract in settings["contracts"])
    assert any(contract["type"] == "acyclic_siblings" for contract in settings["contracts"])


def test_every_reason_of_an_error_has_a_name() -> None:
    """Whoever acts on an error matches a member of `ErrorKind`; a misspelt text would never match."""
    for path in sorted((ROOT / "brightrun_tui").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for argument in node.keywords:
                if (
                    name.endswith("Error")
                    and argument.arg == "kind"
                    and isinstance(argument.value, ast.Constant | ast.IfExp)
                ):
                    texts = [part.value for part in ast.walk(argument.value) if isinstance(part, ast.Constant)]
                    assert not texts, f"{path.name}:{node.lineno}: write ErrorKind.… instead of {texts}"


def test_what_failed_or_happened_is_compared_with_names_and_not_with_texts() -> None:
    """Logic that hangs on a literal text breaks unseen when the text changes. Closed `Literal` types are held by mypy."""
    for path in sorted((ROOT / "brightrun_tui").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Compare) or not re.fullmatch(KINDS, ast.unparse(node.left)):
                continue
            texts = [
                part.value for other in node.comparators for part in ast.walk(other) if isinstance(part, ast.Constant)
            ]
            assert not texts, f"{path.name}:{node.lineno}: compare with a member instead of {texts}"


def test_the_glossary_has_each_word_once_and_says_truly_where_it_lives() -> None:
    rows = [line.split("|")[1:4] for line in GLOSSARY.read_text("utf-8").splitlines() if line.startswith("| **")]
    words = [word.strip(" *") for word, _, _ in rows]
    assert len(words) > 40 and words == sorted(set(words))
    places = [place for _, _, where in rows for place in re.findall(r"`([\w/.]+)`", where)]
    gone = [place for place in places if place != "adapter/" and not (ROOT / "brightrun_tui" / place).exists()]
    assert not gone, f"the glossary names what is not there: {gone}"


def test_the_picture_in_the_documentation_is_that_of_the_code() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/architecture", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
