"""``brightrun bases``: base models that can be trained, and getting one beforehand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from brightrun_tui.commands.shared.output import JsonOption, print_json, print_table, put, say, talk
from brightrun_tui.commands.shared.session import require_changes
from brightrun_tui.domain.humanize import parameters
from brightrun_tui.domain.run import BaseModelRef
from brightrun_tui.paths import get_paths
from brightrun_tui.planning import bases
from brightrun_tui.planning.unpacked import read_origin

app = typer.Typer(add_completion=False)


@app.callback(invoke_without_command=True)
def list_bases(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the catalogue, and GGUF files unpacked here. Any directory, GGUF file or Hugging Face id works as a base,
    too.
    """
    if ctx.invoked_subcommand is not None:
        return
    found = bases.list_bases(get_paths())
    if as_json:
        print_json({"bases": found})
    else:
        print_table(
            ("id", "parameters", "here", "weights from", "what it is"),
            [
                (base.id, parameters(base.parameters), "✓" if base.present else "", base.quantisation, base.description)
                for base in found
            ],
        )


@app.command()
def fetch(
    base: Annotated[str, typer.Argument(metavar="MODEL", help="“starter”, a GGUF file, or a Hugging Face id.")],
    as_json: JsonOption = False,
) -> None:
    """Download or unpack a base model now, instead of when the first run needs it."""
    require_changes()
    ref = _fetch(base)
    if origin := read_origin(Path(ref.path)):
        note = f", weights dequantised from {origin.quantisation}" if origin.quantisation else ", original weights"
        say(f"  from {origin.source}{note}")
    if as_json:
        print_json({"base": ref})
    else:
        put(ref.path)


def _fetch(base: str) -> BaseModelRef:
    """Fetch it, with a bar on a terminal and a line for every tenth elsewhere."""
    if not sys.stderr.isatty():
        said: set[int] = set()

        def tell(what: str, fraction: float) -> None:
            if int(fraction * 10) not in said:
                said.add(int(fraction * 10))
                say(f"  {fraction:4.0%}  {what}")

        return bases.fetch_base(base, get_paths(), tell)
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(bar_width=32),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=talk(), transient=True) as progress:
        task = progress.add_task(base, total=1.0)
        return bases.fetch_base(
            base, get_paths(), lambda what, done: progress.update(task, description=what, completed=done)
        )
