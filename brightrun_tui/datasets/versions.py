"""Versions of a dataset: files of ours in the canonical form, which say what they were made from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from brightrun_tui.domain.dataset import DatasetOrigin, Record

_VERSION = re.compile(r"-v\d+$")
_META, _ORIGIN = "_meta", "made_from"


def next_version(folder: Path, source: Path) -> Path:
    """Return the first free name for a version of ``source`` in ``folder``: ``name-v2.jsonl``, ``name-v3.jsonl`` …"""
    stem = _VERSION.sub("", source.name.split(".")[0] or "data")
    number = 2
    while (folder / f"{stem}-v{number}.jsonl").exists() or source.name.startswith(f"{stem}-v{number}."):
        number += 1
    return folder / f"{stem}-v{number}.jsonl"


def line_of(record: Record) -> str:
    """Return a record as one line of JSON that reads back as the same record; no line break at its end."""
    turns = [
        message.for_template() | ({} if message.train or message.role != "assistant" else {"train": False})
        for message in record.messages
    ]
    about: dict[str, Any] = {"id": record.id, "messages": turns}
    besides = {"group": record.group, "categories": record.categories, "tools": list(record.tools)}
    about |= {key: value for key, value in besides.items() if value}
    return json.dumps(about, ensure_ascii=False)


def head_line(origin: DatasetOrigin) -> str:
    """Return the first line of a version; it is not a record."""
    return json.dumps({_META: {_ORIGIN: origin.model_dump(mode="json")}}, ensure_ascii=False)


def origin_in(header: Mapping[str, Any]) -> DatasetOrigin | None:
    """Return what the header of a file says of where it comes from; None if it says nothing that can be understood."""
    meta = header.get(_META)
    said = meta.get(_ORIGIN) if isinstance(meta, dict) else None
    try:
        return DatasetOrigin.model_validate(said) if said else None
    except ValidationError:
        return None
