"""Bringing home what a manifest on another machine lists: every file verified, nothing half-fetched under its final name."""

from __future__ import annotations

import asyncio
import posixpath
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from brightrun_tui.domain.errors import MachineLiesError
from brightrun_tui.domain.manifest import FileFacts
from brightrun_tui.domain.run_directory import MANIFEST, MANIFEST_LIMIT
from brightrun_tui.files import write_atomic
from brightrun_tui.hosts.arrivals import make_directory, require_room, swap_in
from brightrun_tui.hosts.ssh import SshHost

Listing = dict[str, FileFacts]


async def read_manifest(host: SshHost, folder: str, files_of: Callable[[bytes], Listing]) -> tuple[bytes, Listing]:
    """Return the manifest in a directory there as it stands, and what it lists; empty when there is none.

    Raises:
        MachineLiesError: it is not a manifest of ours.
        HostError: the machine cannot be reached.
    """
    path = posixpath.join(folder, MANIFEST)
    document = await host.read(path, 0, MANIFEST_LIMIT + 1)
    if not document:
        return b"", {}
    try:
        if len(document) > MANIFEST_LIMIT:
            raise ValueError("it is too long")
        return document, files_of(document)
    except ValueError as error:
        raise MachineLiesError(f"{path} cannot be one of ours: {error}", where=host.connection.where) from None


async def bring_directory(
    host: SshHost, home: Path, folder: str, files: Mapping[str, FileFacts], manifest: bytes = b""
) -> None:
    """Bring the listed files of one directory, and put it in its place once it is complete.

    Args:
        home: the run directory here.
        folder, files: paths from the run directory, the same there and here.
        manifest: written beside them.

    Raises:
        FileNotFoundError: a file is not there.
        MachineLiesError: a file is another one.
        HostError: the machine cannot be reached; calling again resumes.
        OSError: the disk here is full but for its reserve.
    """
    target = home / folder
    aside = target.with_name(f".{target.name}.part")

    def prepare() -> None:
        make_directory(home, aside)
        require_room(home, sum(facts.bytes for path, facts in files.items() if not (aside / Path(path).name).exists()))

    def finish() -> None:
        if manifest:
            write_atomic(aside / MANIFEST, manifest)
        swap_in(aside, target, {Path(path).name for path in files} | ({MANIFEST} if manifest else set()))

    await asyncio.to_thread(prepare)
    try:
        for path, facts in files.items():
            await host.get(path, aside / Path(path).name, facts)
    except (FileNotFoundError, MachineLiesError):
        await asyncio.to_thread(shutil.rmtree, aside, ignore_errors=True)
        raise
    await asyncio.to_thread(finish)
