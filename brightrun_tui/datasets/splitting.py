"""Which records are held out: deterministic, by content, whole groups only."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from brightrun_tui.domain.dataset import Record

ONE_GROUP_NOTE = ("All records belong to one conversation, so the held-out records come from it too: "
                  "the held-out loss will look better than it is.")
ONE_RECORD_NOTE = "All records are the same, so none could be held out."


class SplitKey(NamedTuple):
    """All that the split needs to know of a record: hashes of its group (empty when it has none) and of its content."""

    group: bytes
    content: bytes


class SplitPlan(NamedTuple):
    """``held_out`` has one entry a record; ``note`` is a sentence for people, empty when all is as asked."""

    held_out: list[bool]
    note: str


def split(records: Sequence[Record], eval_fraction: float, eval_max: int, seed: int) -> tuple[list[Record], list[Record]]:
    """Training and held-out records, each in the given order (see `plan_split`)."""
    plan = plan_split([split_key(record) for record in records], eval_fraction, eval_max, seed)
    sides: tuple[list[Record], list[Record]] = ([], [])
    for record, held_out in zip(records, plan.held_out, strict=True):
        sides[held_out].append(record)
    return sides


def plan_split(keys: Sequence[SplitKey], eval_fraction: float, eval_max: int, seed: int) -> SplitPlan:
    """Choose the records to hold out.

    Records of one group, and records of equal content, stay on one side. Whole groups are taken in the order of
    a hash of seed and content, so that the choice does not depend on the order of the file, until their number
    is as close to ``eval_fraction`` of all records as whole groups allow, and at most ``eval_max``. With two
    groups or more each side gets at least one. With a single group its records are split one by one.
    """
    units = _units(keys)
    note = ""
    if len(units) == 1:
        units = _units([SplitKey(b"", key.content) for key in keys])
        note = ONE_GROUP_NOTE if len(units) > 1 else ONE_RECORD_NOTE
    held_out = [False] * len(keys)
    if len(units) < 2:
        return SplitPlan(held_out, note if len(keys) > 1 else "")
    order = sorted(units, key=lambda unit: _rank(seed, min(keys[i].content for i in unit)))
    target = max(1, min(eval_max, round(len(keys) * eval_fraction), len(keys) - 1))
    for unit in _choose(order, target, eval_max, len(keys)):
        for index in unit:
            held_out[index] = True
    return SplitPlan(held_out, note)


def split_key(record: Record) -> SplitKey:
    return SplitKey(_digest(record.group) if record.group else b"", content_key(record))


def content_key(record: Record) -> bytes:
    """16 bytes that tell the messages of one record from those of another."""
    return _digest("\x1e".join(f"{m.role}\x1f{m.train:d}\x1f{m.content}" for m in record.messages))


def _units(keys: Sequence[SplitKey]) -> list[list[int]]:
    """Indices of records that must stay together: linked by group or by content, also through one another."""
    parent: dict[bytes, bytes] = {}

    def find(node: bytes) -> bytes:
        root = node
        while parent.setdefault(root, root) != root:
            root = parent[root]
        while parent[node] != root:
            parent[node], node = root, parent[node]
        return root

    for group, content in keys:
        content_root = find(b"content" + content)
        if group:
            parent[content_root] = find(b"group" + group)
    units: dict[bytes, list[int]] = {}
    for index, (_, content) in enumerate(keys):
        units.setdefault(find(b"content" + content), []).append(index)
    return list(units.values())


def _choose(order: Sequence[list[int]], target: int, eval_max: int, total: int) -> list[list[int]]:
    """Units in this order as long as they fit, then one more if that comes closer to the target."""
    chosen, left, taken = [], [], 0
    for unit in order:
        if taken + len(unit) <= target:
            chosen.append(unit)
            taken += len(unit)
        else:
            left.append(unit)
    fitting = [unit for unit in left if taken + len(unit) <= min(eval_max, total - 1)]
    extra = min(fitting, key=len, default=None)
    if extra is not None and taken + len(extra) - target < target - taken:
        chosen.append(extra)
    return chosen or [min(order, key=len)]


def _rank(seed: int, content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16, key=str(seed).encode()[:64]).digest()


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
