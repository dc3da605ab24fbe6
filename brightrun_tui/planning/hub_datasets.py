"""Datasets of the Hugging Face Hub: ``hf:owner/name``, with a configuration and a split where there are several.

The files of one split become a folder in our cache, named after what is in it, for a revision that is kept with the run.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import quote

from brightrun_tui.datasets.folder import PACKED
from brightrun_tui.datasets.opening import Progress
from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, DatasetError, NotConnectedError, UsageError
from brightrun_tui.domain.service_names import HUGGINGFACE
from brightrun_tui.files import write_atomic
from brightrun_tui.integrations import credentials, hub
from brightrun_tui.paths import Paths
from brightrun_tui.planning.hub_dataset_files import CONVERTED, DEFAULT, TRAIN, Splits, configurations, converted
from brightrun_tui.planning.hub_dataset_names import PREFIX, HubDataset, parse
from brightrun_tui.planning.hub_downloads import (
    disk_error,
    in_words,
    most_bytes,
    progress_bar,
    remove_stale_parts,
    require_space,
)

MOST_BYTES = 50 * 10**9
_MEANS = "means"
"""In the place of a name that leaves something open: the name that does not."""

_remembered: dict[tuple[str, str, Path, bool], tuple[float, HubFolder | BrightrunError]] = {}


@dataclass(frozen=True)
class HubFolder:
    """The files of one split on this disk, and the full name of what they are, revision included."""

    path: Path
    source: str


def fetch_dataset(word: str, paths: Paths, progress: Progress = lambda what, share: None) -> HubFolder:
    """Return the folder with the files of a Hub dataset; what is here already is not fetched again. Blocking.

    Where the Hub cannot be reached, the newest copy that was fetched under the same name is taken. An answer is remembered
    for an hour, a failure for some seconds.

    Raises:
        UsageError: the word cannot be understood, or there are several configurations or splits to choose from.
        DatasetError: unknown, gated, too large, or without files that can be read.
        NotConnectedError: the Hub cannot be reached or refuses the token.
        BrightrunError: the disk is too small or cannot be written.
    """
    wanted = parse(word)
    key = (hub.endpoint(), str(wanted), paths.cache, credentials.where(HUGGINGFACE, paths) != "")
    when, known = _remembered.get(key, (0.0, None))
    age = time.monotonic() - when
    if isinstance(known, HubFolder) and age < hub.REMEMBER_SECONDS and known.path.is_dir():
        return known
    if isinstance(known, BrightrunError) and age < hub.REMEMBER_FAILURE_SECONDS:
        raise known
    found: HubFolder | BrightrunError
    try:
        found = _fetch(wanted, paths, progress)
    except NotConnectedError as error:
        if (
            error.kind not in (ErrorKind.HUB_UNREACHABLE, ErrorKind.HUB_OFFLINE)
            or (copy := _newest_copy(wanted, paths)) is None
        ):
            found = error
        else:
            found = copy
    except BrightrunError as error:
        found = error
    _remembered[key] = (time.monotonic(), found)
    if isinstance(found, BrightrunError):
        raise found.with_traceback(None)
    return found


def _fetch(wanted: HubDataset, paths: Paths, progress: Progress) -> HubFolder:
    if wanted.revision and (copy := _newest_copy(wanted, paths)):
        return copy
    token = credentials.get(HUGGINGFACE, paths)
    progress(f"asking {hub.endpoint()} for {wanted.repository}", 0.0)
    with hub.plain_errors(wanted.repository, has_token=token is not None, dataset=True):
        about = _about(wanted, token, wanted.revision)
        found = configurations(_names(about), _configs(about))
        if wanted.config not in ("", *found) and wanted.config in (of_branch := converted(_names(about))):
            found = of_branch
        elif not found and not wanted.revision:
            about = _about(wanted, token, CONVERTED)
            found = converted(_names(about))
    chosen, files = _choose(wanted, found)
    exact = replace(chosen, revision=about.sha or wanted.revision)
    folder = _home(exact, paths) / quote(exact.revision, safe="") / _label(exact)
    if not folder.is_dir():
        sizes = {file.rfilename: file.size for file in about.siblings or [] if file.rfilename in files}
        snapshot = _download(exact, sizes, paths, token, progress)
        _publish(snapshot, files, folder)
    os.utime(folder.parent)
    if (asked := _home(wanted, paths)) != folder.parent.parent:
        asked.mkdir(exist_ok=True)
        write_atomic(asked / _MEANS, str(replace(exact, revision="")))
    return HubFolder(folder, str(exact))


def _about(wanted: HubDataset, token: Any, revision: str) -> Any:
    return hub.checked(
        hub.api(token).dataset_info(
            wanted.repository, revision=revision or None, files_metadata=True, timeout=hub.TIMEOUT_SECONDS
        )
    )


def _names(about: Any) -> list[str]:
    return [file.rfilename for file in about.siblings or []]


def _configs(about: Any) -> Any:
    card = about.card_data
    return card.get("configs") if card is not None else None


def _choose(wanted: HubDataset, found: dict[str, Splits]) -> tuple[HubDataset, list[str]]:
    """Return the configuration and the split that are meant, and their files."""
    if not found:
        raise DatasetError(
            f"“{wanted.repository}” holds no Parquet, JSONL, JSON, CSV or Excel files",
            where=hub.endpoint(),
            fix="choose another dataset, or download it and bring it into one of these formats",
            kind=ErrorKind.DATASET_HUB_FILES,
        )
    config = wanted.config or (DEFAULT if DEFAULT in found else next(iter(found)) if len(found) == 1 else "")
    if config not in found:
        raise UsageError(
            _several("configuration", wanted.config, found),
            where=str(wanted),
            kind=ErrorKind.HUB_CONFIGURATION,
            fix=f"name one, such as {PREFIX}{wanted.repository}:{next(iter(found))}",
        )
    splits = found[config]
    split = wanted.split or (TRAIN if TRAIN in splits else next(iter(splits)) if len(splits) == 1 else "")
    named = replace(wanted, config=config if config != DEFAULT or wanted.config else "", split=split)
    if split not in splits:
        raise UsageError(
            _several("split", wanted.split, splits),
            where=str(wanted),
            kind=ErrorKind.HUB_SPLIT,
            fix=f"name one, such as {replace(named, split=next(iter(splits)), revision='')}",
        )
    return named, splits[split]


def _several(noun: str, named: str, found: dict[str, Any]) -> str:
    listed = ", ".join(list(found)[:12]) + (f" and {len(found) - 12} more" if len(found) > 12 else "")
    return f"there is no {noun} “{named}”; there are {listed}" if named else f"there are several {noun}s: {listed}"


def _download(exact: HubDataset, sizes: dict[str, int], paths: Paths, token: Any, progress: Progress) -> Path:
    """Return the snapshot that holds the files."""
    total = sum(sizes.values())
    if total > MOST_BYTES:
        raise DatasetError(
            f"{exact} holds {humanize.size(total)}",
            where=hub.endpoint(),
            kind=ErrorKind.DATASET_TOO_LARGE,
            fix="choose a smaller split or configuration, or download a part of it and name the folder",
        )
    cache = hub.cache_directory(paths)
    require_space(cache, total)
    remove_stale_parts(cache / f"datasets--{exact.repository.replace('/', '--')}" / "blobs")
    try:
        with hub.plain_errors(exact.repository, has_token=token is not None, dataset=True):
            return Path(
                hub.api(token).snapshot_download(
                    exact.repository,
                    repo_type="dataset",
                    revision=exact.revision,
                    cache_dir=cache,
                    allow_patterns=[escape(name) for name in sizes],
                    max_workers=4,
                    tqdm_class=progress_bar(
                        lambda done: progress(in_words(exact.repository, done, total), min(1.0, done / max(1, total))),
                        most_bytes(sizes.values(), cache),
                    ),
                )
            )
    except OSError as error:
        raise disk_error(error, cache) from None


def _publish(snapshot: Path, files: list[str], folder: Path) -> None:
    """Put the files into a folder of their own, whole or not at all, in their order; without a second copy where that can be."""
    aside = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(mkdtemp(prefix=".part-", dir=folder.parent))
        for number, name in enumerate(files):
            suffixes = Path(name).suffixes[-2 if name.endswith(PACKED) else -1 :]
            target = aside / f"part-{number:05d}{''.join(suffixes)}"
            blob = Path(os.path.realpath(snapshot / name))
            try:
                os.link(blob, target)
            except OSError:
                shutil.copyfile(blob, target)
        aside.rename(folder)
    except OSError as error:
        if not folder.is_dir():
            raise disk_error(error, folder.parent) from None
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)


def _home(wanted: HubDataset, paths: Paths) -> Path:
    """Say where the folders of what was named like this lie, one for each revision."""
    asked = str(replace(wanted, revision="")).removeprefix(PREFIX)
    return paths.cache / "hub-datasets" / quote(asked, safe=" ")


def _label(exact: HubDataset) -> str:
    """Return a name for the folder, and so for the dataset: ``squad-train``."""
    name = exact.repository.rpartition("/")[2]
    return "-".join(re.sub(r"[^\w.-]+", "_", part) for part in (name, exact.config, exact.split) if part)


def _newest_copy(wanted: HubDataset, paths: Paths) -> HubFolder | None:
    """Return what was fetched last, of the revision that is wanted or of any."""
    try:
        if (means := _home(wanted, paths) / _MEANS).is_file():
            wanted = replace(parse(means.read_text("utf-8")), revision=wanted.revision)
        revisions = [
            entry for entry in _home(wanted, paths).iterdir() if entry.is_dir() and wanted.revision in ("", entry.name)
        ]
        newest = max(revisions, key=lambda entry: entry.stat().st_mtime)
        folder = next(entry for entry in newest.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except (OSError, ValueError, UsageError, StopIteration):
        return None
    return HubFolder(folder, str(replace(wanted, revision=newest.name)))
