"""A repaired version of a dataset: records taken out, texts trimmed, categories named otherwise. The original stays as it is."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

from brightrun_tui.datasets.checking import Examined
from brightrun_tui.datasets.opening import REPORT_EVERY, Progress, open_dataset
from brightrun_tui.datasets.problems import REMARKS
from brightrun_tui.datasets.turns import printable
from brightrun_tui.datasets.versions import head_line, line_of
from brightrun_tui.domain.dataset import DatasetOrigin, Record
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.files import plain_disk_errors, sync_directory

ENDING = ".jsonl"
DUPLICATE = "duplicate"
"""The kind of finding that copies of earlier records are."""


@dataclass(frozen=True)
class Repairs:
    """What is to be done to a dataset.

    Attributes:
        drop: kinds of findings whose records are taken out; of copies the first stays.
        entries: numbers of single entries, from 0, that are taken out.
        trim: take white space from both ends of every turn, and from the ends of its lines.
        relabel: values of categories, and what they are to be called instead.
    """

    drop: Set[str] = frozenset()
    entries: Set[int] = frozenset()
    trim: bool = False
    relabel: Mapping[str, str] = field(default_factory=dict)


def droppable(examined: Examined) -> list[str]:
    """Return the kinds of findings whose records can be taken out: of records that are used, and not of all of them."""
    return [
        kind for kind, found in examined.entries.items() if kind in REMARKS and 0 < len(found) < len(examined.usable)
    ]


def repair(
    examined: Examined,
    columns: Mapping[str, str],
    repairs: Repairs,
    target: Path,
    name: str,
    progress: Progress = lambda what, share: None,
) -> DatasetOrigin:
    """Write the repaired records to ``target``, whole or not at all; entries that cannot be used are not in it.

    ``name`` is what the dataset is called where it is said what the new one was made from. Blocking; what ``progress`` raises
    ends the work and leaves nothing behind.

    Raises:
        UsageError: nothing is to be done, or nothing would be left; there is no such finding or category; the target exists.
        DatasetError: the dataset cannot be read, or changed meanwhile.
        BrightrunError: the target cannot be written.
    """
    taken = _taken_out(examined, repairs)
    origin = DatasetOrigin(name=name, fingerprint=examined.report.fingerprint, done=_promised(examined, repairs, taken))
    if not origin.done:
        raise UsageError(
            "nothing is to be repaired", fix="say what to take out, trim or relabel", kind=ErrorKind.BAD_OPTION
        )
    if target.suffix.lower() not in ("", ENDING):
        raise UsageError(
            f"a repaired dataset is written as JSONL, and “{printable(target.suffix)}” means something else",
            where=str(target),
            fix=f"end the name in {ENDING}",
            kind=ErrorKind.BAD_OPTION,
        )
    if os.path.lexists(target):
        raise UsageError(
            "this file exists already", where=str(target), fix="choose another name", kind=ErrorKind.BAD_OPTION
        )
    counted: Counter[str] = Counter()
    records = _repaired(examined, columns, repairs, taken, counted, progress)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    with plain_disk_errors(target):
        try:
            with aside.open("xb") as file:
                file.write(f"{head_line(origin)}\n".encode())
                for record in records:
                    file.write(f"{line_of(record)}\n".encode())
                file.flush()
                os.fsync(file.fileno())
            _require_relabelled(repairs, counted, examined)
            os.link(aside, target)  # unlike a rename, this never replaces what came to be there meanwhile
            sync_directory(target.parent)
        except FileExistsError:
            raise UsageError(
                "this file exists already", where=str(target), fix="choose another name", kind=ErrorKind.BAD_OPTION
            ) from None
        finally:
            aside.unlink(missing_ok=True)
    return origin


def _repaired(
    examined: Examined,
    columns: Mapping[str, str],
    repairs: Repairs,
    taken: Set[int],
    counted: Counter[str],
    progress: Progress,
) -> Iterator[Record]:
    dataset = open_dataset(examined.report.path, columns=columns or None)
    for number, outcome in enumerate(dataset.outcomes()):
        if number % REPORT_EVERY == 0:
            progress(f"{number:,} records written", dataset.share_read)
        if outcome.record is None or number in taken:
            continue
        record = outcome.record
        if repairs.trim:
            trimmed = [turn.model_copy(update={"content": _trimmed(turn.content)}) for turn in record.messages]
            record = record.model_copy(update={"messages": tuple(trimmed)})
        if renamed := [value for value in record.categories.values() if value in repairs.relabel]:
            counted.update(renamed)
            categories = {key: repairs.relabel.get(value, value) for key, value in record.categories.items()}
            record = record.model_copy(update={"categories": categories})
        yield record


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().split("\n"))


def _taken_out(examined: Examined, repairs: Repairs) -> Set[int]:
    """Return the numbers of all entries that are to be taken out."""
    for kind in repairs.drop:
        if not examined.entries.get(kind):
            found = ", ".join(kind for kind, entries in examined.entries.items() if entries) or "nothing"
            raise UsageError(
                f"there are no records of the kind “{printable(kind)}” in this dataset",
                where=examined.report.path,
                fix=f"what was found: {found}",
                kind=ErrorKind.BAD_OPTION,
            )
    taken = {entry for kind in repairs.drop for entry in examined.entries[kind]} | repairs.entries
    if len(set(examined.usable) - taken) < 2:
        raise UsageError(
            "fewer than two records would be left",
            where=examined.report.path,
            fix="take out fewer",
            kind=ErrorKind.BAD_OPTION,
        )
    return taken


def _promised(examined: Examined, repairs: Repairs, taken: Set[int]) -> tuple[str, ...]:
    """Return in words, for the new version, what is done; empty where that is nothing."""
    problems = {problem.kind: problem for problem in examined.report.problems}
    done = [
        f"took out {problems[kind].count:,} {problems[kind].what}" for kind in sorted(repairs.drop) if kind in problems
    ]
    single = len(repairs.entries)
    if single:
        done.append(f"took out {single:,} chosen record{'s' if single > 1 else ''}")
    if repairs.trim:
        done.append("trimmed white space")
    done += [f"category {printable(old)} is now {printable(new)}" for old, new in repairs.relabel.items()]
    left_out = examined.report.records - examined.report.usable
    if done and left_out:
        done.append(f"left out {left_out:,} {'entries' if left_out > 1 else 'entry'} that cannot be used")
    return tuple(done)


def _require_relabelled(repairs: Repairs, counted: Counter[str], examined: Examined) -> None:
    missing = next((old for old in repairs.relabel if not counted[old]), None)
    if missing is not None:
        known = [value for values in examined.report.categories.values() for value in values]
        named = ", ".join(printable(value) for value in known[:12]) or "none"
        raise UsageError(
            f"no record has the category “{printable(missing)}”",
            where=examined.report.path,
            fix=f"the categories here: {named}",
            kind=ErrorKind.BAD_OPTION,
        )
