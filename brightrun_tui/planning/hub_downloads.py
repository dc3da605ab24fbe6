"""Downloads from the Hugging Face Hub: room on the disk, what is left of broken ones, and telling how far they are."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from brightrun_tui.domain import humanize
from brightrun_tui.domain.disk import disk_full, is_disk_full
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.integrations import hub
from brightrun_tui.providers.local import disk_free

STALE_PART_SECONDS = 24 * 3600.0
_SLACK = 16 << 20
_KEEP_FREE = 1 << 30


def require_space(cache: Path, wanted: int) -> None:
    """Raise `BrightrunError` when ``wanted`` bytes have no room on the disk of the cache."""
    free = disk_free(cache)
    if free < wanted:
        raise BrightrunError(
            f"the download needs {humanize.size(wanted)}, and {humanize.size(free)} are free",
            where=str(cache),
            fix="free some space, or let HF_HOME name a larger disk",
            kind=ErrorKind.DISK_FULL,
        )


def disk_error(error: OSError, cache: Path) -> BrightrunError:
    """Return the error to raise where the cache could not be written."""
    if is_disk_full(error):
        return disk_full(cache, fix="free some space, or let HF_HOME name a larger disk; what was fetched stays")
    return BrightrunError(
        f"the download cannot be stored ({error.strerror or error})",
        where=str(cache),
        fix="let HF_HOME name a directory you can write",
        kind=ErrorKind.HOME_NOT_WRITABLE,
    )


def remove_stale_parts(blobs: Path) -> None:
    """Remove what a killed download left behind; huggingface_hub never uses such a part again."""
    for part in blobs.glob("*.incomplete"):
        if time.time() - part.stat().st_mtime > STALE_PART_SECONDS:
            part.unlink(missing_ok=True)


def in_words(model_id: str, done: int, total: int) -> str:
    """Say how far a download is; both in bytes."""
    return f"downloading {model_id}: {humanize.sizes(done, total)}"


def most_bytes(sizes: Collection[int], cache: Path) -> int:
    """Return how many bytes may come where the Hub told these: as many, and some for small changes. Where it told of a file
    nothing, all that fits on the disk of the cache.
    """
    return sum(sizes) + _SLACK if all(sizes) else max(_SLACK, disk_free(cache) - _KEEP_FREE)


def progress_bar(report: Callable[[int], None], at_most: int) -> type:
    """Return a tqdm that draws nothing and tells how many bytes have come. It ends the download, by a `BrightrunError`, when
    these are more than ``at_most``: what the library goes by is what the same server says.
    """
    from tqdm import tqdm  # type: ignore[import-untyped]

    lock = threading.Lock()

    class ByteBar(tqdm):  # type: ignore[misc]
        monitor_interval = 0
        most = 0

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "file": io.StringIO()})

        def display(self, *_args: Any, **_options: Any) -> None:
            return None

        def update(self, n: float | None = 1) -> None:
            super().update(n)
            if self.unit == "B":
                with lock:
                    if self.n > ByteBar.most:
                        ByteBar.most = int(self.n)
                        report(ByteBar.most)
                if ByteBar.most > at_most:
                    raise BrightrunError(
                        f"more comes from the Hub than the {humanize.size(at_most)} that it told of",
                        where=str(hub.endpoint()),
                        fix="try again; if it stays so, choose another one",
                        kind=ErrorKind.FILE_TOO_LARGE,
                    )

    return ByteBar
