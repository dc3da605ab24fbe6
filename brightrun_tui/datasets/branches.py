"""Conversations that go several ways: an answer that was asked for again, a question that was written anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from brightrun_tui.datasets.parsed import scalar

_OWN = ("id", "uuid", "messageid", "messageuuid")
_BEFORE = ("parentmessageuuid", "parentmessageid", "parentuuid", "parentid", "parent")
_SHOWN = ("currentleafmessageuuid", "currentleaf", "currentnode", "currentid", "currentmessageid")
"""How fields are called, without dashes and capitals: a turn's own id, that of the one before it, that of the one shown last."""


def way_shown(turns: Sequence[Any], record: Mapping[str, Any], speaker_of: Callable[[Any], str]) -> list[Any]:
    """Return the turns without those that lie on another way than the one that was shown last: as the record says, or the file's
    last turn. All of them where there is one way only, or ids do not tell.

    Ways part where several turns of one speaker follow the same turn; a thread, in which all answer the first, has one way.
    """
    own, before = _field(turns[-1], _OWN), _field(turns[-1], _BEFORE)
    if not own or not before or not all(isinstance(turn, dict) for turn in turns):
        return list(turns)
    ids = [scalar(turn.get(own)) for turn in turns]
    parents = dict(zip(ids, (scalar(turn.get(before)) for turn in turns), strict=True))
    if len(parents) < len(turns) or not any(parent in parents for parent in parents.values()):
        return list(turns)
    following: dict[str, set[str]] = {}
    for turn, parent in zip(turns, parents.values(), strict=True):
        following.setdefault(parent, set()).add(speaker_of(turn))
    said = next((scalar(record[name]) for name in record if _plain(str(name)) in _SHOWN), "")
    surely = said in parents or _plain(before).startswith("parentmessage") or len(following.keys() & parents.keys()) > 1
    if len(following) == len(turns) or not surely or any(len(speakers) > 1 for speakers in following.values()):
        return list(turns)
    shown = _way_up(said if said in parents else ids[-1], parents)
    beginning = parents[shown[-1]]
    kept = []
    for turn, place in zip(turns, ids, strict=True):
        way = _way_up(place, parents)
        parted = any(parents[one] in shown for one in way) or parents[way[-1]] == beginning
        if place in shown or not parted:
            kept.append(turn)
    return kept


def _way_up(place: str, parents: Mapping[str, str]) -> list[str]:
    """Return a turn's id, and those of the turns before it, up to the first."""
    way: list[str] = []
    while place in parents and place not in way and len(way) <= len(parents):
        way.append(place)
        place = parents[place]
    return way


def _field(turn: Any, names: Sequence[str]) -> str:
    if not isinstance(turn, dict) or len(turn) < 4:
        return ""
    plain = {_plain(str(name)): str(name) for name in turn}
    return next((plain[name] for name in names if name in plain), "")


@lru_cache(maxsize=1024)
def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")
