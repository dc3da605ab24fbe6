"""``brightrun datasets``: check a file before anything starts; keep datasets by name."""

from __future__ import annotations

from typing import Annotated

import typer

from brightrun_tui.commands.shared.checking import check_aloud, examine_aloud, told_aloud
from brightrun_tui.commands.shared.dataset_pages import about_outcome, outcome_lines, print_report, token_lines
from brightrun_tui.commands.shared.options import (
    ColumnOption,
    EncodingOption,
    SheetOption,
    bounded,
    parse_reading,
    parse_relabel,
)
from brightrun_tui.commands.shared.output import JsonOption, page, print_json, print_table, say
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.datasets import Examined
from brightrun_tui.datasets.concerned import EntryReader
from brightrun_tui.datasets.repairing import DUPLICATE, Repairs
from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.domain.token_lengths import TokenLengths
from brightrun_tui.paths import get_paths, typed_path
from brightrun_tui.planning.dataset_repair import repaired
from brightrun_tui.planning.hub_dataset_names import SYNTAX, is_hub_dataset
from brightrun_tui.planning.token_lengths import token_lengths
from brightrun_tui.planning.token_views import TokenViews
from brightrun_tui.store import datasets as store

FileArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help=f"JSONL, JSON, CSV, TSV, Excel or Parquet, also packed; a folder with files of one kind; or {SYNTAX}.",
    ),
]
MaxLengthOption = Annotated[
    int, typer.Option("--max-length", min=0, callback=bounded, help="With --base: tokens that a record may have.")
]

app = typer.Typer(add_completion=False)


@app.callback(invoke_without_command=True)
def default(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List datasets that were added. With a verb: what that verb says."""
    if ctx.invoked_subcommand is None:
        list_added(as_json)


@app.command()
def check(
    file: FileArgument,
    columns: ColumnOption = None,
    encoding: EncodingOption = "",
    sheet: SheetOption = "",
    show: Annotated[
        str, typer.Option("--show", metavar="KIND", help="The records that a finding is about, by the word behind it.")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", min=0, callback=bounded, help="With --show: so many. 0: all.")] = 20,
    base: Annotated[
        str, typer.Option("--base", metavar="MODEL", help="Lengths in this model's tokens, against its context.")
    ] = "",
    max_length: MaxLengthOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Check whether a file can be trained on: how many records are usable, and why the rest are not."""
    _require_base(base, max_length)
    found = examine_aloud(file, parse_reading(columns, encoding, sheet), get_paths())
    if show:
        _show_concerned(found, show, limit, as_json)
    else:
        print_report(found.report, as_json, _lengths(found, base, max_length) if base else None)


def _lengths(found: Examined, base: str, max_length: int) -> TokenLengths:
    settings = RunSettings().with_overrides({"data.max_length": max_length})
    views = TokenViews(base, get_paths())
    try:
        with told_aloud() as tell:
            return token_lengths(found, views, base, settings, tell)
    finally:
        views.close()


def _require_base(base: str, max_length: int) -> None:
    if max_length and not base:
        raise UsageError(
            "a record's length is counted in a model's tokens",
            where="--max-length",
            fix="name the model: --base MODEL",
            kind=ErrorKind.BAD_OPTION,
        )


def _show_concerned(found: Examined, kind: str, limit: int, as_json: bool) -> None:
    entries = found.entries.get(kind, ())
    if not entries:
        known = [problem.kind for problem in found.report.problems if found.entries.get(problem.kind)]
        raise UsageError(
            f"no records were found of the kind “{kind}”",
            where="--show",
            fix=f"one of: {', '.join(known)}" if known else "nothing was found that is about single records",
            kind=ErrorKind.BAD_OPTION,
        )
    reader = EntryReader(found.report.path, found.report.columns)
    like = found.like.get(kind, ())
    shown = list(entries)[: limit or None]
    same = [reader.at(like[index]).place if index < len(like) else "" for index in range(len(shown))] if like else []
    found_there = [(number, reader.at(number), same[index] if same else "") for index, number in enumerate(shown)]
    if as_json:
        print_json({"kind": kind, "count": len(entries), "records": [about_outcome(*one) for one in found_there]})
        return
    for one in found_there:
        page().print(*outcome_lines(*one), "", sep="\n")
    if len(entries) > len(shown):
        say(f"and {len(entries) - len(shown):,} more: --limit 0 shows all")


@app.command()
def add(
    file: FileArgument,
    columns: ColumnOption = None,
    encoding: EncodingOption = "",
    sheet: SheetOption = "",
    name: Annotated[str, typer.Option("--name", help="Default: the file's name.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Check a file and keep it under a name, which “train” takes in place of a path."""
    require_changes()
    where = file if is_hub_dataset(file) else str(typed_path(file).absolute())
    report = check_aloud(where, parse_reading(columns, encoding, sheet), get_paths())
    report = report.model_copy(update={"name": name or report.name})
    with_store(lambda session: store.add(session.db, report))
    if not as_json:
        say(("✓", "green"), " added as ", (report.name, "bold"))
    print_report(report, as_json)


@app.command()
def repair(
    file: FileArgument,
    drop_duplicates: Annotated[
        bool, typer.Option("--drop-duplicates", help="Take out copies of earlier records.")
    ] = False,
    drop: Annotated[
        list[str] | None,
        typer.Option(
            "--drop", metavar="KIND", help="Take out the records of a finding, as “check” names it. Repeatable."
        ),
    ] = None,
    records: Annotated[
        list[int] | None, typer.Option("--drop-record", metavar="N", min=1, help="Take out one record. Repeatable.")
    ] = None,
    trim: Annotated[bool, typer.Option("--trim", help="White space off both ends of every turn.")] = False,
    relabel: Annotated[
        list[str] | None,
        typer.Option(
            "--relabel", metavar="OLD=NEW", help="Another name for a category; \\= is an “=” in it. Repeatable."
        ),
    ] = None,
    into: Annotated[
        str, typer.Option("--into", metavar="FILE", help="Default: a new version by name, kept among the datasets.")
    ] = "",
    columns: ColumnOption = None,
    encoding: EncodingOption = "",
    sheet: SheetOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write a new version without what is wrong; the original stays as it is."""
    require_changes()
    paths = get_paths()
    found = examine_aloud(file, parse_reading(columns, encoding, sheet), paths)
    repairs = Repairs(
        drop=frozenset([*(drop or []), *([DUPLICATE] if drop_duplicates and found.entries.get(DUPLICATE) else [])]),
        entries=frozenset(_entry_number(found, number) for number in records or []),
        trim=trim,
        relabel=parse_relabel(relabel or []),
    )
    added = store.place_of(paths.database, file) is not None
    with told_aloud() as tell:
        report = repaired(
            found,
            repairs,
            paths,
            name=file if added else "",
            into=typed_path(into).absolute() if into else None,
            progress=tell,
        )
    if not into:
        with_store(lambda session: store.add(session.db, report))
    if not as_json:
        say(("✓", "green"), " ", (report.path if into else report.name, "bold"), " made; the original stays as it is")
    print_report(report, as_json)


def _entry_number(found: Examined, number: int) -> int:
    if number > found.report.records:
        raise UsageError(
            f"there is no record {number:,}; there are {found.report.records:,}",
            where=found.report.path,
            fix="count from 1, unusable records included, as “check --show” does",
            kind=ErrorKind.BAD_OPTION,
        )
    return number - 1


@app.command(name="list")
def list_added(as_json: JsonOption = False) -> None:
    """List datasets that were added, newest first."""

    async def read(session: Session) -> tuple[list[DatasetReport], list[tuple[str, str]]]:
        return await store.list_datasets(session.db), await store.list_damaged(session.db)

    found, damaged = with_store(read)
    for name, path in damaged:
        say(f"! {name}: its record is damaged; mend it: brightrun datasets add {path} --name {name}")
    if as_json:
        print_json({"datasets": [report.as_json() for report in found], "damaged": [name for name, _ in damaged]})
    elif found:
        print_table(
            ("name", "usable", "records", "format", "path"),
            [(report.name, str(report.usable), str(report.records), report.format, report.path) for report in found],
        )
    else:
        say("No datasets yet. Add one: ", ("brightrun datasets add FILE", "bold"))


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The name it was added under; with --record also a file.")
    ],
    record: Annotated[
        int, typer.Option("--record", metavar="N", min=0, callback=bounded, help="Show this record, counted from 1.")
    ] = 0,
    base: Annotated[
        str, typer.Option("--base", metavar="MODEL", help="With --record: as this model's tokens, learnt ones marked.")
    ] = "",
    max_length: MaxLengthOption = 0,
    columns: ColumnOption = None,
    encoding: EncodingOption = "",
    sheet: SheetOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show what was found when a dataset was added; or one record, as text or as a model's tokens."""
    if (base or max_length) and not record:
        raise UsageError(
            "tokens are shown of one record only",
            where="--base" if base else "--max-length",
            fix="name it, as --record 1",
            kind=ErrorKind.BAD_OPTION,
        )
    _require_base(base, max_length)
    if record:
        _show_record(name, parse_reading(columns, encoding, sheet), record, base, max_length, as_json)
        return

    async def find(session: Session) -> DatasetReport:
        return await store.get(session.db, name)

    print_report(with_store(find), as_json)


def _show_record(word: str, reading: dict[str, str], record: int, base: str, max_length: int, as_json: bool) -> None:
    paths = get_paths()
    found = examine_aloud(word, reading, paths)
    number = _entry_number(found, record)
    outcome = EntryReader(found.report.path, found.report.columns).at(number)
    if not base or outcome.record is None:
        if as_json:
            print_json(about_outcome(number, outcome))
        else:
            page().print(*outcome_lines(number, outcome), sep="\n")
        return
    views = TokenViews(base, paths)
    try:
        view = views.of(outcome.record)
    finally:
        views.close()
    limit = min((each for each in (max_length, view.context) if each), default=0)
    if as_json:
        print_json({**about_outcome(number, outcome), "base": base, "limit": limit, "tokens": view})
    else:
        page().print(f"record {record:,} · {outcome.place} · as {base} sees it", *token_lines(view, limit), sep="\n")
