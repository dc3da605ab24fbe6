"""Listing versions, their report cards, and versions beside one another."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from brightrun_tui import registry
from brightrun_tui.commands.models.changing import in_short
from brightrun_tui.commands.shared.options import ModelArgument
from brightrun_tui.commands.shared.output import JsonOption, page, print_json, print_table, put, say
from brightrun_tui.commands.shared.session import Session, with_store
from brightrun_tui.domain.advice import name_data
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.evaluation import Evaluation
from brightrun_tui.domain.humanize import ago
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.paths import get_paths
from brightrun_tui.store import evaluations, runs
from brightrun_tui.store import models as store


def list_models(
    ctx: typer.Context,
    archived: Annotated[bool, typer.Option("--archived", help="Those too that were archived.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Model versions, newest first. With a verb: what that verb says."""
    if ctx.invoked_subcommand is not None:
        return

    async def look(session: Session) -> tuple[list[ModelVersion], list[str]]:
        found = await store.list_models(session.db)
        return [each for each in found if archived or not each.archived], await store.unreadable(session.db)

    found, unreadable = with_store(look)
    for ref in unreadable:
        say(f"what is stored of {ref} cannot be read; remove it: ", (f"brightrun models delete {ref}", "bold"))
    if as_json:
        print_json({"models": [in_short(model) for model in found], "unreadable": unreadable})
    elif found:
        now = time.time()
        print_table(
            ("model", "verdict", "loss", "base loss", "base", "rating", "aliases", "made"),
            [
                (
                    model.ref,
                    model.report.verdict.grade,
                    f"{model.report.tuned.loss:.3f}",
                    f"{model.report.base.loss:.3f}",
                    model.base_id,
                    "★" * (model.rating or 0),
                    " ".join(model.aliases),
                    ago(model.created_at, now),
                )
                for model in found
            ],
        )
    else:
        say("No models yet. Make one: ", ("brightrun train DATA", "bold"))


def show(
    model: ModelArgument,
    markdown: Annotated[bool, typer.Option("--markdown", help="As Markdown, to paste somewhere.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The report card: losses, answers before and after, training facts, where it comes from."""

    async def look(session: Session) -> tuple[ModelVersion, list[Evaluation]]:
        version = await store.find(session.db, model)
        return await named(session, version), await evaluations.of_version(session.db, version.name, version.version)

    async def named(session: Session, version: ModelVersion) -> ModelVersion:
        with suppress(BrightrunError):  # it may come from elsewhere, or its run be gone
            run = await runs.get(session.db, version.run_id)
            return version.model_copy(update={"report": name_data(version.report, run.spec.dataset.path)})
        return version

    found, measured = with_store(look)
    origin = registry.origin_of(get_paths(), found)
    if as_json:
        print_json({"model": found, "evaluations": measured, "origin": origin})
        return
    if markdown:
        put(registry.report_markdown(found.report))
        return
    from brightrun_tui.commands.shared.report_card import print_report_card

    print_report_card(page(), found, measured, origin.words)


def compare(
    models: Annotated[list[str], typer.Argument(metavar="NAME[:VERSION]…", help="Two versions or more.")],
    as_json: JsonOption = False,
) -> None:
    """Versions side by side: losses, verdicts, the settings that differ, answers to the same questions; ✓ marks the best."""

    async def find(session: Session) -> registry.ManyComparison:
        return registry.compare_many(
            [await store.find(session.db, ref) for ref in models], await evaluations.list_all(session.db)
        )

    found = with_store(find)
    if as_json:
        print_json({"comparison": found})
        return
    from brightrun_tui.commands.shared.report_card import print_comparison

    print_comparison(page(), found)


def card(
    model: ModelArgument,
    html: Annotated[Path, typer.Option("--html", metavar="FILE", help="Where to write it.")],
    as_json: JsonOption = False,
) -> None:
    """The report card as one HTML file with curves, to mail or print."""

    async def write(session: Session) -> Path:
        return await registry.write_html_card(session.db, await store.find(session.db, model), html.absolute())

    path = with_store(write)
    if as_json:
        print_json({"path": str(path)})
    else:
        put(str(path))
