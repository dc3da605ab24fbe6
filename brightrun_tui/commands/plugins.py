"""``brightrun plugins``: what extends Bright Run, and from where."""

from __future__ import annotations

import typer

from brightrun_tui.commands.shared.output import JsonOption, print_json, print_table, say_problem
from brightrun_tui.domain.error_kinds import ExitCode
from brightrun_tui.inventory import inventory


def plugins(as_json: JsonOption = False) -> None:
    """List providers, dataset formats, export kinds, notification channels, training objectives and curves, with the
    packages that bring them. Exit code 1 when one cannot be used.
    """
    found = inventory()
    problems = list(dict.fromkeys(item.problem for item in found if item.problem))
    if as_json:
        print_json(
            {
                "plugins": [
                    {
                        "group": str(item.registration.door),
                        "kind": item.registration.door.thing,
                        "name": item.registration.name,
                        "package": item.registration.package,
                        "version": item.registration.version,
                        "target": item.registration.target,
                        "problem": item.problem.as_dict() if item.problem else None,
                    }
                    for item in found
                ]
            }
        )
    else:
        print_table(
            ("", "kind", "name", "package", "from"),
            [
                (
                    "✗" if item.problem else "✓",
                    item.registration.door.thing,
                    item.registration.name,
                    item.registration.origin,
                    item.registration.target,
                )
                for item in found
            ],
        )
        for problem in problems:
            say_problem(problem)
    if problems:
        raise typer.Exit(ExitCode.FAILED)
