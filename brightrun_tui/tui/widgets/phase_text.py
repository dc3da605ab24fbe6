"""Where the time of a run went, and the money: its phases in order, from the first machine on."""

from __future__ import annotations

import time
from dataclasses import dataclass

from textual.content import Content

from brightrun_tui.domain import humanize
from brightrun_tui.domain.events import PhaseName
from brightrun_tui.domain.run import Run
from brightrun_tui.tui.snapshot import RunDetail
from brightrun_tui.tui.widgets import cells, reflow

RENTING = "renting"
"""What comes before the first word of a worker on a machine that is paid for."""
LEAST_SECONDS = 0.5
"""A phase that was shorter, and cost nothing, is not worth a word."""
PREPARING: str = PhaseName.PREPARING
"""What comes before that, and the data as tokens."""


@dataclass(frozen=True)
class Spent:
    """All of one phase, however often it came: seconds, and US dollars that its machines cost meanwhile."""

    name: str
    seconds: float
    dollars: float


def phase_times(run: Run, detail: RunDetail, now: float | None = None) -> list[Spent]:
    """Return each phase in the order in which it came first. What lies between two workers, a pause above all, belongs to
    none.
    """
    now = time.time() if now is None else now
    end = run.finished_at or now
    if not run.active and run.finished_at is None and detail.phases:
        end = max(detail.phases[-1].time, run.updated_at)
    begins = [(event.time, event.body.phase) for event in detail.phases]
    rented = min((lease.created_at for lease in detail.leases if lease.costs and lease.provider_id), default=None)
    if rented is not None and (not begins or rented < begins[0][0]):
        begins.insert(0, (rented, RENTING))
    preparing = run.preparing_seconds(now)
    spent = {PREPARING: Spent(PREPARING, preparing, 0.0)} if preparing else {}
    for (begin, name), until in zip(begins, [*(begin for begin, _ in begins[1:]), end][: len(begins)], strict=True):
        until = min([until, *(one.time for one in detail.ends if begin < one.time)])
        before = spent.get(name, Spent(name, 0.0, 0.0))
        dollars = sum(lease.spending(now, begin, until).total for lease in detail.leases)
        spent[name] = Spent(name, before.seconds + max(0.0, until - begin), before.dollars + dollars)
    if preparing and RENTING in spent:  # which is a part of it
        own = spent[PREPARING].seconds - min(spent[RENTING].seconds, preparing)
        spent[PREPARING] = Spent(PREPARING, own, spent[PREPARING].dollars)
    now_in = run.phase if run.active else ""
    return [one for one in spent.values() if one.seconds >= LEAST_SECONDS or one.dollars or one.name == now_in]


def phase_strip(run: Run, detail: RunDetail | None, width: int) -> Content | None:
    """Return ``renting 2 min 10 s $0.0159 ▸ training 3 min 05 s $0.0226``: where time and money went; None where
    nothing is known yet.

    Where there is no room for all of it the first phases are left out: the newest is what one waits for.
    """
    spent = phase_times(run, detail) if detail is not None else []
    if not spent:
        return None
    now = run.phase if run.active else ""
    parts = [
        Content.assemble(
            (cells.one_line(one.name), "bold $primary" if one.name == now else "$muted"),
            (f" {humanize.duration(one.seconds)}", "$muted"),
            (f" {humanize.money(one.dollars)}" if one.dollars else "", "$muted"),
        )
        for one in spent
    ]
    arrow = Content.styled(" ▸ ", "$line")
    line, left_out = arrow.join(parts), 0
    while line.cell_length > width and left_out < len(parts) - 1:
        left_out += 1
        line = Content.assemble(("… ", "$muted"), arrow.join(parts[left_out:]))
    return line.truncate(width, ellipsis=True)


def phase_list(run: Run, detail: RunDetail) -> reflow.Lines:
    """Return a line for each phase."""
    return [
        Content.assemble(
            cells.fit(one.name, 14),
            (humanize.duration(one.seconds).rjust(12), "$muted"),
            (f"   {humanize.money(one.dollars)}" if one.dollars else "", "$muted"),
        )
        for one in phase_times(run, detail)
    ]
