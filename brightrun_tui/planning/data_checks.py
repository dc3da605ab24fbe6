"""What a run learns from: whether it is enough, in what language, and whether base and data go together."""

from __future__ import annotations

import shlex

from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError
from brightrun_tui.domain.languages import language_name, languages_said
from brightrun_tui.domain.settings import RunSettings, title_and_key
from brightrun_tui.planning.architecture import BaseModelInfo
from brightrun_tui.planning.catalogue import smallest_that_speaks, smallest_with_tools
from brightrun_tui.planning.check import Check, CheckName, failed, ok, warning
from brightrun_tui.planning.token_counts import count_tokens

FEW_RECORDS = 50
MOSTLY = 0.5
"""The share of the records, of those long enough to tell, that a language is in when the base should speak it."""
MANY_COPIES = 0.25
"""The share of exact copies from which on they are what a run is about."""
STRANGE_SCRIPT = 0.8
"""Characters a token, below which a tokenizer has no words or syllables of a script: known ones are above 1."""
FOREIGN_LANGUAGE = 2.6
"""Characters a token, below which a tokenizer was hardly made for a language: English, code and JSON have 3 to 5 in most."""


def check_records(report: DatasetReport, base: BaseModelInfo | None, settings: RunSettings) -> Check:
    tokens = count_tokens(base, report) if base else None
    if base and tokens and settings.data.over_length == "drop":
        limit = min(settings.data.max_length or base.architecture.context, base.architecture.context)
        if report.characters.p50 / tokens.characters_per_token > limit:
            what = f"more than half of the records are longer than {limit:,} tokens and would be left out"
            fix = f"set {title_and_key('data.over_length')} to split or truncate, or choose a base model that takes longer texts"
            if tokens.measured:
                return failed(CheckName.DATASET, DatasetError(what, fix=fix, kind=ErrorKind.DATASET_TOO_LONG))
            return warning(CheckName.DATASET, f"{report.statement} It seems that {what}.", fix)
    if report.duplicates >= MANY_COPIES * report.usable:
        file = shlex.quote(report.source or report.path)
        return warning(
            CheckName.DATASET,
            f"{report.statement} Only {report.usable - report.duplicates:,} are different: the model learns the copies by heart, "
            "and its score says little.",
            f"take the copies out: in the app v, then r; or: brightrun datasets repair {file} --drop-duplicates",
        )
    if tokens and tokens.measured and tokens.characters_per_token < STRANGE_SCRIPT:
        return warning(
            CheckName.DATASET,
            f"{report.statement} The base model spells these texts byte by byte ({tokens.characters_per_token:.1f} characters a "
            "token): it has hardly ever seen their script.",
            "choose a base model that knows the language",
        )
    named = base and check_language(report, base)
    if tokens and tokens.measured and tokens.characters_per_token < FOREIGN_LANGUAGE and not named:
        return warning(
            CheckName.DATASET,
            f"{report.statement} The base model cuts these texts into small pieces ({tokens.characters_per_token:.1f} characters "
            "a token): it hardly knows their language, or they are mostly numbers. It learns their form sooner than their facts.",
            "choose a base model that knows the language, or train longer and look at its answers",
        )
    if report.usable < FEW_RECORDS:
        return warning(
            CheckName.DATASET,
            f"{report.statement} That is few.",
            f"{FEW_RECORDS} good records or more give a sound result",
        )
    return ok(CheckName.DATASET, report.statement)


def main_language(report: DatasetReport) -> str:
    """Return what most records are in (two letters); empty if that cannot be told."""
    found = report.languages
    language = next(iter(found.shares), "")
    return language if 2 * found.judged >= found.of and found.shares.get(language, 0) >= MOSTLY else ""


def check_language(report: DatasetReport, base: BaseModelInfo) -> Check | None:
    """Warn where the records are mostly in a language that the base does not speak; None otherwise, or where that is
    unknown.
    """
    language = main_language(report)
    if not language or base.traits.speaks(language) is not False:
        return None
    name = language_name(language)
    other = smallest_that_speaks(language)
    return warning(
        CheckName.LANGUAGE,
        f"the records are in {name}, of which {base.title} knows little: it speaks {languages_said(base.traits.languages)}",
        f"choose a base that speaks {name}{f', such as {other.title} ({other.id})' if other else ''}, or look at its answers "
        "before you use them",
    )


def check_tools(report: DatasetReport, base: BaseModelInfo) -> Check | None:
    """Warn where records call tools and the base's template has no place for them; None otherwise, or where that is
    unknown.
    """
    calls = next((problem.count for problem in report.problems if problem.kind == "calls"), 0)
    if not calls or base.traits.tools is not False:
        return None
    other = smallest_with_tools()
    return warning(
        CheckName.TOOLS,
        f"{calls:,} of {report.usable:,} records call tools, for which the chat template of {base.title} has no place: what it "
        "cannot write will be left out",
        f"choose a base that takes tools{f', such as {other.title} ({other.id})' if other else ''}",
    )
