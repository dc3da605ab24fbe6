"""A version from a repository of the Hugging Face Hub, through the same checks as a bundle."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from pathlib import Path
from typing import Any

from brightrun_tui.adapter_files import UntrustedError
from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.run_directory import ADAPTER_WEIGHTS, MANIFEST
from brightrun_tui.domain.service_names import HUGGINGFACE
from brightrun_tui.files import plain_disk_errors
from brightrun_tui.integrations import credentials, hub
from brightrun_tui.integrations.hub_writing import check_repository, plain_errors
from brightrun_tui.paths import Paths
from brightrun_tui.planning.hub_downloads import progress_bar, require_space
from brightrun_tui.registry.bundle import BUNDLE_FILES, MAX_FILE_BYTES, MAX_SMALL_FILE_BYTES, check_unpacked, take_in
from brightrun_tui.registry.hub_push import Tell
from brightrun_tui.store import Database


async def pull(db: Database, paths: Paths, source: str, tell: Tell = lambda what, share: None) -> ModelVersion:
    """Take ``owner/name`` or ``owner/name@tag`` into the registry as the next version of its model.

    Nothing of it is run, and nothing is believed that can be checked; only files that a version of ours has are fetched. The
    same model again gives the same version.

    Raises:
        UsageError: it is not a name of a repository.
        UntrustedError: it holds no model that Bright Run pushed, or one that was changed.
        NotConnectedError: the Hub cannot be reached, or wants a token.
        BrightrunError: there is no such repository or tag, or the disk is full.
    """
    repository, _, tag = source.strip().partition("@")
    check_repository(repository, tag)
    with plain_disk_errors(paths.models):
        paths.models.mkdir(parents=True, exist_ok=True)
        aside = paths.models / f".import-{secrets.token_hex(8)}"
        aside.mkdir()
    try:
        with plain_disk_errors(paths.models):
            await asyncio.to_thread(_fetch, paths, repository, tag, aside, tell)
            checked = await asyncio.to_thread(check_unpacked, aside, source)
        return await take_in(db, paths, aside, checked)
    finally:
        await asyncio.to_thread(shutil.rmtree, aside, ignore_errors=True)


def _fetch(paths: Paths, repository: str, tag: str, aside: Path, tell: Tell) -> None:
    """Fetch the files of a version, all of one commit, each of a size that was looked at before."""
    token = credentials.get(HUGGINGFACE, paths)
    api = hub.api(token)
    cache = aside.with_name(f"{aside.name}.part")
    try:
        with plain_errors(repository, reading=True):
            tell("asking the Hub", 0.0)
            info = hub.checked(api.model_info(repository, revision=tag or None, files_metadata=True))
            sizes = _sizes(info, f"{repository}@{tag}" if tag else repository)
            total, done = sum(sizes.values()), 0
            require_space(paths.models, 2 * total)
            for name, size in sorted(sizes.items(), key=lambda item: item[1]):
                tell(f"fetching {name}: {humanize.sizes(done, total)}", done / max(1, total))
                bar = progress_bar(lambda come: None, size)
                found = Path(api.hf_hub_download(repository, name, revision=info.sha, local_dir=cache, tqdm_class=bar))
                if found.stat().st_size > size:
                    raise UntrustedError(
                        f"{name} is larger than the Hub said",
                        where=repository,
                        fix="try again; if it stays so, ask who pushed it",
                        kind=ErrorKind.FILE_TOO_LARGE,
                    )
                found.replace(aside / name)
                done += size
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def _sizes(info: Any, where: str) -> dict[str, int]:
    """Return bytes of the files that belong to a version. Raises `UntrustedError`."""
    sizes = {each.rfilename: each.size for each in info.siblings or [] if each.rfilename in BUNDLE_FILES}
    if MANIFEST not in sizes:
        raise UntrustedError(
            f"it has no {MANIFEST}: Bright Run did not push it",
            where=where,
            fix="only models that were pushed with brightrun models push can be pulled",
            kind=ErrorKind.BAD_BUNDLE,
        )
    for name, size in sizes.items():
        limit = MAX_FILE_BYTES if name == ADAPTER_WEIGHTS else MAX_SMALL_FILE_BYTES
        if size > limit:
            raise UntrustedError(
                f"{name} is larger than {humanize.limit(limit)}", where=where, kind=ErrorKind.FILE_TOO_LARGE
            )
    return sizes
