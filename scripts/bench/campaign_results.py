"""What came of a campaign, or of a part of one: numbers that add up, and the files in which parts are kept."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path

LARGEST = {"over_usd", "off_usd", "late_seconds"}
"""Of these the largest counts, of all others the sum."""


@dataclass
class Result:
    """Counts, unless the name says otherwise. ``roomy``: runs that neither a tight budget nor an empty account ended."""

    runs: int = 0
    engine_kills: int = 0
    app_kills: int = 0
    nights: int = 0
    leases: int = 0
    leaked: int = 0
    doubled: int = 0
    over_usd: float = 0.0
    lost: int = 0
    trusted: int = 0
    off_usd: float = 0.0
    far: int = 0
    completed: int = 0
    roomy: int = 0
    poor: int = 0
    foreign: int = 0
    late_seconds: float = 0.0
    minutes: float = 0.0
    tight: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    double: list[list[object]] = field(default_factory=list)

    @classmethod
    def total(cls, parts: Iterable[Result]) -> Result:
        """Add up all parts into one result."""
        whole = cls()
        for part in parts:
            for one in fields(cls):
                now, more = getattr(whole, one.name), getattr(part, one.name)
                setattr(whole, one.name, max(now, more) if one.name in LARGEST else now + more)
        return whole

    def table(self) -> dict[str, object]:
        """Return the rows for people, the most important first."""
        share = f"{100 * self.completed / self.roomy:.1f} %" if self.roomy else "–"
        return {
            "runs": self.runs,
            "faults injected": sum(self.faults.values()),
            "engine kills": self.engine_kills,
            "app kills": self.app_kills,
            "nights without an engine": self.nights,
            "leases created": self.leases,
            "leases leaked": self.leaked,
            "double-rented": self.doubled,
            "dollars beyond a budget": round(self.over_usd, 6),
            "finished models lost": self.lost,
            "data sent to a GPU that is not fit": self.trusted,
            "furthest of a run's cost from the clouds' book ($)": round(self.off_usd, 6),
            "runs further than a cent from it": self.far,
            "completed without help": f"{share} of {self.roomy}",
            "ended for want of money, which only a person can add": self.poor,
            "with a tight budget": dict(self.tight),
            "foreign machines touched": self.foreign,
            "longest billing after the end (s)": round(self.late_seconds, 1),
            "not completed": dict(self.failures),
            "double": self.double[:5],
            "faults by kind": dict(self.faults),
            "minutes": round(self.minutes, 1),
        }


@dataclass(frozen=True)
class Parts:
    """A campaign that is played in parts, each with a seed of its own, and each kept in a file once it is through.

    What is cut off loses the part that it was at. Parts of another campaign (seed, runs, parallel) are not counted.
    """

    directory: Path
    seed: int
    runs: int
    of: int
    parallel: int

    @property
    def plan(self) -> list[tuple[str, int]]:
        """Seed and runs of each part."""
        each, rest = divmod(self.runs, self.of)
        return [(f"{self.seed}.{number}", each + (number < rest)) for number in range(self.of)]

    def open(self) -> list[tuple[str, int]]:
        """Return the parts that are still to be played."""
        return [(seed, runs) for seed, runs in self.plan if self._read(seed, runs) is None]

    def keep(self, seed: str, runs: int, result: Result) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        document = {**self._head(seed, runs), "result": vars(result)}
        aside = self._file(seed).with_suffix(".part")
        aside.write_text(json.dumps(document, indent=1))
        os.replace(aside, self._file(seed))

    def results(self) -> list[Result]:
        """Return the results of the parts that are through."""
        return [found for seed, runs in self.plan if (found := self._read(seed, runs)) is not None]

    def _head(self, seed: str, runs: int) -> dict[str, object]:
        return {"seed": seed, "runs": runs, "parallel": self.parallel}

    def _file(self, seed: str) -> Path:
        return self.directory / f"part-{seed}.json"

    def _read(self, seed: str, runs: int) -> Result | None:
        try:
            document = json.loads(self._file(seed).read_text())
        except (OSError, ValueError):
            return None
        if any(document.get(key) != value for key, value in self._head(seed, runs).items()):
            return None
        found = Result(**document["result"])
        found.tight, found.failures, found.faults = map(Counter, (found.tight, found.failures, found.faults))
        return found
