"""Opening is instant: nothing heavy is imported before it is needed, and everything imported is declared."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from brightrun_tui.domain.token_view import TokenRequest
from brightrun_tui.process import WITHOUT_COMPILER
from brightrun_tui.verbs import COMMANDS
from tests.toy_base import toy_base

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "brightrun_tui"
HEAVY = ("torch", "transformers", "peft", "bitsandbytes", "datasets", "pandas", "pyarrow")
OF_RICH = ("attr", "linkify_it", "markdown_it", "mdurl", "pygments")
HELP_NEEDS = (
    "cli",
    "domain",
    "files",
    "importing",
    "lighter_imports",
    "logs",
    "opening",
    "paths",
    "process",
    "redaction",
    "verbs",
)
"""Of our rooms: what every call begins with."""
EVERYWHERE = {"pip"}
"""Part of every virtual environment; its certificates are used where a small image has none."""


def modules_after(code: str, *, depth: int = 1, only: str = "") -> set[str]:
    """Modules that a new Python has loaded after ``code``, by the first ``depth`` parts of their names."""
    names = f"{{'.'.join(name.split('.')[:{depth}]) for name in sys.modules if name.startswith({only!r})}}"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*{names})"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_no_verb_needs_torch_or_textual() -> None:
    """The command line works on a small VPS: asking any verb for its help loads no model library and no app."""
    loaded = modules_after(
        f"from brightrun_tui.cli import run; assert not any(run([verb, '--help']) for verb in {tuple(COMMANDS)})"
    )
    assert not loaded & {*HEAVY, "textual"}


def test_opening_the_app_needs_no_torch() -> None:
    """The first screen appears at once, also where torch is installed."""
    code = (
        "import brightrun_tui.tui.app, importlib, pkgutil, brightrun_tui.tui.screens as s\n"
        "[importlib.import_module(f'brightrun_tui.tui.screens.{m.name}') for m in pkgutil.iter_modules(s.__path__)]"
    )
    assert not modules_after(code) & set(HEAVY)


def test_opening_the_app_asks_no_installed_package_who_it_is() -> None:
    """Neither we nor pydantic look for plugins before the first picture: with hundreds of packages that alone takes its time."""
    code = (
        "from brightrun_tui.process import begin_privately; begin_privately()\n"
        "import brightrun_tui.cli, brightrun_tui.tui.app, brightrun_tui.tui.screens.monitor"
    )
    loaded = modules_after(code, depth=2)
    assert "pydantic.main" in loaded and not loaded & {"importlib.metadata", "email.message"}


def test_the_engine_needs_neither_torch_nor_textual() -> None:
    """The process that lives on in the background stays small."""
    assert not modules_after("import brightrun_tui.orchestrator.__main__") & {*HEAVY, "textual"}


def test_transformers_reads_each_model_once_and_knows_the_same_as_by_itself() -> None:
    """A third of its import is finding out what its models export; nothing of that is lost."""

    def read_and_known(first: str) -> tuple[str, str]:
        code = (
            "import sys; read = []\n"
            "def hook(name, given):\n"
            "    if name == 'open' and str(given[0]).endswith('modeling_llama.py'): read.append(1)\n"
            "sys.addaudithook(hook)\n"
            f"{first}\nimport hashlib, transformers.models as all\n"
            "known = [sorted(each._class_to_module.items()) for each in (sys.modules['transformers'], all)]\n"
            "assert len(known[1]) > 1000; print(len(read), hashlib.sha256(repr(known).encode()).hexdigest())"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        times, found = done.stdout.split()
        return times, found

    hastened = read_and_known("from brightrun_tui.lighter_imports import hasten_imports; hasten_imports()")
    assert hastened == ("1", read_and_known("")[1])


def test_a_worker_and_a_model_server_do_without_the_compiler_of_torch() -> None:
    """It is a third of what they import. Whoever asks for it gets it."""
    code = (
        f"import os, sys; os.environ.update({WITHOUT_COMPILER!r})\n"
        "from brightrun_tui.trainer import probe\n"
        f"probe.measure({str(toy_base())!r}, 'none')\n"
        "import brightrun_tui.trainer.worker, brightrun_tui.serving.transformers_server, torch, bitsandbytes\n"
        "torch.optim.AdamW([torch.zeros(2, requires_grad=True)]).step()\n"
        "assert not [name for name in sys.modules if name.startswith('torch._dynamo')]\n"
        "from transformers.masking_utils import TransformGetItemToIndex\n"
        "with TransformGetItemToIndex(): pass\n"
        "assert torch._dynamo.allow_in_graph.__module__.startswith('torch')\n"
    )
    assert "torch._dynamo" in modules_after(code, depth=2, only="torch._dynamo")


def test_tokens_are_made_without_torch(tmp_path: Path) -> None:
    """Before a machine is rented, and to look at: the tokenizer is all it takes, so nobody waits for the libraries of models."""
    from tests.trainer.conftest import make_records, write_run

    base = toy_base()
    specification = (write_run(tmp_path, base) / "spec.json").read_text("utf-8")
    request = TokenRequest(record=make_records(1)[0]).model_dump_json()
    made = f"from brightrun_tui.trainer.tokenise import main; assert main({str(tmp_path)!r}, {str(base)!r}) == 0"
    shown = f"from brightrun_tui.trainer.show_tokens import main; assert main({str(base)!r}) == 0; sys.stdout = sys.__stdout__"
    for given, code in ((specification, made), (request, shown)):
        loaded = modules_after(f"import io, sys; sys.stdin = io.StringIO({given!r}); {code}")
        assert "transformers" in loaded and "torch" not in loaded
    assert (tmp_path / "data/tokens.safetensors").is_file()


def test_help_needs_its_three_libraries_and_nothing_else() -> None:
    """`brightrun --help` is as quick as they allow: what it loads beside them is Python's own, and a few small files of ours."""
    program = "from brightrun_tui.cli import run; assert run(['--help']) == 0"
    beside = modules_after(program) - modules_after("import rich, pydantic, typer") - set(sys.stdlib_module_names)
    assert beside <= {"brightrun_tui", "platformdirs", *OF_RICH}
    ours = modules_after(program, depth=2, only="brightrun_tui.")
    assert ours <= {f"brightrun_tui.{name}" for name in HELP_NEEDS}


def test_every_library_that_is_imported_is_declared() -> None:
    """A core install runs the app and every verb; what only trainer and server import is in an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    core = _names(project["dependencies"])
    extras = core | {name for lines in project["optional-dependencies"].values() for name in _names(lines)}
    owners = metadata.packages_distributions()
    missing = []
    for path in PACKAGE.rglob("*.py"):
        for module, lazy in _imports(path):
            if module in sys.stdlib_module_names or module == "brightrun_tui":
                continue
            owner = {canonicalize_name(name) for name in owners.get(module, [module])}
            room = path.relative_to(PACKAGE).parts[0]
            allowed = extras if lazy or room in ("trainer", "serving") else core
            if not owner & (allowed | EVERYWHERE):
                missing.append(f"{path.relative_to(ROOT)} imports {module}")
    assert not missing


def test_constraints_pin_everything_that_gets_installed() -> None:
    """The same versions on every machine: no dependency, however indirect, is left to the day of the installation."""
    lines = (ROOT / "scripts" / "constraints.txt").read_text("utf-8").splitlines()
    pinned: dict[str, str] = {
        canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines if "==" in line
    }
    installed = _closure("brightrun", {"train", "serve", "parquet", "dev"})
    for name in EVERYWHERE:
        installed.pop(name, None)
    assert {name: version for name, version in installed.items() if pinned.get(name) != version} == {}


def _names(lines: list[str]) -> set[str]:
    return {canonicalize_name(re.split(r"[\[<>=!~; ]", line)[0]) for line in lines}


def _imports(path: Path) -> list[tuple[str, bool]]:
    """Top-level names of the modules a file imports, and whether that happens only inside a function."""
    tree = ast.parse(path.read_text("utf-8"))
    inside = {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(outer)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name.split(".")[0], id(node) in inside) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append((node.module.split(".")[0], id(node) in inside))
    return found


def _closure(name: str, extras: set[str]) -> dict[str, str]:
    """Every installed distribution that ``name`` leads to, with its version."""
    found: dict[str, str] = {}
    todo, done = [(name, frozenset(extras))], set()
    while todo:
        entry = todo.pop()
        if entry in done:
            continue
        done.add(entry)
        for line in metadata.distribution(entry[0]).requires or []:
            requirement = Requirement(line)
            if requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra}) for extra in ("", *entry[1])
            ):
                try:
                    version = metadata.version(requirement.name)
                except metadata.PackageNotFoundError:
                    continue
                found[canonicalize_name(requirement.name)] = version.split("+")[0]
                todo.append((requirement.name, frozenset(requirement.extras)))
    return found
