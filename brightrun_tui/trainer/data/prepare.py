"""From the two files of the run to the examples that are trained and measured; tells all that is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from brightrun_tui.datasets import splitting
from brightrun_tui.domain.correction import correction_number
from brightrun_tui.domain.dataset import Record
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError, DatasetError
from brightrun_tui.domain.objective import DEFAULT_OBJECTIVE
from brightrun_tui.domain.run_directory import DATA, EVAL, TRAIN, RunDirectory
from brightrun_tui.domain.setting_groups import DataSettings
from brightrun_tui.domain.settings import setting_title, title_and_key
from brightrun_tui.domain.sizing import TRAIN_SAMPLE
from brightrun_tui.trainer.data.examples import (
    Data,
    Example,
    Prepared,
    limit_length,
    name_some,
    read_records,
    require_offsets,
    spread,
)
from brightrun_tui.trainer.data.splitting import split_long
from brightrun_tui.trainer.data.template import ChatTemplate
from brightrun_tui.trainer.data.tokens import load_tokens, save_tokens, tokens_key

TellAlert = Callable[[str, str], None]
MakeExamples = Callable[[Any, ChatTemplate, list[Record]], Prepared]
"""Of tokenizer, template and records: what an objective trains on."""

STAND_IN_RECORDS = 50
"""Training records that are measured instead where nothing is held out."""


def prepare_data(
    files: RunDirectory,
    settings: DataSettings,
    tokenizer: Any,
    template: ChatTemplate,
    context: int,
    rows: int,
    alert: TellAlert,
    make_examples: MakeExamples,
    objective: str = DEFAULT_OBJECTIVE,
) -> Data:
    """Read, tokenise, mask and limit both splits.

    Args:
        context: tokens the base model can take.
        rows: tokens that the base model has an embedding for.
        alert: told a code and a sentence for everything that does not become an example.
        make_examples: the objective's; records to examples.
        objective: its name; tokens are kept for it.

    Raises:
        DatasetError: nothing is left to train on, or the files are not what a run directory holds.
        BaseModelError: the tokenizer makes tokens that the base model does not have.
        TrainingError: a record is too long and ``data.over_length`` is "refuse".
    """
    train_records = _records(files.train)
    if not train_records:
        raise DatasetError(
            "there are no records to train on",
            where=f"{DATA}/{TRAIN}",
            kind=ErrorKind.DATASET_EMPTY,
            fix="give a dataset with at least a few conversations",
        )
    held_out_records = _records(files.eval)
    if template.notice:
        alert("chat_template", template.notice)
    make = partial(make_examples, tokenizer, template)
    train, held_out = _tokens(files, tokenizer, template, objective, make, (train_records, held_out_records))
    _require_rows(tokenizer, (train, held_out), rows)
    _tell_left_out(train, held_out, alert)
    if not train.examples:
        raise DatasetError(
            _why_nothing(train),
            where=f"{DATA}/{TRAIN}",
            kind=ErrorKind.NOTHING_TO_LEARN,
            fix="look at the dataset's preview: every record needs an answer that is trained",
        )
    limit = _limit(settings, train, held_out, context, alert)
    _shorten(((train, train_records), (held_out, held_out_records)), limit, settings, make, alert)
    if not train.examples:
        raise DatasetError(
            f"every record is longer than {limit} tokens",
            where="data.max_length",
            kind=ErrorKind.OVER_LENGTH,
            fix=f"raise {title_and_key('data.max_length')}, or set {title_and_key('data.over_length')} to truncate or split",
        )
    train.examples = _corrections_repeated(train.examples, train_records, settings.correction_repeats)
    if not held_out.examples:
        alert("no_held_out", "no record is held out; the scores are those of training records and say little")
        held_out_records, held_out.examples = train_records, spread(train.examples, STAND_IN_RECORDS)
        chosen, judged, judged_records = held_out.examples, held_out.examples, held_out_records
    else:
        chosen, judged, judged_records = part_held_out_examples(
            held_out.examples, held_out_records, settings.split_seed
        )
    return Data(
        train_records,
        held_out_records,
        train.examples,
        chosen,
        judged,
        judged_records,
        _stop_ids(tokenizer, train),
        train.dropped + held_out.dropped + train.unusable + held_out.unusable,
        train.truncated + held_out.truncated,
        train.split + held_out.split,
    )


def _shorten(
    sides: Sequence[tuple[Prepared, list[Record]]],
    limit: int,
    settings: DataSettings,
    make: Callable[[list[Record]], Prepared],
    alert: TellAlert,
) -> None:
    """Leave out, cut or split what is longer than ``limit`` tokens, as ``data.over_length`` says, and tell of it."""
    for prepared, records in sides:
        if settings.over_length == "split":
            split_long(prepared, records, limit, make)
        limit_length(prepared, limit, settings.over_length, records)
    counts = {
        "left out": sum(prepared.dropped for prepared, _ in sides),
        "cut short": sum(prepared.truncated for prepared, _ in sides),
        "split": sum(prepared.split for prepared, _ in sides),
    }
    if fates := [f"{count} {fate}" for fate, count in counts.items() if count]:
        alert("over_length", f"{sum(counts.values())} records longer than {limit} tokens: {', '.join(fates)}")


def _corrections_repeated(examples: Sequence[Example], records: Sequence[Record], times: int) -> list[Example]:
    """Return the examples, those of corrections so many times."""
    again = {place for place, record in enumerate(records) if correction_number(record.id) is not None}
    return [each for each in examples for _ in range(times if each.record in again else 1)]


def prepare_judged(
    files: RunDirectory,
    settings: DataSettings,
    tokenizer: Any,
    template: ChatTemplate,
    context: int,
    rows: int,
    alert: TellAlert,
    make_examples: MakeExamples,
) -> Data:
    """Return the data of a run that trains nothing: all held-out records judge; of what was learnt from a few become examples.

    Arguments and errors as `prepare_data`; what is longer than ``settings.max_length`` or ``context`` is left out.
    """
    learnt, records = _records(files.train), _records(files.eval)
    if template.notice:
        alert("chat_template", template.notice)
    require_offsets(tokenizer)
    some = spread(learnt, TRAIN_SAMPLE)
    train, judged = (make_examples(tokenizer, template, each) for each in (some, records))
    _require_rows(tokenizer, (train, judged), rows)
    _tell_left_out(Prepared(), judged, alert)
    if not judged.examples:
        raise DatasetError(
            _why_nothing(judged),
            where=f"{DATA}/{EVAL}",
            kind=ErrorKind.NOTHING_TO_LEARN,
            fix="give data whose records have answers",
        )
    limit = min(settings.max_length or context, context)
    limit_length(train, limit, "drop", some)
    limit_length(judged, limit, "drop", records)
    if not judged.examples:
        raise DatasetError(
            f"every record is longer than the {limit} tokens that the model takes",
            where=f"{DATA}/{EVAL}",
            kind=ErrorKind.OVER_LENGTH,
            fix="give data with shorter records",
        )
    if judged.dropped:
        alert("over_length", f"{judged.dropped} records longer than {limit} tokens: left out")
    return Data(
        learnt,
        records,
        train.examples or judged.examples,
        judged.examples,
        judged.examples,
        records,
        _stop_ids(tokenizer, train if train.turn_ends else judged),
        judged.dropped + judged.unusable,
    )


def part_held_out_examples(
    examples: list[Example], records: list[Record], seed: int
) -> tuple[list[Example], list[Example], list[Record]]:
    """Return examples that choose the checkpoint, those that judge it, and the records of the latter.

    Halves of records that belong together (as `datasets.splitting` finds them), where each has enough; else all for both.
    """
    present = sorted({example.record for example in examples})
    parted = splitting.part_held_out([records[place] for place in present], seed)
    if parted is None:
        return examples, examples, records
    judging = parted[1]
    ours = {id(record) for record in judging}
    judged = [example for example in examples if id(records[example.record]) in ours]
    return [example for example in examples if id(records[example.record]) not in ours], judged, judging


def _tokens(
    files: RunDirectory,
    tokenizer: Any,
    template: ChatTemplate,
    objective: str,
    make: Callable[[list[Record]], Prepared],
    splits: Sequence[list[Record]],
) -> list[Prepared]:
    """Return both splits as tokens: those that came with the data when they fit it, else made here and kept."""
    require_offsets(tokenizer)
    key = tokens_key((files.train, files.eval), tokenizer, template, objective)
    kept = load_tokens(files.tokens, key)
    if kept is None:
        kept = [make(records) for records in splits]
        with suppress(OSError):  # without it they are made again
            save_tokens(files.tokens, key, kept)
    return kept


def _records(path: Path) -> list[Record]:
    return read_records(path) if path.is_file() else []


def _require_rows(tokenizer: Any, splits: Sequence[Prepared], rows: int) -> None:
    highest = max((int(example.ids.max()) for split in splits for example in split.examples), default=0)
    if highest >= rows:
        raise BaseModelError(
            f"its tokenizer makes the token “{tokenizer.convert_ids_to_tokens(highest)}” (number {highest:,}), but the model "
            f"knows {rows:,} tokens only",
            where="base model",
            kind=ErrorKind.VOCABULARY_TOO_SMALL,
            fix="tokenizer, chat template and weights are not of the same model: download it again, or choose another",
        )


def _limit(settings: DataSettings, train: Prepared, held_out: Prepared, context: int, alert: TellAlert) -> int:
    """Return the longest example allowed: as set, or as the data has it, and never more than the model can take."""
    longest = max(e.length for e in (*train.examples, *held_out.examples))
    if settings.max_length > context:
        alert(
            "max_length",
            f"the base model takes {context} tokens, less than “{setting_title('data.max_length')}” says; "
            f"{context} is used",
        )
    return min(settings.max_length or longest, context)


def _tell_left_out(train: Prepared, held_out: Prepared, alert: TellAlert) -> None:
    both = (train, held_out)
    unsupervised = [i for split in both for i in split.unsupervised]
    if unsupervised:
        alert(
            "no_supervised_tokens",
            f"{len(unsupervised)} records have no answer to learn from and are left out ({name_some(unsupervised)})",
        )
    reasons: dict[str, list[str]] = {}
    for split in both:
        for reason, ids in split.unrenderable.items():
            reasons.setdefault(reason, []).extend(ids)
    for reason, ids in reasons.items():
        alert(
            "chat_template_refused",
            f"the chat template cannot write {len(ids)} records, which are left out: {reason} ({name_some(ids)})",
        )
    rewritten = sum(split.split_records for split in both)
    if rewritten:
        alert(
            "chat_template_rewrites",
            f"the chat template rewrites earlier turns; {rewritten} conversations became one example for each answer",
        )
    lost = sum(split.lost_thoughts for split in both)
    if lost:
        alert(
            "thoughts_left_out",
            f"{lost} records have thoughts that the base model's chat template has no place for; their "
            "answers are learnt without them",
        )
    if train.open_ended:
        alert(
            "no_end_of_turn",
            f"{train.open_ended} answers do not end with an end-of-turn token; the model may not learn to stop",
        )


def _why_nothing(train: Prepared) -> str:
    if train.unrenderable:
        reason, ids = max(train.unrenderable.items(), key=lambda item: len(item[1]))
        return f"the chat template of the base model cannot write {len(ids)} of the records: {reason}"
    return "no record has an answer to learn from"


def _stop_ids(tokenizer: Any, train: Prepared) -> tuple[int, ...]:
    """Return the tokens that end an answer: the tokenizer's own, and those that ended the answers of the data."""
    ends = Counter(train.turn_ends)
    if tokenizer.eos_token_id is not None:
        ends[int(tokenizer.eos_token_id)] += 0
    return tuple(sorted(ends))
