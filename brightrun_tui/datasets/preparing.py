"""`prepare`: the data directory of a run, in the canonical form."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path

from brightrun_tui.datasets.opening import REPORT_EVERY, Dataset, Progress, open_dataset
from brightrun_tui.datasets.source import fingerprint, readable
from brightrun_tui.datasets.splitting import plan_split, split_key
from brightrun_tui.domain.correction import correction_number
from brightrun_tui.domain.dataset import PreparedData, Record
from brightrun_tui.domain.disk import disk_full, is_disk_full
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, DatasetError
from brightrun_tui.domain.run_directory import EVAL, TRAIN
from brightrun_tui.domain.setting_groups import DataSettings


def prepare(
    path: str | PathLike[str],
    directory: str | PathLike[str],
    settings: DataSettings,
    *,
    columns: Mapping[str, str] | None = None,
    format: str | None = None,
    progress: Progress = lambda what, share: None,
) -> PreparedData:
    """Split a dataset and write ``train.jsonl`` and ``eval.jsonl`` into ``directory``, whole or not at all.

    The file is read twice, as a stream; memory holds some hundred bytes a record. ``progress`` is told what is done and which
    share of the work it is; what it raises ends the work.

    Raises:
        DatasetError: the file cannot be used, has fewer than two different records, or changed meanwhile.
        BrightrunError: the directory cannot be written (``disk_full``, ``not_writable``).
    """

    def opened() -> Dataset:
        return open_dataset(path, columns=columns, format=format, clean=settings.marks == "clean")

    before = fingerprint(path)
    keys, taught = [], set()
    for number, record in enumerate(_records(opened(), progress, "read", 0.0)):
        keys.append(split_key(record))
        if correction_number(record.id) is not None:
            taught.add(number)
    plan = plan_split(keys, settings.eval_fraction, settings.eval_max_records, settings.split_seed, taught=taught)
    held_out = sum(plan)
    if not held_out:
        raise DatasetError(
            "fewer than two different records can be used",
            where=str(path),
            kind=ErrorKind.DATASET_TOO_SMALL,
            fix="at least two are needed, one to learn from and one to check with",
        )
    target = Path(directory)
    written = _write(_records(opened(), progress, "written", 0.5), plan, target)
    if written != len(plan) or fingerprint(path) != before:
        _discard(target)
        raise DatasetError(
            "the file changed while it was being read",
            where=str(path),
            fix="start again",
            kind=ErrorKind.DATASET_CHANGED,
        )
    _publish(target)
    return PreparedData(
        directory=str(target),
        train_records=written - held_out,
        eval_records=held_out,
        source_fingerprint=before,
        train_fingerprint=fingerprint(target / TRAIN),
        eval_fingerprint=fingerprint(target / EVAL),
    )


def _records(dataset: Dataset, progress: Progress, done: str, start: float) -> Iterator[Record]:
    """Yield the usable records; ``progress`` hears of this half of the work, which begins at ``start``."""
    for number, outcome in enumerate(dataset.outcomes()):
        if number % REPORT_EVERY == 0:
            progress(f"{number:,} records {done}", start + dataset.share_read / 2)
        if outcome.record is not None:
            yield outcome.record


def read_prepared(path: str | PathLike[str]) -> Iterator[Record]:
    """Yield the records of a file that `prepare` wrote.

    Raises:
        DatasetError: the file is missing or damaged.
    """
    file = Path(path)
    with readable(file), file.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                yield Record.model_validate_json(line)
            except ValueError:
                raise DatasetError(
                    "this line of the prepared data is damaged",
                    where=f"{file}:{number}",
                    fix="start the run again",
                    kind=ErrorKind.DATASET_DAMAGED,
                ) from None


def _write(records: Iterable[Record], held_out: list[bool], directory: Path) -> int:
    """Write both files under temporary names and flush them to disk. Returns how many records there were."""
    count = 0
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _partial(directory, TRAIN).open("wb") as train, _partial(directory, EVAL).open("wb") as evaluation:
            for record in records:
                stream = evaluation if count < len(held_out) and held_out[count] else train
                stream.write(record.model_dump_json(exclude_defaults=True).encode() + b"\n")
                count += 1
            for stream in (train, evaluation):
                stream.flush()
                os.fsync(stream.fileno())
    except OSError as error:
        _discard(directory)
        raise _cannot_write(directory, error) from None
    except BaseException:
        _discard(directory)
        raise
    return count


def _publish(directory: Path) -> None:
    try:
        for name in (TRAIN, EVAL):
            _partial(directory, name).replace(directory / name)
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        _discard(directory)
        raise _cannot_write(directory, error) from None


def _discard(directory: Path) -> None:
    for name in (TRAIN, EVAL):
        try:
            _partial(directory, name).unlink(missing_ok=True)
        except OSError:
            continue  # a directory that cannot be written holds no partial file of ours


def _partial(directory: Path, name: str) -> Path:
    return directory / f"{name}.partial"


def _cannot_write(directory: Path, error: OSError) -> BrightrunError:
    if is_disk_full(error):
        return disk_full(directory)
    return BrightrunError(
        f"the data of the run cannot be written ({error.strerror or error})",
        where=str(directory),
        kind=ErrorKind.NOT_WRITABLE,
        fix="check the directory's permissions, or set BRIGHTRUN_HOME to one you own",
    )
