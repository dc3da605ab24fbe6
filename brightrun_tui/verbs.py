"""Every verb of the command line, and what stands before a verb; a verb's module is imported only when it is used."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from brightrun_tui import __version__
from brightrun_tui.importing import without_garbage_collection
from brightrun_tui.opening import open_app, see_to_home

START, WATCH, KEEP, CONNECT, CARE = "Start", "Watch", "Keep and use", "Connect", "Look after"

COMMANDS: dict[str, tuple[str, str, str]] = {
    "train": ("train:train", START, "Fine-tune a base model on DATA, and wait until the model is in the registry."),
    "estimate": ("train:estimate", START, "Estimate memory, time and cost of a run before anything is paid."),
    "datasets": ("datasets:app", START, "Check a dataset file; keep datasets by name."),
    "bases": ("bases:app", START, "List base models that can be trained; fetch one beforehand."),
    "offers": ("integrations:offers", START, "List machines a run could take, with their price."),
    "runs": (
        "runs:app",
        WATCH,
        "Work with runs: list, show, logs, metrics, stop, pause, resume, change, retry, move, delete.",
    ),
    "models": (
        "models:app",
        KEEP,
        "Work with models: list, report cards, compare, evaluate, leaderboards, judge, rate, export, import, push, pull.",
    ),
    "chat": ("chat:chat", KEEP, "Talk with a model."),
    "deploy": ("deploy:deploy", KEEP, "Serve a model at an OpenAI-compatible endpoint."),
    "endpoints": ("serve:app", KEEP, "List endpoints, and where they answer; manage their keys."),
    "undeploy": ("serve:undeploy", KEEP, "Stop serving."),
    "integrations": ("integrations:integrations", CONNECT, "List services, and whether they work right now."),
    "connect": ("integrations:connect", CONNECT, "Save a credential for a service, and test it."),
    "disconnect": ("integrations:disconnect", CONNECT, "Forget the credential of a service."),
    "notify": ("notify:app", CONNECT, "Set up channels that tell you what happens: add, test, history."),
    "engine": ("engine:app", CARE, "Control the background process: status, start, stop, logs."),
    "reconcile": ("reconcile:reconcile", CARE, "List every lease that carries our name, and what it costs."),
    "costs": ("costs:costs", CARE, "Show what rented machines cost: quoted, counted, billed."),
    "doctor": ("doctor:doctor", CARE, "Check what works on this machine, what does not, and how to fix it."),
    "plugins": ("plugins:plugins", CARE, "List what extends Bright Run, and which packages bring it."),
    "locate": ("locate:locate", CARE, "Print where config, data, themes, presets and logs are."),
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
        return name, load(name) if name else None, rest


def load(name: str) -> Any:
    """Return the command of a verb."""
    import importlib

    module, attribute = COMMANDS[name][0].split(":")
    with without_garbage_collection():
        found = getattr(importlib.import_module(f"brightrun_tui.commands.{module}"), attribute)
    if isinstance(found, typer.Typer):
        found.info.help = COMMANDS[name][2]
    else:
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
    """Turn a dataset into a model that answers at an endpoint. Without a verb: opens the app."""
    if version:
        print(f"brightrun {__version__}")
        raise typer.Exit
    see_to_home(read_only=read_only)
    if ctx.invoked_subcommand is None:
        raise typer.Exit(open_app(read_only=read_only, plain_glyphs=plain_glyphs, run_name=run_name))
    if read_only:
        from brightrun_tui.commands.shared import session

        session.forbid_changes()


def call(arguments: list[str]) -> Any:
    """Do what the arguments say; returns the exit code, or None where all went well. Raises what goes wrong."""
    return typer.main.get_command(app).main(args=arguments, prog_name="brightrun", standalone_mode=False)
