"""What the command line prints: data on stdout, talk on stderr.

Everything goes through one of these functions: none of them takes markup, and none lets text steer the terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.text import one_line, plain_json, sanitize

if TYPE_CHECKING:
    from rich.console import Console

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
AGREE = "add --yes to agree beforehand"
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Agree beforehand; ask nothing.")]


def talk() -> Console:
    """Return the console for people: stderr."""
    from brightrun_tui.commands.shared.console import PlainConsole

    return PlainConsole(stderr=True, soft_wrap=not sys.stderr.isatty())


def page() -> Console:
    """Return the console for data that people read: stdout, 100 columns where it is not a terminal."""
    from brightrun_tui.commands.shared.console import PlainConsole

    return PlainConsole(width=None if sys.stdout.isatty() else 100)


def say(*parts: str | tuple[str, str]) -> None:
    """Say one line to people on stderr; a part may come with a style: ``say("Watch it: ", ("brightrun runs", "bold"))``."""
    from rich.text import Text

    talk().print(Text.assemble(*parts))


def say_done(text: str) -> None:
    """Say that something was done."""
    say(("✓", "green"), f" {text}")


def say_problem(error: BrightrunError) -> None:
    """Say that something is wrong that does not end the verb."""
    say(("✗", "red"), f" {error.what}", f" — {error.fix}" if error.fix else "")


def say_over(text: str, *, last: bool) -> None:
    """Count up in place, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r{one_line(text)}", end="\n" if last else "", file=sys.stderr, flush=True)


def put(text: str) -> None:
    """Write lines of data to stdout."""
    print(sanitize(text, kept="\n\t"), flush=True)


def print_json(document: Any) -> None:
    """Print one JSON document, on one line when piped, indented for a terminal."""
    indent = 2 if sys.stdout.isatty() else None
    plain = not sys.stdout.encoding.lower().startswith("utf")  # no letters but those of ASCII are sure to be there
    print(plain_json(json.dumps(document, ensure_ascii=plain, default=_plain, indent=indent)), flush=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], spare: Sequence[str] = ()) -> None:
    """Print a table on a terminal, without some of the ``spare`` columns where it is narrow; elsewhere tab-separated values with
    a header line. Nothing is cut short."""
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            print("\t".join(map(one_line, row)))
        return
    from brightrun_tui.commands.shared.tables import fitting_table

    out = page()
    out.print(fitting_table(columns, [[one_line(cell) for cell in row] for row in rows], out.width, spare))


def confirm(yes: bool, question: str) -> None:
    """Ask on a terminal before something is lost; a script that calls the verb has decided already.

    Raises:
        typer.Abort: the person said no.
    """
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        typer.confirm(one_line(question), abort=True, err=True)


def require_somebody(what: str, *, where: str = "") -> None:
    """Raise ``UsageError`` where nobody sits at a terminal who could be asked; ``what`` begins the sentence."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{what}, and there is nobody to ask", where=where, fix=AGREE, kind=ErrorKind.NOT_CONFIRMED)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return str(value)
