"""Comments of people on the cells of a workbook's sheet."""

from __future__ import annotations

import posixpath
import re
import zipfile
from typing import Any

from brightrun_tui.datasets.source import SourceFile

_RELATION = re.compile(rb"<Relationship\s[^<>]{0,4096}>")
_TARGET = re.compile(rb"\sTarget=[\"']([^<>\"']{1,400})[\"']")
_COMMENT = re.compile(rb"<(?:\w+:)?comment\s[^<>]{0,4096}?ref=[\"'][A-Z]{1,3}(\d{1,7})[\"']")
_MOST_BYTES = 1 << 25


def commented_rows(file: SourceFile, sheet: Any) -> set[int]:
    """Return the numbers of the rows of a sheet with a comment on a cell; none where they cannot be told."""
    path = str(getattr(sheet, "_worksheet_path", ""))
    folder, name = posixpath.split(path)
    try:
        with zipfile.ZipFile(file.data) as archive:
            relations = _part(archive, f"{folder}/_rels/{name}.rels")
            targets = [
                found[1].decode("utf-8", "replace")
                for relation in _RELATION.findall(relations)
                if b"/comments" in relation and (found := _TARGET.search(relation))
            ]
            parts = [
                _part(archive, posixpath.normpath(posixpath.join(folder, target)).lstrip("/")) for target in targets
            ]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return set()
    return {int(number) for part in parts for number in _COMMENT.findall(part)}


def _part(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a part of the archive; nothing where there is none, or it is too large."""
    try:
        about = archive.getinfo(name)
    except KeyError:
        return b""
    return archive.read(about) if about.file_size <= _MOST_BYTES else b""
