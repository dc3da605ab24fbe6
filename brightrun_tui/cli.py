"""The command line. Opens the app when no verb is given; a verb's module is imported only when it is used.

stdout is data, stderr is talk, exit codes are API (`domain.errors.ExitCode`). Every error ends here: what a person can
mend becomes one message, what nobody foresaw one line and the path of a file that holds the traceback.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from brightrun_tui import __version__
from brightrun_tui.domain.error_kinds import ErrorKind, ExitCode
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.importing import without_garbage_collection
from brightrun_tui.logs import guard_process, log_to
from brightrun_tui.paths import close_home, get_paths
from brightrun_tui.process import begin_privately

START, WATCH, KEEP, CONNECT, CARE = "Start", "Watch", "Keep and use", "Connect", "Look after"

COMMANDS: dict[str, tuple[str, str, str]] = {
    "train": ("train:train", START, "Fine-tune a base model on DATA, and wait until the model is in the registry."),
    "estimate": ("train:estimate", START, "Memory, time and cost of a run, before anything is paid."),
    "datasets": ("datasets:app", START, "Check a dataset file; keep datasets by name."),
    "bases": ("bases:app", START, "Base models: what can be trained; fetch one beforehand."),
    "offers": ("integrations:offers", START, "Machines a run could take, with their price."),
    "runs": ("runs:app", WATCH, "Runs: list, show, logs, metrics, stop, pause, resume, retry, delete."),
    "models": (
        "models:app",
        KEEP,
        "Models: list, report cards, compare, evaluate, leaderboards, judge, rate, export, import, push, pull.",
    ),
    "chat": ("chat:chat", KEEP, "Talk with a model."),
    "deploy": ("serve:deploy", KEEP, "Serve a model at an OpenAI-compatible endpoint."),
    "endpoints": ("serve:app", KEEP, "Endpoints that serve, and where; their keys."),
    "undeploy": ("serve:undeploy", KEEP, "Stop serving."),
    "integrations": ("integrations:integrations", CONNECT, "Services, and whether they work right now."),
    "connect": ("integrations:connect", CONNECT, "Save a credential for a service, and test it."),
    "disconnect": ("integrations:disconnect", CONNECT, "Forget the credential of a service."),
    "notify": ("notify:app", CONNECT, "Channels that tell you what happens: add, test, history."),
    "engine": ("engine:app", CARE, "The background process: status, start, stop, logs."),
    "reconcile": ("reconcile:reconcile", CARE, "Every lease that carries our name, and what it costs."),
    "costs": ("costs:costs", CARE, "What rented machines cost: quoted, counted, billed."),
    "doctor": ("doctor:doctor", CARE, "What works on this machine, what does not, and the fix."),
    "plugins": ("plugins:plugins", CARE, "What extends Bright Run, and which packages bring it."),
    "locate": ("locate:locate", CARE, "Where config, data, themes, presets and logs lie."),
}
"""Verb → (module of `commands` and attribute, panel of the help, help line), in the order the help shows them."""


class LazyGroup(TyperGroup):
    """Shows every verb of `COMMANDS`, and imports the module of the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, (_, panel, line) in COMMANDS.items():
            self.add_command(TyperCommand(name, help=line, rich_help_panel=panel))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, _, rest = super().resolve_command(ctx, args)
        return name, _load(name) if name else None, rest


def _load(name: str) -> Any:
    import importlib

    module, attribute = COMMANDS[name][0].split(":")
    found = getattr(importlib.import_module(f"brightrun_tui.commands.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        verb, found = found, typer.Typer(add_completion=False)
        found.command(name, help=verb.__doc__)(verb)
    command = typer.main.get_command(found)
    command.name = name
    return command


app = typer.Typer(cls=LazyGroup, rich_markup_mode="rich", context_settings={"help_option_names": ["-h", "--help"]})


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Look only: nothing can be started or changed.")
    ] = False,
    plain_glyphs: Annotated[bool, typer.Option("--ascii", help="Draw the app with ASCII characters only.")] = False,
    run_name: Annotated[str, typer.Option("--run", help="Open the app on this run: its name, or its id.")] = "",
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """From a dataset to a model that answers at an endpoint. Without a verb: opens the app."""
    if version:
        print(f"brightrun {__version__}")
        raise typer.Exit()
    close_home(get_paths())
    if not read_only:
        from brightrun_tui.config_file import adopt_former_files

        adopt_former_files(get_paths())
    if ctx.invoked_subcommand is None:
        _open_app(read_only=read_only, plain_glyphs=plain_glyphs, run_name=run_name)
    elif read_only:
        from brightrun_tui.commands.shared import session

        session.forbid_changes()


def _open_app(*, read_only: bool, plain_glyphs: bool, run_name: str) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "the app needs a terminal, and this is none",
            kind=ErrorKind.NO_TERMINAL,
            fix="run it in a terminal, or use a verb: brightrun --help",
        )
    with without_garbage_collection():
        from brightrun_tui.tui.app import run_app
    raise typer.Exit(run_app(read_only=read_only, plain_glyphs=plain_glyphs, run_name=run_name))


def _keep_log(arguments: list[str]) -> None:
    import logging

    log_to(get_paths().logs / "brightrun.log")
    logging.getLogger("brightrun").info("brightrun %s", " ".join(arguments))


def run(arguments: list[str]) -> int:
    """Do what the arguments say; returns the exit code. Nothing is raised to the caller."""
    as_json = "--json" in arguments
    try:
        if os.environ.get("BRIGHTRUN_LOG"):
            _keep_log(arguments)
        outcome = typer.main.get_command(app).main(args=arguments, prog_name="brightrun", standalone_mode=False)
        return outcome if isinstance(outcome, int) else ExitCode.DONE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else ExitCode.FAILED
    except Exception as error:
        from brightrun_tui.commands.shared.failures import explain, report

        return report(explain(error, arguments), as_json=as_json)


def main() -> None:
    """Entry point of ``brightrun``."""
    begin_privately()
    guard_process(watched=True)
    sys.exit(run(sys.argv[1:]))
