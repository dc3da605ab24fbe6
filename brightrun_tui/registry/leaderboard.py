"""Versions by what they were measured to be worth: only measurements on the very same records stand together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.evaluation import Evaluation
from brightrun_tui.domain.findings import Mark
from brightrun_tui.domain.measures import Measures, StoredMeasures
from brightrun_tui.domain.model import CHAMPION, ModelVersion, SampleAnswer, SplitScore
from brightrun_tui.domain.tally import chance_interval, credit_of
from brightrun_tui.store import Database, evaluations, models

FEWEST_ANSWERS = 5
"""Answers from which on the share of right ones orders versions."""
_WHAT_IS_HELD_OUT = ("eval_fraction", "split_seed", "eval_max_records", "max_length", "over_length")


class Interval(BaseModel):
    """A value and its 95 % interval; without bounds where nobody measured how far it may be off."""

    model_config = ConfigDict(frozen=True)

    value: float
    low: float | None = None
    high: float | None = None

    def overlaps(self, other: Interval) -> bool:
        """Say whether chance may explain the difference; False where bounds are not known."""
        if None in (self.low, self.high, other.low, other.high):
            return self.value == other.value
        return self.low <= other.high and other.low <= self.high  # type: ignore[operator]


LEVEL_WITH_FIRST = "=: chance may explain why it is not the first"
"""What is said below a board where a version is `Standing.level`."""


class Standing(BaseModel):
    """One version on a board. ``loss`` in nats a token; ``right``: share of right answers, None where too few were compared.

    ``level``: chance may explain why it is not the first. ``elsewhere``: it came with these numbers; nobody here measured them.
    """

    model_config = ConfigDict(frozen=True)

    ref: str
    champion: bool
    loss: Interval
    base_loss: float
    right: Interval | None = None
    answers: int = 0
    base_id: str
    measured_at: float
    source: Literal["report card", "evaluation"]
    level: bool = False
    elsewhere: bool = False


class Board(BaseModel):
    """Versions measured on the very same records, the best first. ``by``: what orders them."""

    model_config = ConfigDict(frozen=True)

    dataset: str
    fingerprint: str
    records_key: str
    records: int
    by: Literal["loss", "answers right"]
    standings: tuple[Standing, ...]
    note: str = ""


class _Measurement(BaseModel):
    """A report card or an evaluation, in common terms."""

    model_config = ConfigDict(frozen=True)

    version: ModelVersion
    key: str
    dataset: str
    fingerprint: str
    base: SplitScore
    tuned: SplitScore
    scores: StoredMeasures
    samples: tuple[SampleAnswer, ...]
    base_family: str
    at: float
    source: Literal["report card", "evaluation"]


async def leaderboards(db: Database, dataset: str = "") -> list[Board]:
    """Return every board that has a version, those with most versions first; only those of ``dataset`` (name or fingerprint)
    if given.

    Raises:
        UsageError: nothing was measured on such a dataset.
    """
    versions = [version for version in await models.list_models(db) if not version.archived]
    boards = make_boards(versions, await evaluations.list_all(db))
    wanted = dataset.casefold()
    found = [board for board in boards if not wanted or _is_meant(board, wanted)]
    if wanted and not found:
        known = ", ".join(dict.fromkeys(board.dataset for board in boards)) or "none yet"
        raise UsageError(
            f"nothing was measured on “{dataset}”",
            fix=f"measured on: {known}",
            kind=ErrorKind.UNKNOWN_DATASET,
            where="models leaderboard",
        )
    return found


def make_boards(versions: Sequence[ModelVersion], measured: Sequence[Evaluation]) -> list[Board]:
    """Do as `leaderboards`. Of several measurements of a version on the same records the newest counts."""
    by_ref = {version.ref: version for version in versions}
    groups: dict[str, dict[str, _Measurement]] = {}
    found = [_of_card(version) for version in versions]
    found += [_of_evaluation(by_ref[each.ref], each) for each in measured if each.ref in by_ref]
    for one in sorted(found, key=lambda one: one.at):
        groups.setdefault(one.key, {})[one.version.ref] = one
    boards = [_board(list(group.values())) for group in groups.values()]
    return sorted(boards, key=lambda board: (-len(board.standings), -max(s.measured_at for s in board.standings)))


def shared_boards(versions: Sequence[ModelVersion], measured: Sequence[Evaluation]) -> list[Board]:
    """Return those on which two of these versions or more were measured, once at least by an evaluation."""
    again = {each.records_key for each in measured}
    boards = make_boards(versions, measured)
    return [board for board in boards if len(board.standings) > 1 and board.records_key in again]


def share_right(samples: Sequence[SampleAnswer]) -> Interval | None:
    """Return share of the tuned answers that are right by comparison, with Wilson's interval; None where too few could be
    compared.
    """
    marks: list[Mark] = [sample.mark for sample in samples if sample.mark is not None]
    count = len(marks)
    if count < FEWEST_ANSWERS:
        return None
    low, high = chance_interval(marks)
    return Interval(value=credit_of(marks), low=low, high=high)


def loss_of(tuned: SplitScore, scores: Measures) -> Interval:
    """Return the tuned model's loss, with bounds where they were measured."""
    bounds = scores.get("loss_interval")
    known = bounds if isinstance(bounds, dict) else {}
    low, high = (known.get(end) for end in ("low", "high"))
    whole = isinstance(low, int | float) and isinstance(high, int | float)
    return Interval(value=tuned.loss, low=low if whole else None, high=high if whole else None)


def bounds_words(interval: Interval | None, form: str) -> str:
    """Write as ``0.912 – 1.034``; a dash where no bounds are known."""
    if interval is None or interval.low is None or interval.high is None:
        return "–"
    return f"{interval.low:{form}} – {interval.high:{form}}"


def _of_card(version: ModelVersion) -> _Measurement:
    report, lineage = version.report, version.report.lineage
    data = lineage.settings.get("data")
    cut = [data.get(name) for name in _WHAT_IS_HELD_OUT] if isinstance(data, dict) else []
    older = f"{lineage.dataset_fingerprint}/{cut}/{report.base.records}/{report.base.tokens}"
    return _Measurement(
        version=version,
        key=report.records_key or older,
        dataset=lineage.dataset_name,
        fingerprint=lineage.dataset_fingerprint,
        base=report.base,
        tuned=report.tuned,
        scores=report.scores,
        samples=report.samples,
        base_family=lineage.base_fingerprint or version.base_id,
        at=report.created_at,
        source="report card",
    )


def _of_evaluation(version: ModelVersion, found: Evaluation) -> _Measurement:
    return _Measurement(
        version=version,
        key=found.records_key,
        dataset=found.dataset_name,
        fingerprint=found.dataset_fingerprint,
        base=found.base,
        tuned=found.tuned,
        scores=found.scores,
        samples=found.samples,
        base_family=found.base_fingerprint or version.base_id,
        at=found.created_at,
        source="evaluation",
    )


def _board(group: list[_Measurement]) -> Board:
    standings = [
        Standing(
            ref=one.version.ref,
            champion=CHAMPION in one.version.aliases,
            loss=loss_of(one.tuned, one.scores),
            base_loss=one.base.loss,
            right=share_right(one.samples),
            answers=len(one.samples),
            base_id=one.version.base_id,
            measured_at=one.at,
            source=one.source,
            elsewhere=one.source == "report card" and one.version.from_elsewhere,
        )
        for one in group
    ]
    one_base = len({one.base_family for one in group}) == 1
    by_loss = one_base or any(standing.right is None for standing in standings)
    note = "" if one_base else "made from different base models: their losses count different tokens"
    if by_loss:
        standings.sort(key=lambda each: each.loss.value)
        level = [each.loss.overlaps(standings[0].loss) for each in standings]
    else:
        standings.sort(key=lambda each: -each.right.value if each.right else 0.0)
        best = standings[0].right
        level = [bool(each.right and best and each.right.overlaps(best)) for each in standings]
    first = max(group, key=lambda one: one.at)
    return Board(
        dataset=first.dataset,
        fingerprint=first.fingerprint,
        records_key=first.key,
        records=first.tuned.records,
        by="loss" if by_loss else "answers right",
        standings=tuple(
            each.model_copy(update={"level": place > 0 and same})
            for place, (each, same) in enumerate(zip(standings, level, strict=True))
        ),
        note=note,
    )


def _is_meant(board: Board, wanted: str) -> bool:
    name = board.dataset.casefold()
    return wanted in (name, name.rpartition(".")[0]) or board.fingerprint.removeprefix("sha256:").startswith(
        wanted.removeprefix("sha256:")
    )
