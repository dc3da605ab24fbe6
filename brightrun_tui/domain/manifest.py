"""Manifests of a run directory: size and digest of every file, by which what another machine hands over is judged."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from brightrun_tui.domain.run_directory import (
    ADAPTER,
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    CHECKPOINTS,
    FILES_LIMIT,
    MANIFEST,
    OPTIMIZER,
    REPORT,
    STATE,
    arrival_limit,
    checkpoint_name,
)

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,95}){0,2}")
_NEEDED = {ADAPTER_CONFIG, ADAPTER_WEIGHTS, OPTIMIZER, STATE}


class FileFacts(BaseModel):
    """Content of one file; size in bytes."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0, le=1 << 60)


class _RunManifest(BaseModel):
    files: dict[str, FileFacts]


_CheckpointManifest = TypeAdapter(dict[str, FileFacts], config=ConfigDict(defer_build=True))


def files_of_run(document: bytes) -> dict[str, FileFacts]:
    """Return the results that may come home, by their path from the run directory, as its manifest lists them.

    A plain name that no worker of ours writes is left out: it stays where it is.

    Raises:
        ValueError: it is not a manifest, or lists what no worker of ours hands in.
    """
    try:
        listed = _RunManifest.model_validate_json(document).files
    except ValidationError as error:
        raise ValueError(_first(error)) from None
    return {
        path: facts for path, facts in _arriving(listed).items() if path == REPORT or path.startswith(f"{ADAPTER}/")
    }


def files_of_checkpoint(document: bytes, step: int) -> dict[str, FileFacts]:
    """Return the same for the checkpoint of ``step``, which must be complete."""
    try:
        listed = _CheckpointManifest.validate_json(document)
    except ValidationError as error:
        raise ValueError(_first(error)) from None
    if missing := sorted(_NEEDED - listed.keys()):
        raise ValueError(f"{missing[0]} is not listed")
    folder = f"{CHECKPOINTS}/{checkpoint_name(step)}"
    return _arriving({f"{folder}/{name}": facts for name, facts in listed.items() if name != MANIFEST})


def _arriving(listed: dict[str, FileFacts]) -> dict[str, FileFacts]:
    if len(listed) > FILES_LIMIT:
        raise ValueError(f"{len(listed)} files are listed")
    arriving: dict[str, FileFacts] = {}
    for path, facts in listed.items():
        if not _PLAIN.fullmatch(path):
            raise ValueError(f"{path[:120]!a} is not a name of a file")
        limit = arrival_limit(path)
        if limit is None:
            continue
        if facts.bytes > limit:
            raise ValueError(f"{path} has {facts.bytes:,} bytes, and {limit:,} at most are possible")
        arriving[path] = facts
    return arriving


def _first(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return str(first["msg"])
