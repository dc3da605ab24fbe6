"""`check` and `examine`: everything worth knowing about a dataset before anything starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import NamedTuple

from brightrun_tui.datasets.opening import REPORT_EVERY, Dataset, Progress, open_dataset
from brightrun_tui.datasets.source import no_records
from brightrun_tui.datasets.survey import Survey
from brightrun_tui.datasets.unread import first_names
from brightrun_tui.datasets.workbooks import holds_open_formulas
from brightrun_tui.domain.dataset import DatasetReport, Record
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError


class Examined(NamedTuple):
    """The report, and which entries its findings are about.

    Attributes:
        entries: by kind of finding, the numbers of the entries in the dataset, from 0. None if it is about the file.
        like: by kind of finding that compares records, for each of these the number of the earlier entry it is like.
        usable: the numbers of all entries that are records.
        sample: some of the records, or all where they are few; in the order of the dataset.
    """

    report: DatasetReport
    entries: Mapping[str, Sequence[int]]
    like: Mapping[str, Sequence[int]]
    usable: Sequence[int]
    sample: Sequence[Record] = ()


def check(
    path: str | PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    format: str | None = None,
    preview: int = 5,
    progress: Progress = lambda what, share: None,
) -> DatasetReport:
    """Read a dataset once, as a stream, and report on it. As `examine`."""
    return examine(path, columns=columns, format=format, preview=preview, progress=progress).report


def examine(
    path: str | PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    format: str | None = None,
    preview: int = 5,
    progress: Progress = lambda what, share: None,
) -> Examined:
    """Read a dataset once, as a stream: the report, and which records it speaks of. Memory: about 500 bytes a record.

    Args:
        path: a JSONL, JSON, CSV, TSV, Excel or Parquet file, also packed, or a folder with files of one kind.
        columns: which column holds what, e.g. ``{"prompt": "Question", "completion": "Answer"}``; also `reading_options.ENCODING`
            and `reading_options.SHEET`.
        format: the name of one of `formats.formats`, when it should not be guessed.
        preview: how many of the first usable records to put into the report.
        progress: is told what is done and which share of the file has been read; what it raises ends the check.

    Raises:
        DatasetError: the file is refused, or none or only one of its records can be used.
        UsageError: ``format`` or ``columns`` make no sense.
    """
    dataset = open_dataset(path, columns=columns, format=format)
    survey = Survey(preview)
    for number, outcome in enumerate(dataset.outcomes()):
        if number % REPORT_EVERY == 0:
            progress(f"{number:,} records read", dataset.share_read)
        survey.entry = number
        if outcome.record is None:
            survey.note(outcome.left_out, outcome.place, detail=outcome.detail)
            survey.records += 1
        else:
            survey.take(outcome.record, outcome.place)
            for kind in outcome.remarks:
                survey.note(kind, outcome.place)
            survey.note_characters(outcome.record, outcome.place)
            survey.fields.see(number, outcome.unused, outcome.texts, outcome.flags)
    _refuse_unless_trainable(dataset, survey)
    survey.conclude(dataset, lambda: progress(f"{survey.records:,} records read; looking for copies", 1.0))
    sample = [each.record for each in survey.sample.records()]
    return Examined(survey.report(dataset), survey.log.entries, survey.like, survey.entries, sample)


def _refuse_unless_trainable(dataset: Dataset, survey: Survey) -> None:
    where = str(dataset.path)
    if not survey.records:
        raise no_records(dataset.source.file)
    problems = [problem for problem in survey.log.problems() if not problem.remark]
    reasons = "; ".join(f"{problem.count:,} {problem.what}" for problem in problems)
    if not survey.usable:
        raise DatasetError(
            f"none of the {survey.records:,} records can be used: {reasons}",
            where=where,
            fix=_other_sheets(dataset) + problems[0].fix,
            kind=ErrorKind.DATASET_UNUSABLE,
        )
    if survey.all_the_same:
        what = (
            f"all {survey.usable:,} usable records are the same"
            if survey.usable > 1
            else "there is only one usable record"
        )
        raise DatasetError(
            f"{what} (left out: {reasons})" if reasons else what,
            where=where,
            kind=ErrorKind.DATASET_TOO_SMALL,
            fix=_other_sheets(dataset)
            + "at least two are needed, one to learn from and one to check with; 50 or more are sensible",
        )


def _other_sheets(dataset: Dataset) -> str:
    """Say that a workbook has formulas without results, or that the file has other sheets or lists which may be meant."""
    if dataset.source.file.is_workbook and holds_open_formulas(dataset.source.file):
        return (
            "the workbook holds formulas that were never computed: open it in a spreadsheet program and save it; else "
        )
    if not dataset.others:
        return ""
    others = first_names(dataset.others)
    if not dataset.source.file.is_workbook:
        return f"only one list of the file was read; if {others} is meant, put all records into one list; else "
    return f"only one sheet was read; name the right one (--sheet, in the app F4), if it is {others}; else "
