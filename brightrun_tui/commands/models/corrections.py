"""``brightrun models corrections``: what a model should have answered, and the data that teaches it."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Annotated

import typer

from brightrun_tui import registry
from brightrun_tui.commands.shared.options import bounded
from brightrun_tui.commands.shared.output import JsonOption, print_json, print_table, put, say, say_done
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.domain import humanize
from brightrun_tui.domain.correction import Correction, CorrectionOutcome
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.text import one_line, shortened
from brightrun_tui.store import corrections as store
from brightrun_tui.store import models

Outcomes = dict[int, tuple[str, CorrectionOutcome]]
SHOWN = 60


def corrections(
    model: Annotated[
        str, typer.Argument(metavar="NAME[:VERSION]", help="A model; its corrections are those of all versions.")
    ],
    question: Annotated[str, typer.Option("--add", metavar="QUESTION", help="Add one: what was asked.")] = "",
    wanted: Annotated[str, typer.Option("--wanted", metavar="ANSWER", help="With --add: the right answer.")] = "",
    answer: Annotated[str, typer.Option("--answer", help="With --add: what the model said instead.")] = "",
    system: Annotated[str, typer.Option("--system", help="With --add: what the model was told beforehand.")] = "",
    author: Annotated[str, typer.Option("--author", help="With --add: who says so; else your user name.")] = "",
    remove: Annotated[
        int | None, typer.Option("--remove", metavar="NUMBER", callback=bounded, help="Forget one.")
    ] = None,
    dataset: Annotated[
        bool, typer.Option("--dataset", help="Write a new version of the model's dataset that holds them.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FILE", help="With --dataset: the data to start from, instead.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List answers found wrong with the right ones, add more, and write them into new training data."""
    if question or wanted:
        require_changes()
        _add(model, question, wanted, answer, system, author, as_json)
    elif remove is not None:
        require_changes()
        _remove(model, remove, as_json)
    elif dataset or data is not None:
        require_changes()
        _write(model, str(data) if data else "", as_json)
    else:
        _list(model, as_json)


def _add(model: str, question: str, wanted: str, answer: str, system: str, author: str, as_json: bool) -> None:
    if not question or not wanted:
        raise UsageError(
            "a correction is a question and its right answer",
            where="models corrections",
            fix="give both: --add QUESTION --wanted ANSWER",
            kind=ErrorKind.BAD_CORRECTION,
        )
    turns = [{"role": "system", "content": system}] * bool(system) + [{"role": "user", "content": question}]
    kept = with_store(lambda session: registry.correct(session.db, model, turns, wanted, answer=answer, author=author))
    if as_json:
        print_json({"correction": kept})
    else:
        say_done(
            f"correction {kept.id} of {kept.model} kept; next: brightrun models corrections {kept.model} --dataset"
        )


def _remove(model: str, number: int, as_json: bool) -> None:
    name = model.partition(":")[0]
    with_store(lambda session: store.remove(session.db, name, number))
    if as_json:
        print_json({"removed": number})
    else:
        say_done(f"correction {number} of {name} forgotten")


def _write(model: str, data: str, as_json: bool) -> None:
    name = model.partition(":")[0]
    made = with_store(lambda session: registry.make_dataset(session.db, session.paths, name, data=data))
    command = train_command(made)
    if as_json:
        print_json(
            {
                "dataset": made.report.as_json(),
                "before": made.before,
                "corrections": made.new,
                "replaced": made.replaced,
                "train": command,
            }
        )
        return
    same = f", {made.replaced} in the place of records that asked the same" if made.replaced else ""
    say(
        ("✓", "green"),
        f" {made.report.name}: {made.new} correction{'s' if made.new > 1 else ''} added{same}. Train on it: ",
    )
    say((command, "bold"))
    put(made.report.path)


def train_command(made: registry.CorrectedDataset) -> str:
    """Return the command that makes the next version."""
    draft = made.draft
    words = ["brightrun", "train", made.report.path, "--name", draft.name, "--base", draft.base]
    words += ["--template", draft.template] if draft.template != "default" else []
    words += [word for key, value in draft.overrides.items() for word in ("--set", f"{key}={value}")]
    return shlex.join(words)


def _list(model: str, as_json: bool) -> None:
    async def read(session: Session) -> tuple[str, list[Correction], Outcomes]:
        name, _ = await models.locate(session.db, model)
        return name, await store.of_model(session.db, name), await registry.outcomes_of(session.db, name)

    name, found, outcomes = with_store(read)
    if as_json:
        print_json({"model": name, "corrections": [_document(each, outcomes) for each in found]})
    elif found:
        now = time.time()
        print_table(
            ("no.", "version", "asked", "wanted", "by", "made", "became"),
            [
                (
                    str(each.id),
                    str(each.version),
                    shortened(one_line(each.question), SHOWN),
                    shortened(one_line(each.wanted), SHOWN),
                    each.author,
                    humanize.ago(each.created_at, now),
                    _became(each, outcomes),
                )
                for each in found
            ],
        )
    else:
        say(f"No corrections of {name} yet. Mark an answer wrong in ", (f"brightrun chat {name}", "bold"))


def _document(each: Correction, outcomes: Outcomes) -> dict[str, object]:
    ref, outcome = outcomes.get(each.id, ("", None))
    learnt = {"version": ref, "answer": outcome.answer, "mark": outcome.mark} if outcome else None
    return each.model_dump(mode="json") | {"question": each.question, "outcome": learnt}


def _became(each: Correction, outcomes: Outcomes) -> str:
    if each.id in outcomes:
        ref, outcome = outcomes[each.id]
        return f"{outcome.mark} in {ref}"
    return "waits" if each.waiting else f"in {each.dataset}"
