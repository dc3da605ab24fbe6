"""Any number of versions side by side, by the rules that hold for two."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.evaluation import Evaluation
from brightrun_tui.domain.model import NOT_MEASURED_HERE, ModelVersion, SampleAnswer
from brightrun_tui.registry.compare import Comparison, compare
from brightrun_tui.registry.data_diff import LearntData
from brightrun_tui.registry.leaderboard import Board, shared_boards


class ManyRow(BaseModel):
    """One fact of every version, in their order. ``best``: the place of the one that is better than every other, else None."""

    model_config = ConfigDict(frozen=True)

    what: str
    values: tuple[str, ...]
    best: int | None = None


class ManyAnswer(BaseModel):
    """One question that all of them answered; ``wanted`` is empty where it is not known; ``turns``: of the question."""

    model_config = ConfigDict(frozen=True)

    question: str
    wanted: str
    answers: tuple[str, ...]
    turns: tuple[str, ...] = Field((), exclude=True)


class ManyComparison(BaseModel):
    """``settings`` holds only those that differ; ``cautions``: for pairs that were not measured alike, why. ``boards``:
    where some were measured again on the same records. ``data``: what each learnt from; empty where nobody asked for that.
    """

    model_config = ConfigDict(frozen=True)

    models: tuple[str, ...]
    facts: tuple[ManyRow, ...]
    settings: tuple[ManyRow, ...]
    answers: tuple[ManyAnswer, ...]
    cautions: tuple[str, ...] = ()
    boards: tuple[Board, ...] = ()
    data: tuple[LearntData, ...] = ()


def compare_many(
    versions: Sequence[ModelVersion], measured: Sequence[Evaluation] = (), data: Sequence[LearntData] = ()
) -> ManyComparison:
    """Put them side by side; ``measured``: besides their report cards; ``data``: what they learnt from, by `data_differences`.

    Raises:
        UsageError: fewer than two different versions.
    """
    if len({version.ref for version in versions}) < 2:
        raise UsageError(
            "there is nothing to compare", fix="name two versions or more", kind=ErrorKind.BAD_OPTION, where="compare"
        )
    pairs = {
        (a, b): compare(versions[a], versions[b]) for a in range(len(versions)) for b in range(len(versions)) if a < b
    }
    cautions = dict.fromkeys(
        f"{found.a} and {found.b}: {found.caution}" if len(versions) > 2 else found.caution
        for found in pairs.values()
        if found.caution
    )
    return ManyComparison(
        models=tuple(version.ref for version in versions),
        facts=tuple(_rows(pairs, len(versions), "facts")),
        settings=tuple(_rows(pairs, len(versions), "settings")),
        answers=tuple(_answers(versions, measured)),
        cautions=(*cautions, *_taken_in(versions)),
        boards=tuple(shared_boards(versions, measured)),
        data=tuple(data),
    )


def _taken_in(versions: Sequence[ModelVersion]) -> list[str]:
    """Caution about versions whose numbers are somebody else's word."""
    return [
        f"{each.ref}: {NOT_MEASURED_HERE[0].lower()}{NOT_MEASURED_HERE[1:]}" for each in versions if each.from_elsewhere
    ]


def _rows(pairs: dict[tuple[int, int], Comparison], count: int, part: str) -> list[ManyRow]:
    """Return every row that some pair has; a version that no pair knows the fact of has a dash."""
    names: dict[str, None] = {}
    values: dict[str, dict[int, str]] = {}
    wins: dict[str, set[tuple[int, int]]] = {}
    for (a, b), found in pairs.items():
        for row in getattr(found, part):
            names.setdefault(row.what)
            values.setdefault(row.what, {}).update({a: row.a, b: row.b})
            if row.better:
                wins.setdefault(row.what, set()).add((a, b) if row.better == "a" else (b, a))
    if part == "settings":  # of which a pair holds only those in which these two differ
        for a, b in pairs:
            for known in values.values():
                if (a in known) != (b in known):
                    known.setdefault(a, known.get(b, "–"))
                    known.setdefault(b, known.get(a, "–"))
    return [
        ManyRow(
            what=what,
            values=tuple(values[what].get(place, "–") for place in range(count)),
            best=next(
                (
                    place
                    for place in range(count)
                    if all((place, other) in wins.get(what, ()) for other in range(count) if other != place)
                ),
                None,
            ),
        )
        for what in names
    ]


def _answers(versions: Sequence[ModelVersion], measured: Sequence[Evaluation]) -> list[ManyAnswer]:
    """Return the questions that every one of them answered, for its report card or whenever it was measured later."""
    known = [_answered(version, measured) for version in versions]
    return [
        ManyAnswer(
            question=sample.asked,
            wanted=sample.reference,
            answers=tuple(samples[prompt].tuned for samples in known),
            turns=tuple(said for _, said in sample.turns),
        )
        for prompt, sample in known[0].items()
        if all(prompt in samples for samples in known)
    ]


def _answered(version: ModelVersion, measured: Sequence[Evaluation]) -> dict[str, SampleAnswer]:
    """Return answers by prompt; the newest where it was asked several times outside its report card."""
    later = sorted((each for each in measured if each.ref == version.ref), key=lambda each: -each.created_at)
    found: dict[str, SampleAnswer] = {}
    for sample in [*version.report.samples, *(sample for each in later for sample in each.samples)]:
        found.setdefault(repr(sample.prompt), sample)
    return found
