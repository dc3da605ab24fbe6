"""A folder as a dataset: which of its files hold the records."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError

KINDS = {
    ".jsonl": "JSONL",
    ".ndjson": "JSONL",
    ".jsonlines": "JSONL",
    ".jl": "JSONL",
    ".json": "JSON",
    ".csv": "CSV",
    ".tsv": "TSV",
    ".tab": "TSV",
    ".xlsx": "Excel",
    ".xlsm": "Excel",
    ".parquet": "Parquet",
    ".pq": "Parquet",
}
PACKED = (".gz", ".zst", ".zip")
_ABOUT = re.compile(
    r"(\.|_|~\$)|(readme|licen[cs]e|notice|citation|dataset_infos?|dataset_dict|state|thumbs\.db|desktop\.ini)\b"
    r"|.*\.(md|py|lock|tmp|txt|pdf|yaml|yml|sha256)$",
    re.IGNORECASE,
)
_TRAINING = re.compile(r"(.*[^a-z])?train(ing)?([^a-z]|$)", re.IGNORECASE)
_TESTING = re.compile(r"(.*[^a-z])?(test(ing)?|valid(ation)?|val|dev|eval(uation)?|holdout)([^a-z]|$)", re.IGNORECASE)


class DataFiles(NamedTuple):
    """The files to learn from in the order of their names, and those that were left out, as they are for testing."""

    files: list[Path]
    for_testing: list[Path]


def data_files(directory: Path) -> DataFiles:
    """Return what a folder holds: files of one kind. Where some are named after training, those named after testing are left out.

    Files about the data (README, licence, scripts) and hidden ones do not count, nor do folders in it.

    Raises:
        DatasetError: no such file, or files of different kinds.
        OSError: the folder cannot be read.
    """
    files = sorted(entry for entry in directory.iterdir() if not is_about(entry.name) and entry.is_file())
    first = {kind_of(file): file for file in reversed(files)}
    if unknown := first.get(""):
        raise DatasetError(
            f"the folder holds a file that is not a dataset, {unknown.name}",
            where=str(directory),
            fix="name the file to learn from, or move the other away",
            kind=ErrorKind.DATASET_FOLDER,
        )
    if len(first) > 1:
        named = " and ".join(f"{kind} ({file.name})" for kind, file in sorted(first.items()))
        raise DatasetError(
            f"the folder holds files of different kinds: {named}",
            where=str(directory),
            fix=f"name the file to learn from, such as {files[0]}, or move the others away",
            kind=ErrorKind.DATASET_FOLDER,
        )
    if not files:
        inner = (
            one
            for one in sorted(directory.iterdir())
            if one.is_dir() and os.access(one, os.R_OK) and not is_about(one.name)
        )
        below = next((one for one in inner if any(map(kind_of, one.iterdir()))), None)
        raise DatasetError(
            "the folder holds no dataset file",
            where=str(directory),
            kind=ErrorKind.DATASET_IS_DIRECTORY,
            fix=f"folders in it are not looked into: name the one that holds the files, such as {below}"
            if below
            else "name a file, or a folder with files of one kind: " + ", ".join(dict.fromkeys(KINDS.values())),
        )
    testing = [file for file in files if is_for_testing(file.name)]
    if any(map(_TRAINING.match, (file.name for file in files))) and testing:
        return DataFiles([file for file in files if file not in testing], testing)
    return DataFiles(files, [])


def is_for_testing(name: str) -> bool:
    """Say whether the name of a file or a list marks it as meant for testing."""
    return bool(_TESTING.match(name)) and not _TRAINING.match(name)


def is_about(name: str) -> bool:
    """Say whether a file of this name is hidden or describes the data, and so holds none of it."""
    return bool(_ABOUT.match(name))


def kind_of(file: Path) -> str:
    """Return what kind of table or list a file's name says it is; empty where it says none."""
    name = file.name.lower()
    for suffix in PACKED:
        name = name.removesuffix(suffix)
    return KINDS.get(Path(name).suffix, "")
