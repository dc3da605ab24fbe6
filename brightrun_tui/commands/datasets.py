"""``brightrun datasets``: check a file before anything starts; keep datasets by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from brightrun_tui.commands.shared.checking import check_aloud
from brightrun_tui.commands.shared.options import ColumnOption, parse_columns
from brightrun_tui.commands.shared.output import JsonOption, page, print_json, print_table, say
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.domain.dataset import DatasetReport, Problem, Record
from brightrun_tui.domain.humanize import size
from brightrun_tui.paths import get_paths, typed_path
from brightrun_tui.planning.hub_dataset_names import SYNTAX, is_hub_dataset
from brightrun_tui.store import datasets as store

if TYPE_CHECKING:
    from rich.console import RenderableType

FileArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help=f"JSONL, JSON, CSV, TSV, Excel or Parquet, also packed; a folder with files of one kind; or {SYNTAX}.",
    ),
]

app = typer.Typer(help="Check a dataset file; keep datasets by name.", add_completion=False)


@app.callback(invoke_without_command=True)
def default(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Datasets that were added. With a verb: what that verb says."""
    if ctx.invoked_subcommand is None:
        list_added(as_json)


@app.command()
def check(file: FileArgument, columns: ColumnOption = None, as_json: JsonOption = False) -> None:
    """Whether a file can be trained on: how many records are usable, and why the rest are not."""
    _print(check_aloud(file, parse_columns(columns or []), get_paths()), as_json)


@app.command()
def add(
    file: FileArgument,
    columns: ColumnOption = None,
    name: Annotated[str, typer.Option("--name", help="Default: the file's name.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Check a file and keep it under a name, which “train” takes in place of a path."""
    require_changes()
    where = file if is_hub_dataset(file) else str(typed_path(file).absolute())
    report = check_aloud(where, parse_columns(columns or []), get_paths())
    report = report.model_copy(update={"name": name or report.name})
    with_store(lambda session: store.add(session.db, report))
    if not as_json:
        say(("✓", "green"), " added as ", (report.name, "bold"))
    _print(report, as_json)


@app.command(name="list")
def list_added(as_json: JsonOption = False) -> None:
    """Datasets that were added, newest first."""

    async def read(session: Session) -> tuple[list[DatasetReport], list[tuple[str, str]]]:
        return await store.list_datasets(session.db), await store.list_damaged(session.db)

    found, damaged = with_store(read)
    for name, path in damaged:
        say(f"! {name}: its record is damaged; mend it: brightrun datasets add {path} --name {name}")
    if as_json:
        print_json(
            {
                "datasets": [report.model_dump(mode="json", exclude={"preview"}) for report in found],
                "damaged": [name for name, _ in damaged],
            }
        )
    elif found:
        print_table(
            ("name", "usable", "records", "format", "path"),
            [(report.name, str(report.usable), str(report.records), report.format, report.path) for report in found],
        )
    else:
        say("No datasets yet. Add one: ", ("brightrun datasets add FILE", "bold"))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The name it was added under.")], as_json: JsonOption = False
) -> None:
    """What was found when a dataset was added."""

    async def find(session: Session) -> DatasetReport:
        return await store.get(session.db, name)

    _print(with_store(find), as_json)


def _print(report: DatasetReport, as_json: bool) -> None:
    if as_json:
        print_json({"dataset": report, "statement": report.statement})
        return
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    for name, value in (
        ("file", f"{report.path}  {size(report.bytes)}"),
        ("format", report.format),
        ("records", report.statement),
        ("turns", f"{report.turns:,}"),
        ("length", f"{report.characters.p50:,} characters at the middle, {report.characters.longest:,} at most"),
        ("answers", f"{report.answer_characters.p50:,} characters at the middle"),
        ("content", report.fingerprint[:16]),
        *([("source", report.source)] if report.source else []),
    ):
        table.add_row(name, Text(value))
    parts: list[RenderableType] = [table]
    parts += [_problem(problem) for problem in report.problems]
    for name, values in report.categories.items():
        counts = ", ".join(f"{value} {count}" for value, count in list(values.items())[:6])
        parts.append(Text(f"{name}: {counts}{' …' if len(values) > 6 else ''}", style="dim"))
    if report.preview:
        parts += [Text("\nThe first record"), _conversation(report.preview[0])]
    page().print(Group(*parts))


def _problem(problem: Problem) -> RenderableType:
    from rich.text import Text

    places = f" ({', '.join(problem.places[:3])})" if problem.places else ""
    mark, style = ("·", "") if problem.remark else ("!", "yellow")
    fix = f"\n  {problem.fix}" if problem.fix else ""
    return Text.assemble((f"{mark} {problem.count:,} {problem.what}{places}", style), (fix, "dim"))


def _conversation(record: Record) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for message in record.messages:
        learned = message.role == "assistant" and message.train
        table.add_row(Text(message.role, style="bold cyan" if learned else "dim"), Text(_short(message.said)))
    return table


def _short(text: str, limit: int = 200) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
