"""How many runs a machine takes at once, and which run gets which of its GPUs: one rule, for this machine and for any other.

A machine takes as many runs as it has GPUs, one on each; one without GPUs takes one. Who sets a number of slots gets that many
instead, spread evenly. A GPU on which somebody else's processes hold memory is left alone, unless the run may share it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain import humanize

MOST_NAMES = 4
"""Runs that are named in one sentence."""
OTHERS_BYTES = 1 << 30
"""Memory in use on a GPU from which on somebody else is at work there; drivers and screens take less."""

GPUS_PATTERN = r"^\s*(([0-9]+(:[0-9]+)?|(GPU|MIG)-[0-9A-Za-z./-]+)\s*(,\s*|$))*$"
"""A comma list of GPUs: their numbers as nvidia-smi shows them (0, or 0:1 for a part of one), or their UUIDs."""


class Card(BaseModel):
    """A GPU, or a MIG instance of one. Memory in bytes.

    ``id`` is its UUID, as ``CUDA_VISIBLE_DEVICES`` takes it; ``index`` its number on the machine (``0``, ``0:1`` for a part).
    ``others``: memory that processes hold which are not ours; ``who``: what they are, in words, where that is known.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: str
    index: str
    name: str = ""
    memory: int = 0
    free: int = 0
    others: int = 0
    who: str = ""


@dataclass(frozen=True)
class GpuRequest:
    """What a run asks for. ``cards``: numbers or UUIDs, one of which it wants; none: any. ``shared``: other people's memory
    on a card does not matter."""

    cards: tuple[str, ...] = ()
    shared: bool = False

    def fits(self, card: Card) -> bool:
        """Say whether the run may have this card: its number, that of the GPU which it is part of, or its UUID was named."""
        return not self.cards or any(
            one in (card.index, card.index.partition(":")[0], card.id) or (len(one) > 8 and card.id.startswith(one))
            for one in self.cards
        )


@dataclass(frozen=True)
class Holder:
    """A run at work. ``card``: the id of its GPU; empty where it was given none, and has the first one."""

    name: str
    card: str = ""


@dataclass(frozen=True)
class Seats:
    """A machine: its GPUs in order, the runs at work on it, and how many it takes (0: one a GPU, else one)."""

    cards: tuple[Card, ...] = ()
    holders: tuple[Holder, ...] = ()
    slots: int = 0

    @property
    def capacity(self) -> int:
        """Runs that it takes at once."""
        return self.slots or max(1, len(self.cards))

    @property
    def per_card(self) -> int:
        """Runs that one of its GPUs takes at once."""
        return -(-self.capacity // max(1, len(self.cards)))

    def on(self, card: Card) -> list[Holder]:
        """Return the runs at work on a GPU."""
        first = self.cards[0].id if self.cards else ""
        return [holder for holder in self.holders if (holder.card or first) == card.id]

    def with_run(self, name: str, card: Card | None) -> Seats:
        """Return the same machine once another run has begun."""
        return replace(self, holders=(*self.holders, Holder(name, card.id if card else "")))


@dataclass(frozen=True)
class Seat:
    """``granted``: the run may begin, on ``card`` where the machine has GPUs. Else ``waits_for`` says why not."""

    granted: bool
    card: Card | None = None
    waits_for: str = ""


def assign(seats: Seats, gpu_request: GpuRequest) -> Seat:
    """Say where the next run of a machine goes: to the GPU that it may have with the fewest runs, then the most free memory."""
    if gpu_request.cards and not any(map(gpu_request.fits, seats.cards)):
        there = ", ".join(card.index for card in seats.cards) or "none"
        return Seat(False, waits_for=f"GPU {', '.join(gpu_request.cards)}, which this machine has not; it has {there}")
    free = [card for card in seats.cards if gpu_request.fits(card) and not why_not(seats, card, gpu_request)]
    if seats.cards and not free:
        why = "; ".join(
            f"{card.index} {why_not(seats, card, gpu_request)}" for card in seats.cards if gpu_request.fits(card)
        )
        return Seat(False, waits_for=f"a free GPU: {why}")
    if len(seats.holders) >= seats.capacity:
        said = f"{names(seats.holders)} at work, and this machine takes {seats.capacity} at once"
        return Seat(False, waits_for=f"a free place: {said}")
    if not seats.cards:
        return Seat(True)
    at = {card.id: place for place, card in enumerate(seats.cards)}
    best = min(free, key=lambda card: (len(seats.on(card)), -card.free, at[card.id]))
    return Seat(True, best)


def why_not(seats: Seats, card: Card, gpu_request: GpuRequest) -> str:
    """Say why a run cannot begin on a GPU now, in words that follow its number; empty where it can."""
    here = seats.on(card)
    if len(here) >= seats.per_card:
        return f"busy with {names(here)}"
    if here or gpu_request.shared or card.others <= OTHERS_BYTES:
        return ""
    return f"used by {card.who or 'another process'} ({humanize.size(card.others)})"


def names(holders: Sequence[Holder]) -> str:
    """Return “run a”, “runs a and b” or “runs a, b, c and 4 others”; a name that several share is said once."""
    told = list(dict.fromkeys(holder.name for holder in holders))
    if len(told) > MOST_NAMES:
        told = [*told[: MOST_NAMES - 1], f"{len(told) - MOST_NAMES + 1} others"]
    return f"run {told[0]}" if len(told) == 1 else f"runs {', '.join(told[:-1])} and {told[-1]}"


def chosen(text: str) -> tuple[str, ...]:
    """Return the GPUs of a comma list that fits `GPUS_PATTERN`."""
    return tuple(word for word in re.split(r"[\s,]+", text) if word)
