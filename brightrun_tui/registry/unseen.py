"""Which records of a dataset may judge versions: those that none of them learnt from, nor from others that give them away."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from brightrun_tui import datasets
from brightrun_tui.datasets.splitting import SplitKey, content_of, find_units, part_held_out, records_key, split_key
from brightrun_tui.domain.dataset import Record
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, DatasetError
from brightrun_tui.domain.evaluation import Judging
from brightrun_tui.domain.run_directory import EVAL, TRAIN, RunDirectory
from brightrun_tui.domain.subject import LearntFrom


@dataclass(frozen=True)
class ChosenRecords:
    """``learnt``: training records of the first version, where they are known."""

    judging: Judging
    records: list[Record]
    learnt: list[Record]


def choose_judges(
    path: Path, fingerprint: str, columns: dict[str, str], versions: Sequence[LearntFrom], most: int
) -> ChosenRecords:
    """Return up to ``most`` records of ``path``, in its order; the same ones whatever else is asked. Blocking.

    Raises:
        DatasetError: the data cannot be used, or nothing of it can judge.
    """
    clean = any(version.settings.marks == "clean" for version in versions)

    def usable() -> Iterator[Record]:
        for outcome in datasets.open_dataset(path, columns=columns or None, clean=clean).outcomes():
            if outcome.record is not None:
                yield outcome.record

    keys = [split_key(record) for record in usable()]
    seen: dict[bytes, SplitKey] = {}
    first: list[Record] = []
    unknown = []
    for place, version in enumerate(versions):
        known = _learnt(version, path, fingerprint, columns)
        if known is None:
            unknown.append(version.ref)
            continue
        learnt, chose = known
        first = learnt if place == 0 else first
        seen |= {content_of(key): key for key in map(split_key, (*learnt, *chose))}
    kept = _apart(keys, seen)
    judges = set(sorted(kept, key=lambda place: hashlib.blake2b(content_of(keys[place])).digest())[:most])
    if not judges:
        raise DatasetError(
            f"none of its {len(keys):,} records can judge: the versions learnt from them, or from others that are like them",
            where=str(path),
            fix="give data that they were not trained on",
            kind=ErrorKind.NOTHING_UNSEEN,
        )
    records = [record for place, record in enumerate(usable()) if place in judges]
    counts = Judging(
        records=len(judges), learnt=len(keys) - len(kept), over=len(kept) - len(judges), unknown=tuple(unknown)
    )
    return ChosenRecords(counts, records, first)


def _apart(keys: Sequence[SplitKey], seen: Mapping[bytes, SplitKey]) -> list[int]:
    """Return places of the ``keys`` that do not belong together with anything ``seen``, by the rules of the split."""
    rest = [place for place, key in enumerate(keys) if content_of(key) not in seen]
    if not seen or not rest:
        return rest
    units = find_units([*seen.values(), *(keys[place] for place in rest)]).first
    taken = set(units[: len(seen)])
    return [place for place, unit in zip(rest, units[len(seen) :], strict=True) if unit not in taken]


def _learnt(
    version: LearntFrom, path: Path, fingerprint: str, columns: dict[str, str]
) -> tuple[list[Record], list[Record]] | None:
    """Find the records that the version learnt from, and those that chose its checkpoint; None if nobody can tell.

    Where its run is gone and ``path`` is the file that it had, the split is made again; ``columns`` say how that is read.
    Where others judged the version than would by the rules of today, a split made again is another one; of the held-out records
    that its run has, each may have chosen.
    """
    kept = _kept_data(version)
    try:
        if kept is not None:
            learnt, held_out = _read(kept)
        elif version.fingerprint and version.fingerprint == fingerprint:
            with tempfile.TemporaryDirectory(prefix="brightrun-") as again:
                datasets.prepare(path, again, version.settings, columns=version.columns or columns or None)
                learnt, held_out = _read(Path(again))
        else:
            return None
    except BrightrunError:
        return None
    parted = part_held_out(held_out, version.settings.split_seed) if version.chosen_apart else None
    chose, judged = parted or ([], held_out)
    if (kept is not None and parted is None) or _is_as_it_was(judged, held_out, version):
        return learnt, chose
    return (learnt, held_out) if kept is not None else None


def _kept_data(version: LearntFrom) -> Path | None:
    """Find the records that its run has kept."""
    data = RunDirectory(Path(version.run_directory)).data if version.run_directory else None
    return data if data is not None and (data / TRAIN).is_file() and (data / EVAL).is_file() else None


def _read(data: Path) -> tuple[list[Record], list[Record]]:
    return list(datasets.read_prepared(data / TRAIN)), list(datasets.read_prepared(data / EVAL))


def _is_as_it_was(judged: list[Record], held_out: list[Record], version: LearntFrom) -> bool:
    """Say whether these are the records that judged the version: the rules of the split may be others than when it was trained.

    Where its report card does not tell, because it is older or left some out, they are taken for the same.
    """
    if not version.judged or version.held_out != len(held_out):
        return True
    return version.judged.partition("-")[0] == records_key(judged)
