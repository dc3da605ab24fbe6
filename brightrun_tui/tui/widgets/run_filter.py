"""The filter of the runs list: words that must fit, ``!word`` that must not, ``field:value`` for one field."""

from __future__ import annotations

from collections.abc import Callable

from brightrun_tui.domain.run import Run

FIELDS: dict[str, Callable[[Run], str]] = {
    "name": lambda run: run.name,
    "state": lambda run: run.state,
    "id": lambda run: run.id,
    "data": lambda run: run.spec.dataset.name,
    "base": lambda run: run.spec.base.id,
    "template": lambda run: run.spec.template,
    "where": lambda run: f"{run.spec.provider} {run.spec.gpu}",
    "sweep": lambda run: run.spec.group,
    "project": lambda run: run.spec.project,
    "phase": lambda run: run.phase,
}
_WITHOUT_FIELD = ("name", "state", "id")


def matches(needle: str, run: Run) -> bool:
    """Say whether every word of ``needle`` fits, whatever the case; a field that there is not is looked for as it stands."""
    return all(_fits(word, lambda field: FIELDS[field](run)) for word in needle.split())


def matches_damaged(needle: str, name: str, id_: str) -> bool:
    """Say the same of a run of which nothing but this is known."""
    known = {"name": name, "state": "damaged", "id": id_}
    return all(_fits(word, lambda field: known.get(field, "")) for word in needle.split())


def _fits(word: str, value: Callable[[str], str]) -> bool:
    wanted = not word.startswith("!")
    word = word.removeprefix("!").casefold()
    field, colon, rest = word.partition(":")
    if colon and field in FIELDS:
        found = rest in value(field).casefold()
    else:
        found = not word or any(word in value(name).casefold() for name in _WITHOUT_FIELD)
    return found == wanted if word else True
