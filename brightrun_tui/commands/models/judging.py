"""Whether answers are right: a judge elsewhere, and people who read them one by one."""

from __future__ import annotations

import sys
from functools import partial
from typing import Annotated

import typer

from brightrun_tui import registry
from brightrun_tui.commands.shared.options import ModelArgument
from brightrun_tui.commands.shared.output import JsonOption, page, print_json, say, say_over
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.store import models as store

_TICKS = {"y": True, "n": False, "s": None}


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
    """Read ``3=y`` as the number of the sample, from 0, and what is said of it. Raises ``UsageError``."""
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
