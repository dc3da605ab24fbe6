"""The house plan holds. That arrows between rooms point down only is a check of its own in ``scripts/test``."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from brightrun_tui.datasets.problems import LEFT_OUT, REMARKS
from brightrun_tui.planning.shipping import imported_modules

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "brightrun_tui"
ROOMS = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()} - {
    "__init__"
}
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


NOT_BOUND = {
    "The trainer imports what is sent with it to a rented machine": {
        "datasets",
        "domain",
        "files",
        "gguf_header",
        "importing",
        "lighter_imports",
        "lines",
        "nf4",
        "plugins",
        "process",
    },
    "Nobody imports the trainer": set(),
    "Only the app knows Textual": {"__main__", "cli", "opening", "tui", "verbs"},
    "Only trainer and server know torch": {"gguf_conversion", "nf4", "serving", "trainer"},
    "The domain imports nothing of ours": set(),
}
"""Contracts about single rooms, and the rooms that each of them leaves alone."""


def test_contracts_about_single_rooms_forget_no_room() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    found = {one["name"]: one for one in settings["contracts"] if one["type"] == "forbidden"}
    assert found.keys() == NOT_BOUND.keys()
    for name, contract in found.items():
        named = {
            one.removeprefix("brightrun_tui.") for one in (*contract["source_modules"], *contract["forbidden_modules"])
        }
        assert ROOMS - named == NOT_BOUND[name], name


def test_what_a_training_machine_gets_is_what_the_contract_says() -> None:
    """The list of what is sent is derived from the imports; a room that neither names would surprise there."""
    sent = {
        path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for path in imported_modules([*(PACKAGE / "trainer").rglob("*.py")])
    }
    assert sent - {"__init__", "trainer"} <= NOT_BOUND["The trainer imports what is sent with it to a rented machine"]


def test_a_training_machine_gets_nothing_that_reads_files_of_data() -> None:
    """Readers of tables, archives and exports are a third of all that the trainer could reach through the room's front."""
    sent = imported_modules([*(PACKAGE / "trainer").rglob("*.py")])
    assert {path.stem for path in sent if path.parent.name == "datasets"} == {
        "__init__",
        "alike",
        "near_copies",
        "splitting",
    }


def test_one_name_of_a_class_stands_for_one_thing() -> None:
    """Who reads `Plan` should not have to ask which one. OpenAI's words stay theirs."""
    homes: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(path.relative_to(PACKAGE).as_posix())
    several = {name: places for name, places in homes.items() if len(places) > 1}
    assert several.keys() <= {"Ask", "Message", "ToolCall"}, several


def test_a_word_of_the_glossary_is_the_name_of_one_thing() -> None:
    """Neither a second class nor a short name for something else is called like it; formats of plugins may say `Row`."""
    words = re.findall(r"^\| \*\*([a-z -]+)\*\*", GLOSSARY.read_text("utf-8"), re.MULTILINE)
    names = {"".join(part.capitalize() for part in re.split("[ -]", word)) for word in words}
    homes: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            called = [target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)]
            for name in [node.name] if isinstance(node, ast.ClassDef) else called:
                if name in names:
                    homes.setdefault(name, set()).add(path.relative_to(PACKAGE).as_posix())
    assert homes.pop("Row") == {"datasets/source.py"} and len(homes) > 30
    assert not {name: places for name, places in homes.items() if len(places) > 1}


def test_names_are_those_of_the_field() -> None:
    """Words that only their maker understood, and what is said in their place: see docs/glossary.md."""
    private = re.compile(
        r"(?:^|_)(?:desks?|purses?|landlords?|lanes?|harmless|wish(?:es|ed)?|rehearsals?)(?:_|$)", re.IGNORECASE
    )
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = getattr(node, "name", None) or getattr(node, "id", None) or getattr(node, "arg", None)
            words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name) if isinstance(name, str) else ""
            if private.search(words):
                found.append(f"{path.name}:{getattr(node, 'lineno', 0)}: {name}")
    assert not [one for one in found if "checkpoint.py" not in one], found  # a checkpoint keeps the name of its key


def test_every_reason_of_an_error_has_a_name() -> None:
    """Whoever acts on an error matches a member of `ErrorKind`; a misspelt text would never match."""
    for path in sorted((ROOT / "brightrun_tui").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for argument in node.keywords:
                if (
                    (name.endswith("Error") and argument.arg == "kind")
                    or (name == "Failure" and argument.arg == "error")
                ) and isinstance(argument.value, ast.Constant | ast.IfExp):
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


def test_what_is_said_of_a_record_has_words() -> None:
    """A reason or a remark that no table knows would fail in the middle of a check, for the one file that has it."""
    reasons, remarks = set(), set()
    for path in sorted((PACKAGE / "datasets").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                continue
            called = ast.unparse(node.func)
            if called == "Unusable":
                reasons.add(node.args[0].value)
            elif called.endswith("remarks.append"):
                remarks.add(node.args[0].value)
    assert len(reasons) > 10 and reasons <= LEFT_OUT.keys()
    assert len(remarks) > 10 and remarks <= REMARKS.keys()
