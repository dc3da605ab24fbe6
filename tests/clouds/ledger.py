"""The clouds' clock, and their own book of what every lease cost: billed by the started second."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field


class Clock:
    """Cloud time in seconds since the epoch; it runs ``factor`` times as fast as the wall's."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor
        self._wall = time.time()
        self._started = time.monotonic()

    def now(self) -> float:
        return self._wall + (time.monotonic() - self._started) * self.factor

    def real(self, seconds: float) -> float:
        """How many seconds of the wall's clock these cloud seconds take."""
        return seconds / self.factor


@dataclass
class Segment:
    """A stretch of time at one rate, in US dollars per hour."""

    what: str
    rate: float
    start: float
    end: float | None = None

    def amount(self, now: float) -> float:
        return self.rate / 3600 * math.ceil(round((self.end if self.end is not None else now) - self.start, 6))


@dataclass
class Account:
    """One lease in the book."""

    segments: list[Segment] = field(default_factory=list)
    charges: dict[str, float] = field(default_factory=dict)


class Ledger:
    """Who owes what, in US dollars."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.accounts: dict[str, Account] = {}

    def rate(self, lease: str, what: str, per_hour: float) -> None:
        """From now on ``what`` costs so much an hour; 0 ends it."""
        now = self.clock.now()
        account = self.accounts.setdefault(lease, Account())
        for segment in account.segments:
            if segment.what == what and segment.end is None:
                segment.end = now
        if per_hour:
            account.segments.append(Segment(what, per_hour, now))

    def close(self, lease: str) -> None:
        """The lease costs nothing from now on."""
        for segment in self.accounts.setdefault(lease, Account()).segments:
            if segment.end is None:
                segment.end = self.clock.now()

    def charge(self, lease: str, what: str, amount: float) -> None:
        """A charge that does not depend on time (traffic)."""
        charges = self.accounts.setdefault(lease, Account()).charges
        charges[what] = charges.get(what, 0.0) + amount

    def items(self, lease: str) -> dict[str, float]:
        """What a lease cost up to now, by kind."""
        account, now = self.accounts.get(lease, Account()), self.clock.now()
        items = dict(account.charges)
        for segment in account.segments:
            items[segment.what] = items.get(segment.what, 0.0) + segment.amount(now)
        return items

    def total(self, lease: str | None = None) -> float:
        """What one lease, or all of them, cost up to now."""
        return sum(sum(self.items(one).values()) for one in ([lease] if lease else list(self.accounts)))

    def rate_now(self) -> float:
        """US dollars per hour of everything that is running."""
        return sum(s.rate for a in self.accounts.values() for s in a.segments if s.end is None)
