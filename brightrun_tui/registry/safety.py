"""What may be part of a model version: known files, no code, no pickle, and exactly what the manifest says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brightrun_tui import foreign_files
from brightrun_tui.adapter_files import UntrustedError, read_json
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.manifest import FileFacts
from brightrun_tui.domain.model import Report
from brightrun_tui.domain.run_directory import ADAPTER_CONFIG, ADAPTER_FILES, ADAPTER_WEIGHTS, CARD, MANIFEST, REPORT
from brightrun_tui.domain.text import sanitize
from brightrun_tui.files import sha256
from brightrun_tui.foreign_files import ForeignFileError

VERSION_FILES = ADAPTER_FILES | {REPORT, CARD, MANIFEST}

M = TypeVar("M", bound=BaseModel)

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$"
BASE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?$"


class Manifest(BaseModel):
    """``manifest.json`` of a version: what it is, and every other file in its directory.

    ``base`` is a name that means something elsewhere too, never a path on this machine.
    """

    model_config = ConfigDict(frozen=True)

    format: int = 1
    model: str = Field(pattern=NAME)
    version: int = Field(ge=1)
    run_id: str
    base: str = Field(pattern=BASE_NAME)
    base_revision: str = Field("", pattern=r"^[\w.-]{0,80}$")
    base_fingerprint: str = ""
    dataset_fingerprint: str = ""
    files: dict[str, FileFacts]


def model_name(text: str) -> str:
    """Return a name fit for a directory, a URL and ``name:version``: other characters become “-”."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:96]
    return name or "model"


def facts_of(path: Path) -> FileFacts:
    """Return size and digest of a file."""
    return FileFacts(sha256=sha256(path), bytes=path.stat().st_size)


def check_names(names: set[str], allowed: frozenset[str], where: str) -> None:
    """Raise `UntrustedError` when a file does not belong there, or the adapter itself is missing."""
    for name in sorted(names - allowed):
        pickle = Path(name).suffix in (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")
        raise UntrustedError(
            f"“{name[:120]}” {'may run code when it is loaded' if pickle else 'does not belong to a model'}",
            where=where,
            fix="only safetensors, JSON and tokenizer files are taken",
            kind=ErrorKind.FILE_NOT_ALLOWED,
        )
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        if name not in names:
            raise UntrustedError(f"{name} is missing", where=where, kind=ErrorKind.ADAPTER_INCOMPLETE)


def check_files(directory: Path, expected: dict[str, FileFacts], where: str) -> None:
    """Raise `UntrustedError` when a file is missing, is a link, or has another content than ``expected``."""
    for name, facts in expected.items():
        path = directory / name
        if path.is_symlink() or not path.is_file():
            raise UntrustedError(
                f"{name} is missing", where=where, fix="fetch it again from where it came", kind=ErrorKind.FILE_MISSING
            )
        if facts_of(path) != facts:
            raise UntrustedError(
                f"{name} is not the file that was made (its digest differs)",
                where=where,
                fix="fetch it again from where it came",
                kind=ErrorKind.DIGEST_MISMATCH,
            )


def read_report(path: Path, where: str, *, cleaned: bool = False) -> Report:
    """Return a report card by which a model can be served and loaded again. Raises as `read_measured`."""
    report = read_measured(path, Report, where, cleaned=cleaned)
    try:
        _ = report.lineage.quantisation
    except ValidationError:
        raise UntrustedError(
            "its report card does not say how the base was held",
            where=f"{where}: {path.name}",
            kind=ErrorKind.BAD_REPORT,
        ) from None
    return report


def read_measured(path: Path, model: type[M], where: str, *, cleaned: bool = False) -> M:
    """Return a report card, or an evaluation, of a machine or a stranger. ``cleaned``: its texts as `domain.text` makes them.

    Raises:
        UntrustedError: it is not one, or holds a number that the registry could not write and read again.
    """
    try:
        return foreign_files.fit(_checked(read_json(path, where), cleaned), model, where)
    except (ForeignFileError, ValueError) as error:
        why = error.what if isinstance(error, ForeignFileError) else f"is not valid ({error})"
        raise UntrustedError(
            f"its report card {why}", where=f"{where}: {path.name}", kind=ErrorKind.BAD_REPORT
        ) from None


def _checked(document: Any, cleaned: bool) -> Any:
    """Return the same document. Raises ``ValueError``: a number in it is not one that the registry could write and read again."""
    if isinstance(document, str):
        return sanitize(document, kept="\n\t") if cleaned else document
    if isinstance(document, list):
        return [_checked(item, cleaned) for item in document]
    if isinstance(document, dict):
        return {_checked(key, cleaned): _checked(value, cleaned) for key, value in document.items()}
    if isinstance(document, int | float) and not abs(document) <= sys.float_info.max:
        raise ValueError("a number in it is infinite, or no number")
    return document


def read_manifest(path: Path, where: str) -> Manifest:
    """Return the manifest of a version. Raises `UntrustedError`."""
    try:
        return foreign_files.fit(read_json(path, where), Manifest, where)
    except ForeignFileError as error:
        raise UntrustedError(f"its manifest {error.what}", where=where, kind=ErrorKind.BAD_MANIFEST) from None
