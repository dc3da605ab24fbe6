"""Which files of a Hub dataset belong to a configuration and a split.

What the dataset's card says (``configs`` in the head of its README, see
https://huggingface.co/docs/hub/datasets-manual-configuration) goes first; without it the names of files and folders tell.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from brightrun_tui.datasets.folder import kind_of

DEFAULT = "default"
TRAIN = "train"
CONVERTED = "refs/convert/parquet"
"""The branch in which the Hub keeps a copy of most datasets, as ``configuration/split/0000.parquet``."""
_PREFERRED = ("Parquet", "JSONL", "JSON", "CSV", "TSV", "Excel")
_SPLITS = {
    "train": TRAIN,
    "training": TRAIN,
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
}
_ABOUT = frozenset(
    {"dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json", "package.json", "config.json"}
)

Splits = dict[str, list[str]]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


class _Files(BaseModel):
    split: str = TRAIN
    path: Annotated[list[str], BeforeValidator(_as_list)]


def _as_files(value: Any) -> Any:
    given = _as_list(value)
    return [{"path": one} if isinstance(one, str) else one for one in given] if isinstance(given, list) else given


class _Config(BaseModel):
    config_name: str = DEFAULT
    data_dir: str = ""
    data_files: Annotated[list[_Files], BeforeValidator(_as_files)] = Field(default_factory=list)


def configurations(files: Iterable[str], card: Any) -> dict[str, Splits]:
    """Return the data files by configuration and split. ``card`` is the ``configs`` of the dataset's card, if it has any."""
    data = sorted(
        name
        for name in files
        if kind_of(Path(name))
        and PurePosixPath(name).name not in _ABOUT
        and not any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)
    )
    found = {}
    for given in card if isinstance(card, list) else []:
        try:
            config = _Config.model_validate(given)
        except ValidationError:
            continue
        folder = f"{config.data_dir.strip('/')}/" if config.data_dir.strip("./") else ""
        splits: Splits = {}
        for part in config.data_files:
            chosen = [
                name for name in data if any(_fits(name, folder + pattern.removeprefix("./")) for pattern in part.path)
            ]
            splits.setdefault(part.split, []).extend(chosen)
        if not config.data_files:
            splits = _by_name([name for name in data if name.startswith(folder)])
        if splits := {split: _of_one_kind(names) for split, names in splits.items() if names}:
            found[config.config_name] = splits
    if found or not data:
        return found
    return {DEFAULT: {split: _of_one_kind(names) for split, names in _by_name(data).items()}}


def converted(files: Iterable[str]) -> dict[str, Splits]:
    """Return the same of the branch `CONVERTED`."""
    found: dict[str, Splits] = {}
    for name in sorted(files):
        if len(parts := PurePosixPath(name).parts) == 3 and kind_of(Path(name)) == "Parquet":
            found.setdefault(parts[0], {}).setdefault(parts[1].removeprefix("partial-"), []).append(name)
    return found


def _fits(name: str, pattern: str) -> bool:
    """Say whether a glob of a dataset's card means this file; ``**`` is any number of folders, ``*`` stays within one."""
    if "**" in pattern:
        return fnmatch(name, pattern.replace("**/", "*").replace("**", "*"))
    return name.count("/") == pattern.count("/") and fnmatch(name, pattern)


def _by_name(files: Iterable[str]) -> Splits:
    """Sort files by the first part of the path that is named after a split; all train where none is."""
    splits: Splits = {}
    for name in files:
        words = re.split(r"[^a-z]+", name.lower())
        splits.setdefault(next((_SPLITS[word] for word in words if word in _SPLITS), TRAIN), []).append(name)
    return splits


def _of_one_kind(files: list[str]) -> list[str]:
    """Return the files of the kind that most are of: other kinds hold the same again."""
    counts: Mapping[str, int] = Counter(kind_of(Path(name)) for name in files)
    best = max(counts, key=lambda kind: (counts[kind], -_PREFERRED.index(kind)))
    return [name for name in files if kind_of(Path(name)) == best]
