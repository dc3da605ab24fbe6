"""Writing the files of a run directory so that a crash leaves each one whole or absent."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, TypedDict

from brightrun_tui.files import fsync_tree, sha256, sync_directory, write_atomic


def write_json(path: Path, document: Any) -> None:
    """Replace ``path`` by ``document`` as JSON. Raises ``OSError``, and ``ValueError`` for a number that is not finite."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n", mode=0o644)


def publish_directory(aside: Path, final: Path) -> None:
    """Flush ``aside`` and rename it to ``final``, replacing what was there."""
    fsync_tree(aside)
    if final.exists():
        outgoing = final.with_name(f".{final.name}.old")
        shutil.rmtree(outgoing, ignore_errors=True)
        os.rename(final, outgoing)
        os.rename(aside, final)
        shutil.rmtree(outgoing, ignore_errors=True)
    else:
        os.rename(aside, final)
    sync_directory(final.parent)


class FileDigest(TypedDict):
    """Content of one file as a manifest lists it; see `domain.manifest.FileFacts`."""

    sha256: str
    bytes: int


def digest_files(root: Path, paths: list[Path]) -> dict[str, FileDigest]:
    """Return size and digest of files by their path relative to ``root``, those of directories included."""
    files = [f for p in paths for f in (sorted(p.rglob("*")) if p.is_dir() else [p]) if f.is_file()]
    return {file.relative_to(root).as_posix(): {"sha256": sha256(file), "bytes": file.stat().st_size} for file in files}


def matches_digests(root: Path, digests: dict[str, FileDigest]) -> bool:
    """Say whether every listed file is there with its size and content."""
    for name, expected in digests.items():
        path = root / name
        if not path.is_file() or path.stat().st_size != expected["bytes"] or sha256(path) != expected["sha256"]:
            return False
    return True
