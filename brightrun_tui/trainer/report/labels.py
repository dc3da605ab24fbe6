"""Answers that are labels: which stand in a text, and whether they are the wanted ones."""

from __future__ import annotations

import re

from brightrun_tui.domain.findings import Mark
from brightrun_tui.trainer.report.enumerated import members
from brightrun_tui.trainer.report.facts import UNSPACED, read_facts
from brightrun_tui.trainer.report.stems import folded


def labels_in(said: str, labels: frozenset[str]) -> set[str]:
    """Return the labels that stand in the text, the longest at each place."""
    words = folded(said)
    found: set[str] = set()
    for label in sorted(labels, key=len, reverse=True):
        pattern = rf"(?<!\w){re.escape(label)}(?!\w)" if not re.search(f"[{UNSPACED}]", label) else re.escape(label)
        if any(read_facts(words[: one.start()] + "x").denied for one in re.finditer(pattern, words)):
            found.add(f"not {label}")
        words, times = re.subn(pattern, "\n", words)
        if times:
            found.add(label)
    return found


def mark_labels(wanted: set[str], said: set[str]) -> Mark:
    """Mark labels, in whatever order where there are several in one answer; some of those and no others are partly right."""
    ours, theirs = (set().union(*(members(label) or {label} for label in labels)) for labels in (wanted, said))
    return "right" if ours == theirs else "partly" if theirs and theirs < ours else "wrong"
