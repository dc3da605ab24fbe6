"""``brightrun doctor``: what works on this machine, what does not, and the fix."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer

from brightrun_tui.commands.shared.checks import DoctorCheck, check_all
from brightrun_tui.commands.shared.output import JsonOption, page, print_json
from brightrun_tui.domain.error_kinds import ExitCode
from brightrun_tui.paths import get_paths

GLYPHS = {"ok": ("✓", "green"), "failed": ("✗", "red"), "off": ("–", "dim"), "warning": ("!", "yellow")}
"""The mark and its style."""


def doctor(
    as_json: JsonOption = False,
    gpu: Annotated[bool, typer.Option("--gpu", help="Let the GPU compute, too: is it right, fast and free?")] = False,
) -> None:
    """Check what works on this machine, what does not, and how to fix it. Exit code 1 when something essential is
    broken.
    """
    checks = asyncio.run(check_all(get_paths(), gpu=gpu))
    broken = [check for check in checks if check.state == "failed"]
    if as_json:
        print_json({"ok": not broken, "checks": [asdict(check) for check in checks]})
    else:
        _print(checks, broken)
    if broken:
        raise typer.Exit(ExitCode.FAILED)


def _print(checks: list[DoctorCheck], broken: list[DoctorCheck]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for check in checks:
        fix = Text.assemble(("\nfix:", "dim"), f" {check.fix}") if check.fix else ""
        table.add_row(Text(*GLYPHS[check.state]), check.name, Text.assemble(check.what, fix))
    out = page()
    out.print(table)
    missing = [check.name for check in checks if check.state == "off"]
    if broken:
        out.print(Text.assemble((f"\n{len(broken)} broken:", "red"), f" {', '.join(check.name for check in broken)}"))
    elif missing:
        out.print(Text.assemble(("\nWorks.", "green"), f" Not set up yet: {', '.join(missing)}"))
    else:
        out.print(Text("\nEverything works.", "green"))
