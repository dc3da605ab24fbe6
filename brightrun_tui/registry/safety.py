"""What may be part of a model version: known files, no code, no pickle, and exactly what the manifest says."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from brightrun_tui import foreign_files
from brightrun_tui.adapter_files import UntrustedError, read_json
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.manifest import FileFacts
from brightrun_tui.domain.run_directory import ADAPTER_CONFIG, ADAPTER_FILES, ADAPTER_WEIGHTS, CARD, MANIFEST, REPORT
from brightrun_tui.files import sha256
from brightrun_tui.foreign_files import ForeignFileError

VERSION_FILES = ADAPTER_FILES | {REPORT, CARD, MANIFEST}

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
    """A name fit for a directory, a URL and ``name:version``: other characters become “-”."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:96]
    return name or "model"


def facts_of(path: Path) -> FileFacts:
    """Size and digest of a file."""
    return FileFacts(sha256=sha256(path), bytes=path.stat().st_size)


def check_names(names: set[str], allowed: frozenset[str], where: str) -> None:
    """Raises `UntrustedError` when a file does not belong there, or the adapter itself is missing."""
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
    """Raises `UntrustedError` when a file is missing, is a link, or has another content than ``expected``."""
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


def read_manifest(path: Path, where: str) -> Manifest:
    """The manifest of a version. Raises `UntrustedError`."""
    try:
        return foreign_files.fit(read_json(path, where), Manifest, where)
    except ForeignFileError as error:
        raise UntrustedError(f"its manifest {error.what}", where=where, kind=ErrorKind.BAD_MANIFEST) from None
