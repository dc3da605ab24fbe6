"""``brightrun models``: the registry."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from brightrun_tui import registry
from brightrun_tui.commands.model_corrections import corrections
from brightrun_tui.commands.shared.options import bounded
from brightrun_tui.commands.shared.output import (
    JsonOption,
    YesOption,
    confirm,
    page,
    print_json,
    print_table,
    put,
    say,
    say_done,
    say_over,
)
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.domain.advice import name_data
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.humanize import ago, size
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.store import models as store
from brightrun_tui.store import runs

ModelArgument = Annotated[str, typer.Argument(metavar="NAME[:VERSION]", help="A model; without a version its newest.")]
_TICKS = {"y": True, "n": False, "s": None}

app = typer.Typer(
    add_completion=False,
    help="Models: list, report cards, compare, judge, tick answers, rate, tag, rollback, export, delete.",
)


@app.callback(invoke_without_command=True)
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
        print_json({"models": [_short(model) for model in found], "unreadable": unreadable})
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


@app.command()
def show(
    model: ModelArgument,
    markdown: Annotated[bool, typer.Option("--markdown", help="As Markdown, to paste somewhere.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The report card: losses, answers before and after, training facts, where it comes from."""

    async def look(session: Session) -> ModelVersion:
        version = await store.find(session.db, model)
        with suppress(BrightrunError):  # it may come from elsewhere, or its run be gone
            run = await runs.get(session.db, version.run_id)
            return version.model_copy(update={"report": name_data(version.report, run.spec.dataset.path)})
        return version

    found = with_store(look)
    if as_json:
        print_json({"model": found})
        return
    if markdown:
        put(registry.report_markdown(found.report))
        return
    from brightrun_tui.commands.shared.report_card import print_report_card

    print_report_card(page(), found)


@app.command()
def compare(
    models: Annotated[list[str], typer.Argument(metavar="NAME[:VERSION]…", help="Two versions or more.")],
    as_json: JsonOption = False,
) -> None:
    """Versions side by side: losses, verdicts, the settings that differ, answers to the same questions; ✓ marks the best."""

    async def find(session: Session) -> registry.ManyComparison:
        return registry.compare_many([await store.find(session.db, ref) for ref in models])

    found = with_store(find)
    if as_json:
        print_json({"comparison": found})
        return
    from brightrun_tui.commands.shared.report_card import print_comparison

    print_comparison(page(), found)


@app.command()
def judge(
    model: ModelArgument,
    url: Annotated[
        str, typer.Option("--url", help="Base address of an OpenAI-compatible API; else [judge] of config.toml.")
    ] = "",
    judge_model: Annotated[str, typer.Option("--model", metavar="NAME", help="The model there that judges.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Have base and tuned answers compared by a language model elsewhere. Its key: brightrun connect judge."""
    require_changes()
    from brightrun_tui.integrations.judge import Judge, judge_key, judge_settings

    async def ask(session: Session) -> ModelVersion:
        settings = judge_settings(session.paths, url=url, model=judge_model)
        found = await store.find(session.db, model)
        async with Judge(settings, judge_key(session.paths, settings.url)) as judge:
            say(
                f"{judge.host} is shown {len(found.report.samples)} questions of {found.ref} with both answers and the wanted "
                "one, each pair twice"
            )
            return await registry.judge_version(session.db, found, judge, _tell_judged)

    judged = with_store(ask)
    if as_json:
        print_json({"model": judged.ref, "judgement": judged.report.judgement, "verdict": judged.report.verdict})
        return
    from brightrun_tui.commands.shared.report_card import print_judgement

    print_judgement(page(), judged)


@app.command()
def answers(
    model: ModelArgument,
    tick: Annotated[
        list[str] | None,
        typer.Option(
            "--tick",
            metavar="NUMBER=y|n|s",
            help="Say it of one answer without being asked; s takes back what was said.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read the answers one by one and say which are right, by single keys. That outranks what was measured."""
    said = [_parse_tick(word) for word in tick or ()]
    if said:
        require_changes()
        for number, right in said:
            with_store(partial(_tick, ref=model, number=number, right=right))
    found = with_store(lambda session: store.find(session.db, model))
    if as_json:
        print_json(
            {
                "model": found.ref,
                "answers": [_answer(found, number) for number in range(len(found.report.samples))],
                "ticks": found.report.ticks,
                "verdict": found.report.verdict,
            }
        )
        return
    from brightrun_tui.commands.shared.report_card import print_ticked

    if not said:
        require_changes()
        found = _ask_about_answers(found)
    print_ticked(page(), found)


@app.command()
def rate(
    model: ModelArgument,
    stars: Annotated[
        int | None,
        typer.Argument(min=0, max=5, callback=bounded, help="1 to 5; 0 takes them away; none: only the note."),
    ] = None,
    note: Annotated[str | None, typer.Option("--note", help="Why, in your words.")] = None,
    author: Annotated[str, typer.Option("--author", help="Who says so; else your user name.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Give a version stars, a note, or both. Who said what, and when, stays on record."""
    if stars is None and note is None:
        raise UsageError("neither stars nor a note", fix="1 to 5, or --note TEXT", kind=ErrorKind.BAD_RATING)
    _change(
        lambda session: registry.rate(session.db, model, stars or None, note, author=author, keep_stars=stars is None),
        as_json,
    )


@app.command()
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


@app.command()
def tag(
    model: ModelArgument,
    add: Annotated[list[str] | None, typer.Argument(metavar="[TAG]…", help="Tags to add.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", metavar="TAG", help="A tag to take away.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Add tags, or take some away."""
    _change(lambda session: registry.tag(session.db, model, add=tuple(add or ()), remove=tuple(remove or ())), as_json)


@app.command()
def rollback(
    model: Annotated[str, typer.Argument(metavar="NAME[:VERSION]", help="Without a version: to the previous one.")],
    as_json: JsonOption = False,
) -> None:
    """Make an earlier version the champion again."""
    change = registry.promote if ":" in model else registry.rollback
    _change(lambda session: change(session.db, model), as_json)


@app.command()
def promote(model: ModelArgument, as_json: JsonOption = False) -> None:
    """Make a version the champion: what the model's bare alias “champion” means."""
    _change(lambda session: registry.promote(session.db, model), as_json)


@app.command()
def alias(
    model: ModelArgument,
    name: Annotated[str, typer.Argument(metavar="ALIAS", help="A word; NAME:ALIAS then means that version.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take it away.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Point a name of your own at a version."""
    if not remove:
        _change(lambda session: registry.set_alias(session.db, model, name), as_json)
        return

    async def drop(session: Session) -> ModelVersion:
        await registry.drop_alias(session.db, model.partition(":")[0], name)
        return await store.find(session.db, model)

    _change(drop, as_json)


@app.command()
def describe(
    model: ModelArgument,
    text: Annotated[str, typer.Argument(help="What it is for; empty takes it away.")],
    as_json: JsonOption = False,
) -> None:
    """Say what a version is for."""
    _change(lambda session: registry.describe(session.db, model, text), as_json)


@app.command()
def archive(
    model: ModelArgument,
    back: Annotated[bool, typer.Option("--back", help="Put it back into the list.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take a version out of the list without deleting anything."""
    _change(lambda session: registry.archive(session.db, model, not back), as_json)


@app.command()
def export(
    model: ModelArgument,
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="A directory that does not exist yet; a file for a bundle.")
    ],
    form: Annotated[
        str,
        typer.Option(
            "--form",
            help="adapter: for peft. merged: one complete model. bundle: one file to carry "
            "away. Others: brightrun plugins.",
        ),
    ] = "adapter",
    as_json: JsonOption = False,
) -> None:
    """Write a model as files for other programs."""

    async def write(session: Session) -> Path:
        return await registry.export(await store.find(session.db, model), target.absolute(), form=form)

    path = with_store(write)
    if as_json:
        print_json({"path": str(path), "form": form})
    else:
        put(str(path))


@app.command(name="import")
def import_(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A .brightrun.tar from anybody.")],
    base: Annotated[
        str,
        typer.Option("--base", metavar="DIR|ID", help="Where its base model is, where that is not found by itself."),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Take a bundle into the registry. Nothing of it is run; what does not belong there is refused."""

    async def take(session: Session) -> ModelVersion:
        found = await registry.import_bundle(session.db, session.paths, bundle.absolute())
        if base:
            found = await registry.set_base(session.db, session.paths, found.ref, base)
        if not registry.has_base(found):
            say(
                ("!", "yellow"),
                f" its base model “{found.base_id}” is not on this machine; without it the model cannot be used. Name it: ",
                (f"brightrun models set-base {found.ref} DIRECTORY", "bold"),
            )
        say("Its report card is as the sender wrote it: nothing of it was measured here.")
        return found

    _change(take, as_json)


@app.command(name="set-base")
def set_base(
    model: ModelArgument,
    place: Annotated[str, typer.Argument(metavar="DIR|ID", help="A directory, or a base model's name.")],
    as_json: JsonOption = False,
) -> None:
    """Say where a version's base model is on this machine. Another one than it was trained on is refused."""
    _change(lambda session: registry.set_base(session.db, session.paths, model, place), as_json)


@app.command()
def clean(yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Remove the checkpoints of completed runs whose models are in the registry. Models and report cards stay."""
    require_changes()
    spare = with_store(lambda session: registry.find_spare(session.db))
    total = size(sum(each.bytes for each in spare))
    if spare:
        confirm(yes, f"Remove the checkpoints of {len(spare)} completed runs, {total}?")
        asyncio.run(registry.clean(spare))
    if as_json:
        print_json({"removed": spare, "bytes": sum(each.bytes for each in spare)})
    else:
        say_done(f"{total} freed" if spare else "nothing to remove")


@app.command()
def delete(model: ModelArgument, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Remove a version and its files for good."""
    require_changes()
    name, number = with_store(lambda session: store.locate(session.db, model))
    ref = f"{name}:{number}"
    confirm(yes, f"Delete {ref} and its files for good?")
    with_store(lambda session: registry.delete(session.db, session.paths, ref))
    if as_json:
        print_json({"deleted": ref})
    else:
        say_done(f"{ref} deleted")


app.command()(corrections)


def _ask_about_answers(model: ModelVersion) -> ModelVersion:
    """Show the answers that nobody has ticked yet, else all, and keep each word as it is said.

    Raises:
        UsageError: there are no answers, or no terminal to show them at.
    """
    from brightrun_tui.commands.shared.report_card import print_answer_to_tick

    report = model.report
    if not report.samples:
        raise UsageError(
            f"the report card of {model.ref} has no sample answers",
            where=model.ref,
            kind=ErrorKind.NO_SAMPLES,
            fix="train it again with evaluation.sample_prompts above 0",
        )
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "there is no terminal to ask at",
            where="models answers",
            kind=ErrorKind.NO_TERMINAL,
            fix="add --json to read the answers, --tick NUMBER=y to say that one is right",
        )
    ticked = {each.sample for each in report.ticks}
    left = [number for number in range(len(report.samples)) if number not in ticked] or list(range(len(report.samples)))
    for place, number in enumerate(left, 1):
        print_answer_to_tick(page(), report, number)
        say(
            f"Is it right? ({place} of {len(left)})  ",
            ("y", "bold"),
            " yes  ",
            ("n", "bold"),
            " no  ",
            ("s", "bold"),
            " skip  ",
            ("q", "bold"),
            " leave",
        )
        key = _read_key("ynsq")
        if key == "q":
            break
        if key != "s":
            model = with_store(partial(_tick, ref=model.ref, number=number, right=key == "y"))
    return model


def _read_key(keys: str) -> str:
    """Wait for one of these keys, in either case. The end of input, escape and Ctrl-C are the last of them."""
    while True:
        try:
            key = typer.getchar().casefold()
        except (EOFError, KeyboardInterrupt):
            return keys[-1]
        if key == "\x1b":
            return keys[-1]
        if key and key[0] in keys:
            return key[0]


async def _tick(session: Session, ref: str, number: int, right: bool | None) -> ModelVersion:
    return await registry.tick(session.db, ref, number, right)


def _parse_tick(word: str) -> tuple[int, bool | None]:
    """``3=y`` as the number of the sample, from 0, and what is said of it. Raises ``UsageError``."""
    number, _, said = word.partition("=")
    if not number.strip().isdecimal() or said.strip().casefold() not in _TICKS:
        raise UsageError(
            f"“{word}” is not a tick",
            where="--tick",
            fix="write the answer's number and y, n or s, such as 3=y",
            kind=ErrorKind.BAD_TICK,
        )
    return int(number) - 1, _TICKS[said.strip().casefold()]


def _answer(model: ModelVersion, number: int) -> dict[str, object]:
    sample = model.report.samples[number]
    said = next((each.right for each in model.report.ticks if each.sample == number), None)
    return {
        "number": number + 1,
        "prompt": sample.prompt,
        "answer": sample.tuned,
        "wanted": sample.reference,
        "base_answer": sample.base,
        "compared": sample.mark,
        "ticked": said,
    }


def _tell_judged(done: int, total: int) -> None:
    say_over(f"{done} of {total} judged", last=done == total)


def _change(change: Callable[[Session], Awaitable[ModelVersion]], as_json: bool) -> None:
    require_changes()
    model = with_store(change)
    if as_json:
        print_json({"model": _short(model)})
    else:
        facts = ["★" * (model.rating or 0), *model.aliases, *(f"#{tag}" for tag in model.tags)]
        say_done(f"{model.ref}  {' '.join(fact for fact in facts if fact)}".rstrip())


def _short(model: ModelVersion) -> dict[str, object]:
    report = model.report
    return {
        "ref": model.ref,
        **model.model_dump(mode="json", exclude={"report"}),
        "verdict": report.verdict.model_dump(mode="json"),
        "ticks": [each.model_dump(mode="json") for each in report.ticks],
        "loss": report.tuned.loss,
        "base_loss": report.base.loss,
    }
