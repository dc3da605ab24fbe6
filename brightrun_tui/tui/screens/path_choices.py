"""The files of a directory as its path is typed, and the rest of a path that has begun."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from textual.suggester import Suggester

from brightrun_tui.domain import humanize
from brightrun_tui.paths import typed_path
from brightrun_tui.tui.screens.pick import Choice

MOST_ENTRIES = 400
PATH_STARTS = ("/", "~", ".")

PathFilter = Callable[[Path], object]
"""Whether a file of that name is one that is looked for."""


def every_file(_: Path) -> bool:
    return True


class PathSuggester(Suggester):
    """Completes a path as it is typed; right takes it."""

    def __init__(self, wanted: PathFilter = every_file) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._wanted = wanted

    async def get_suggestion(self, value: str) -> str | None:
        if not value.startswith(PATH_STARTS):
            return None
        listed = await asyncio.to_thread(list_files, value, self._wanted)
        start = value.rpartition("/")[2]
        title = listed[nearest(listed, value)].title if listed else ""
        return f"{value.removesuffix(start)}{title}" if start and title.startswith(start) and title != start else None


def nearest(listed: Sequence[Choice], typed: str) -> int:
    """Return the first choice written exactly as it was typed, among those that fit whatever their case."""
    start = typed.rpartition("/")[2]
    return next((place for place, one in enumerate(listed) if start and one.title.startswith(start)), 0)


def list_files(typed: str, wanted: PathFilter) -> list[Choice]:
    """List directories and wanted files whose path begins with what was typed, whatever its case. Blocking."""
    directory, start = place_and_start(typed)
    try:
        with os.scandir(directory) as entries:
            found = _fitting(entries, start, wanted)
    except (OSError, ValueError) as error:
        return [Choice(str(directory.parent), "..", getattr(error, "strerror", None) or str(error))]
    found.sort(key=lambda choice: (not choice.title.endswith("/"), choice.title.casefold()))
    above = f"{Path(os.path.realpath(directory)).parent}/".replace("//", "/")
    return [*([] if start or directory == directory.parent else [Choice(above, "../")]), *found]


def place_and_start(typed: str) -> tuple[Path, str]:
    """Return the directory that is looked into, and how the names in it begin."""
    path = typed_path(typed)
    return (path, "") if typed.endswith("/") else (path.parent, path.name)


def _fitting(entries: Iterable[os.DirEntry[str]], start: str, wanted: PathFilter) -> list[Choice]:
    found: list[Choice] = []
    for entry in entries:
        hidden = entry.name.startswith(".") and not start.startswith(".")
        if hidden or not entry.name.casefold().startswith(start.casefold()):
            continue
        if os.path.isdir(entry.path):
            found.append(Choice(f"{entry.path}/", f"{entry.name}/"))
        elif wanted(Path(entry.name)):
            found.append(Choice(entry.path, entry.name, _size(entry)))
        if len(found) >= MOST_ENTRIES:
            break
    return found


def _size(entry: os.DirEntry[str]) -> str:
    """Return the size in words, or why a link that leads nowhere, or in circles, has none."""
    try:
        return humanize.size(entry.stat().st_size)
    except OSError as error:
        return error.strerror or ""
