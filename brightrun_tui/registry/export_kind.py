"""What an export kind says of itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from brightrun_tui import plugins
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.spec_names import flaw_of_name
from brightrun_tui.plugins import Door


@dataclass(frozen=True, kw_only=True)
class ExportKind:
    """An entry point of ``brightrun.exports``.

    Attributes:
        name: what people type.
        gives: one sentence on what is written, and for whom.
        write: writes a version to a path at which nothing is, whole or not at all. Its files are
            ``ModelVersion.directory``, the base model is at ``ModelVersion.base_path`` where it is on this machine.
            Raises `BrightrunError` with what is wrong and the fix.
        ending: of the name that is proposed, after the model's: ``-merged``, ``.gguf``.
        one_file: it writes one file, into the target where that is a directory.
        order: place in the list of choices, from the lowest; ours have 10 to 30.
    """

    name: str
    gives: str
    write: Callable[[ModelVersion, Path], Awaitable[None]]
    ending: str = ""
    one_file: bool = False
    order: int = 100

    def flaw(self) -> str:
        """Do as `plugins.Spec.flaw`."""
        if flaw := flaw_of_name(self.name):
            return flaw
        if not self.gives.strip():
            return "gives should say what is written"
        if "/" in self.ending or not self.ending.isprintable():
            return "its ending should be the end of a file's name"
        return ""

    def file_name(self, version: ModelVersion) -> str:
        """Return the name that is proposed for what it writes."""
        return f"{file_stem(version)}{self.ending}"


def file_stem(version: ModelVersion) -> str:
    """Return ``NAME-vNUMBER``."""
    return f"{version.name}-v{version.version}"


def export_kinds() -> Mapping[str, ExportKind]:
    """Return every kind that can be used, by name, in the order of the choices."""
    found = plugins.load_all(Door.EXPORTS, ExportKind).found
    return {kind.name: kind for kind in sorted(found.values(), key=lambda kind: (kind.order, kind.name))}
