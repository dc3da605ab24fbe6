"""Listing versions, their report cards, and versions beside one another."""

from __future__ import annotations

import time
from collections.abc import Mapping
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
from brightrun_tui.domain.model import NOT_MEASURED_HERE, ModelVersion
from brightrun_tui.paths import get_paths
from brightrun_tui.serving import with_liveness
from brightrun_tui.store import corrections, datasets, endpoints, evaluations, runs
from brightrun_tui.store import models as store

STANDINGS = {
    "own": "",
    "verified": "imported, verified",
    "unverified": "imported, unverified",
    "unsigned": "imported, unverified",
}
"""What a report card from elsewhere says, nobody here has measured."""


def list_models(
    ctx: typer.Context,
    archived: Annotated[bool, typer.Option("--archived", help="Include archived ones.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List model versions, newest first. With a verb: what that verb says."""
    if ctx.invoked_subcommand is not None:
        return

    async def look(session: Session) -> tuple[list[ModelVersion], list[str], Mapping[str, tuple[str, ...]]]:
        every = await store.list_models(session.db)
        needs = registry.needs_attention(
            every,
            with_liveness(await endpoints.list_endpoints(session.db)),
            await datasets.list_datasets(session.db),
            await corrections.waiting(session.db),
            time.time(),
        )
        found = [each for each in every if archived or not each.archived]
        return found, await store.unreadable(session.db), needs

    found, unreadable, needs = with_store(look)
    foreign = registry.origins_of(get_paths(), found)
    origins = {each.ref: foreign[each.ref].standing if each.ref in foreign else "own" for each in found}
    for ref in unreadable:
        say(f"what is stored of {ref} cannot be read; remove it: ", (f"brightrun models delete {ref}", "bold"))
    if as_json:
        listed = [
            in_short(model) | {"origin": origins[model.ref], "needs": list(needs.get(model.ref, ()))} for model in found
        ]
        print_json({"models": listed, "unreadable": unreadable})
    elif found:
        now = time.time()
        print_table(
            ("model", "verdict", "loss", "base loss", "base", "rating", "aliases", "made", "origin"),
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
                    STANDINGS[origins[model.ref]],
                )
                for model in found
            ],
        )
        for model in found:
            for reason in needs.get(model.ref, ()):
                say(("!", "yellow"), f" {model.ref}: {reason}")
    else:
        say("No models yet. Make one: ", ("brightrun train DATA", "bold"))


def show(
    model: ModelArgument,
    markdown: Annotated[bool, typer.Option("--markdown", help="As Markdown, to paste somewhere.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the report card: losses, answers before and after, training facts, where it comes from."""

    async def look(session: Session) -> tuple[ModelVersion, list[Evaluation]]:
        version = await store.find(session.db, model)
        return await named(session, version), await evaluations.of_version(session.db, version.name, version.version)

    async def named(session: Session, version: ModelVersion) -> ModelVersion:
        with suppress(BrightrunError):  # it may come from elsewhere, or its run be gone
            data = (await runs.get(session.db, version.run_id)).spec.dataset
            return version.model_copy(update={"report": name_data(version.report, data.path, data.columns)})
        return version

    found, measured = with_store(look)
    origin = registry.origin_of(get_paths(), found)
    if as_json:
        print_json({"model": found, "evaluations": measured, "origin": origin})
        return
    if markdown:
        put(registry.report_markdown(found.report, NOT_MEASURED_HERE if found.from_elsewhere else ""))
        return
    from brightrun_tui.commands.shared.report_card import print_report_card

    print_report_card(page(), found, measured, origin.words)


def compare(
    models: Annotated[list[str], typer.Argument(metavar="NAME[:VERSION]…", help="Two versions or more.")],
    as_json: JsonOption = False,
) -> None:
    """Compare versions side by side: losses, verdicts, settings and data that differ, answers to the same questions; ✓
    marks the best.
    """

    async def find(session: Session) -> registry.ManyComparison:
        versions = [await store.find(session.db, ref) for ref in models]
        measured, learnt = await evaluations.list_all(session.db), await registry.data_differences(session.db, versions)
        return registry.compare_many(versions, measured, learnt)

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
    """Write the report card as one HTML file with curves, to mail or print."""

    async def write(session: Session) -> Path:
        return await registry.write_html_card(session.db, await store.find(session.db, model), html.absolute())

    path = with_store(write)
    if as_json:
        print_json({"path": str(path)})
    else:
        put(str(path))
