"""``brightrun models``: the registry."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from brightrun_tui.commands.output import JsonOption, ago, page, print_json, print_table, talk
from brightrun_tui.commands.session import Session, require_changes, with_store
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.store import models as store

ModelArgument = Annotated[str, typer.Argument(metavar="NAME[:VERSION]", help="A model; without a version its newest.")]
CHAMPION = "champion"

app = typer.Typer(help="Models: list, report cards, compare, rate, tag, rollback, export, delete.", add_completion=False)


@app.callback(invoke_without_command=True)
def list_models(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Model versions, newest first. With a verb: what that verb says."""
    if ctx.invoked_subcommand is not None:
        return
    found = with_store(lambda session: store.list_models(session.db))
    if as_json:
        print_json({"models": [_short(model) for model in found]})
    elif found:
        now = time.time()
        print_table(("model", "verdict", "loss", "base loss", "base", "rating", "aliases", "made"),
                    [(model.ref, model.report.verdict.grade, f"{model.report.tuned.loss:.3f}", f"{model.report.base.loss:.3f}",
                      model.base_id, "★" * (model.rating or 0), " ".join(model.aliases), ago(model.created_at, now))
                     for model in found])
    else:
        talk().print("No models yet. Make one: [bold]brightrun train DATA[/]")


@app.command()
def show(model: ModelArgument, as_json: JsonOption = False) -> None:
    """The report card: losses, answers before and after, training facts, where it comes from."""
    found = with_store(lambda session: store.find(session.db, model))
    if as_json:
        print_json({"model": found})
        return
    from brightrun_tui.commands.report_card import print_report_card

    print_report_card(page(), found)


@app.command()
def compare(models: Annotated[list[str], typer.Argument(metavar="NAME[:VERSION]…", help="Two or more.")],
            as_json: JsonOption = False) -> None:
    """Versions side by side: losses, verdicts, and the settings that differ."""
    async def find(session: Session) -> list[ModelVersion]:
        return [await store.find(session.db, ref) for ref in models]

    found = with_store(find)
    if as_json:
        print_json({"models": found})
        return
    from brightrun_tui.commands.report_card import print_comparison

    print_comparison(page(), found)


@app.command()
def rate(model: ModelArgument, stars: Annotated[int, typer.Argument(min=1, max=5, help="1 to 5.")],
         note: Annotated[str | None, typer.Option("--note", help="Why, in your words.")] = None,
         as_json: JsonOption = False) -> None:
    """Give a version 1 to 5 stars."""
    changes = {"rating": stars} if note is None else {"rating": stars, "note": note}
    _annotate(model, as_json, **changes)


@app.command()
def tag(model: ModelArgument, tags: Annotated[list[str], typer.Argument(help="Words to add; -word takes one away.")],
        as_json: JsonOption = False) -> None:
    """Add or take away tags. Tags that begin with “-” come after “--”."""
    async def change(session: Session) -> ModelVersion:
        found = await store.find(session.db, model)
        away = {word[1:] for word in tags if word.startswith("-")}
        kept = dict.fromkeys([*found.tags, *(word for word in tags if not word.startswith("-"))])
        return await store.annotate(session.db, found, tags=tuple(word for word in kept if word not in away))

    _changed(change, as_json)


@app.command()
def rollback(model: Annotated[str, typer.Argument(metavar="NAME[:VERSION]", help="Without a version: to the previous one.")],
             as_json: JsonOption = False) -> None:
    """Make an earlier version the champion again."""
    async def change(session: Session) -> ModelVersion:
        found = await store.find(session.db, model if ":" in model else f"{model}:previous")
        await store.move_alias(session.db, found.name, CHAMPION, found.version)
        return await store.find(session.db, found.ref)

    _changed(change, as_json)


def _annotate(ref: str, as_json: bool, **changes: object) -> None:
    async def change(session: Session) -> ModelVersion:
        return await store.annotate(session.db, await store.find(session.db, ref), **changes)

    _changed(change, as_json)


def _changed(change: object, as_json: bool) -> None:
    require_changes()
    assert callable(change)
    model = with_store(change)
    if as_json:
        print_json({"model": _short(model)})
    else:
        facts = ["★" * (model.rating or 0), *model.aliases, *(f"#{tag}" for tag in model.tags)]
        talk().print(f"[green]✓[/] {model.ref}  {' '.join(fact for fact in facts if fact)}".rstrip())


def _short(model: ModelVersion) -> dict[str, object]:
    report = model.report
    return {"ref": model.ref, **model.model_dump(mode="json", exclude={"report"}),
            "verdict": report.verdict.model_dump(mode="json"), "loss": report.tuned.loss, "base_loss": report.base.loss}
