"""What is sent to a rented machine: those of our modules that the worker imports, and a plugin's objective, or a refusal before
renting.

Only what can be sent as it lies here is sent: modules in Python that need no package but those that every rented machine gets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from brightrun_tui import plugins
from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.objective import DEFAULT_OBJECTIVE, ObjectiveSpec
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.integrations.packages import CORE, needed_by
from brightrun_tui.plugins import OURS, Door, Registration

PACKAGE = Path(__file__).resolve().parents[1]
COMPILED = (".so", ".pyd", ".dylib", ".dll")
_IMPORT = re.compile(
    r"^[ \t]*(?:from (brightrun_tui[\w.]*) import (\([^)]*\)|[^\n#]*)|import (brightrun_tui[\w.]*))", re.MULTILINE
)
_FOR_TYPES = re.compile(r"^if TYPE_CHECKING:\n(?:(?:[ \t]+[^\n]*)?\n)+", re.MULTILINE)
"""Read as text: Python's parser must not be called by several threads at a time (a SystemError in 3.11)."""
LARGEST = 8 << 20
"""Bytes of a plugin's modules that are sent to every machine."""


def find_objective(name: str) -> ObjectiveSpec:
    """Return the objective's spec. Raises `UsageError` when there is none of that name, `PluginError` when its package
    is broken.
    """
    return plugins.require(
        Door.OBJECTIVES, ObjectiveSpec, name, where="training.objective", reason=ErrorKind.UNKNOWN_OBJECTIVE
    )


def memory_factor(settings: RunSettings) -> float:
    """Return the memory factor of the run's objective; 1 where that cannot be used, which `find_objective` tells."""
    name = settings.training.objective
    found = plugins.load_all(Door.OBJECTIVES, ObjectiveSpec).found if name != DEFAULT_OBJECTIVE else {}
    return found[name].memory_factor if name in found else 1.0


def imported_modules(roots: Iterable[Path]) -> list[Path]:
    """Return the files of our package that ``roots`` import, directly or not, with themselves; imports inside functions count,
    and the ``__init__`` of every package on the way; those for types alone do not.
    """
    found: set[Path] = set()
    waiting = [path.resolve() for path in roots]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        for package, names, module in _IMPORT.findall(_FOR_TYPES.sub("", path.read_text("utf-8"))):
            named = [f"{package}.{name.split()[0]}" for name in names.strip("()").split(",") if name.strip()]
            waiting += [file for name in (package, module, *named) if name for file in _own_files(name)]
    return sorted(found)


def _own_files(module: str) -> list[Path]:
    """Return a module of ours and the packages above it; nothing for a name that is none."""
    parts = module.split(".")
    if parts[0] != PACKAGE.name:
        return []
    packages = [PACKAGE.joinpath(*parts[1:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    return [file for file in (*packages, PACKAGE.joinpath(*parts[1:]).with_suffix(".py")) if file.is_file()]


TRAINING = ("train", "gpu")
"""Extras of the package that a machine gets which trains."""
SERVING = ("train", "serve")
"""And one that serves; it tries its GPU as one that trains does."""
OF_THE_APP = frozenset({"textual", "plotext", "pillow"})
"""Of the core, what no other machine needs."""


def machine_requirements(extras: Sequence[str] = TRAINING) -> str:
    """Return what a rented machine gets, as the package itself declares it: the core, and ``extras``."""
    wanted = {one for extra in (CORE, *extras) for one in needed_by(extra) if one.name not in OF_THE_APP}
    return "\n".join(sorted({str(one).partition(";")[0].strip() for one in wanted})) + "\n"


def worker_packages() -> list[str]:
    """Return names of all that training imports: an interpreter of a machine that has them is used as it is."""
    return sorted({"pydantic", *(one.name for one in needed_by("train"))})


def objective_files(name: str) -> Mapping[str, bytes]:
    """Return the files of the plugin that brings an objective, by their path below a directory of ``PYTHONPATH``, with the
    metadata by which it is found there; none for an objective of ours.

    Raises:
        UsageError: it cannot be sent; says why.
        PluginError: its package is broken.
    """
    spec = find_objective(name)
    chosen = next(one for one in plugins.registrations() if one.door is Door.OBJECTIVES and one.name == name)
    if chosen.package == OURS:
        return {}
    _refuse_foreign_requirements(chosen)
    files: dict[str, bytes] = {}
    for top in sorted({re.split(r"[.:]", target)[0] for target in (chosen.target, spec.implementation)}):
        if top != "brightrun_tui":
            files |= _module_files(top, chosen)
    if sum(map(len, files.values())) > LARGEST:
        raise _refusal(chosen, f"its modules have more than {humanize.limit(LARGEST)}")
    return files | distribution_files(chosen)


def distribution_files(one: Registration) -> dict[str, bytes]:
    """Return the least by which ``importlib.metadata`` finds an entry point: of ours as of others."""
    directory = f"{canonicalize_name(one.package).replace('-', '_')}-{one.version or '0'}.dist-info"
    return {
        f"{directory}/METADATA": f"Metadata-Version: 2.1\nName: {one.package}\nVersion: {one.version or '0'}\n".encode(),
        f"{directory}/entry_points.txt": f"[{one.door}]\n{one.name} = {one.target}\n".encode(),
    }


def _module_files(top: str, one: Registration) -> dict[str, bytes]:
    found = find_spec(top)
    if found is not None and found.submodule_search_locations:
        root = Path(next(iter(found.submodule_search_locations)))
        paths = sorted(path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        named = {str(path.relative_to(root.parent)): path for path in paths}
    elif found is not None and found.origin and Path(found.origin).is_file():
        named = {Path(found.origin).name: Path(found.origin)}
    else:
        raise _refusal(one, f"the files of its module {top} are not to be found")
    compiled = next((name for name in named if name.endswith(COMPILED)), "")
    if compiled:
        raise _refusal(one, f"{compiled} is compiled for this machine")
    return {name: path.read_bytes() for name, path in named.items()}


def _refuse_foreign_requirements(one: Registration) -> None:
    there = {canonicalize_name(Requirement(line).name) for line in machine_requirements().splitlines()} | {OURS}
    try:
        lines = requires(one.package) or []
        wanted = [Requirement(line) for line in lines]
    except (PackageNotFoundError, InvalidRequirement) as error:
        raise _refusal(one, f"what it requires cannot be read ({type(error).__name__})") from None
    for requirement in wanted:
        needed = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if needed and canonicalize_name(requirement.name) not in there:
            raise _refusal(one, f"it needs the package {requirement.name}, which a rented machine does not get")


def _refusal(one: Registration, why: str) -> UsageError:
    return UsageError(
        f"the training objective “{one.name}” of {one.origin} cannot be sent to a rented machine: {why}",
        where="training.objective",
        fix="train on this machine, or choose another objective",
        kind=ErrorKind.OBJECTIVE_STAYS_HERE,
    )
