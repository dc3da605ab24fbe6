"""Rented machines in words: what a run has, had, and what each of them cost."""

from __future__ import annotations

import time
from collections.abc import Sequence

from textual.content import Content

from brightrun_tui.domain import humanize
from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.service_names import HERE, OWN_BOXES
from brightrun_tui.domain.spending import total
from brightrun_tui.tui.snapshot import hourly
from brightrun_tui.tui.widgets import cells, reflow
from brightrun_tui.tui.widgets.places import place

MARKS = {
    "intended": ("◌", "being rented", "$secondary"),
    "unclear": ("!", "perhaps rented", "bold $error"),
    "live": ("●", "rented", "$success"),
    "releasing": ("!", "still billing", "bold $error"),
    "released": ("✓", "returned", "$muted"),
}


def billing(lease: Lease, width: int) -> Content:
    """Return a machine that is not proven gone, although it should be."""
    if lease.provider == OWN_BOXES:
        return Content.styled(f"◌ cleaning up {cells.one_line(lease.provider_id)}", "$muted").truncate(
            width, ellipsis=True
        )
    price = f"{humanize.money(hourly(lease))}/h" if hourly(lease) else "price unknown"
    note = cells.one_line(lease.note) or "asked to end; not yet proven gone"
    said = f" {price} · {place(lease.provider)} {lease.provider_id or lease.name} · {note}"
    return Content.assemble(("! still billing", "bold $error"), (said, "$error")).truncate(width, ellipsis=True)


def machines(leases: Sequence[Lease], width: int) -> reflow.Lines:
    """Return every machine of a run, the newest first: how it is, its price, how long, what it cost, what was billed."""
    rented = [lease for lease in leases if lease.provider_id or lease.state != "released"]
    if not rented:
        return []
    now = time.time()
    cost = total(lease.spending(now) for lease in rented).total
    lines = reflow.heading("Machines", width, f"{humanize.money_counted(cost)} in total" if cost else "")
    for lease in rented:
        lines += _machine(lease, now, width)
    refused = len(leases) - len(rented)
    if refused:
        lines.append(Content.styled(f"and {refused} that could not be rented; nothing was paid for them", "$faint"))
    return lines


def _machine(lease: Lease, now: float, width: int) -> reflow.Lines:
    glyph, word, style = MARKS[lease.state]
    if lease.provider == OWN_BOXES:
        word = {"live": "in use", "releasing": "being cleaned up", "released": "left as it was"}.get(lease.state, word)
        style = "$muted" if lease.state == "releasing" else style
    what = " ".join(part for part in (cells.one_line(lease.gpu), place(lease.provider), lease.provider_id) if part)
    head = Content.assemble((f"{glyph} {word}", style), "  ", (what, "bold"))
    lines = [head.truncate(width, ellipsis=True)]
    if lease.provider_id:
        rate = f"{humanize.money(hourly(lease))}/h" if hourly(lease) else "free"
        if lease.quoted_per_hour and abs(hourly(lease) - lease.quoted_per_hour) > 0.005:
            rate += f" (quoted {humanize.money(lease.quoted_per_hour)})"
        lasted = humanize.duration((lease.released_at or now) - lease.created_at)
        facts = [rate, lasted] + ([humanize.money_counted(lease.spending(now).total)] if hourly(lease) else [])
        facts += [f"billed {humanize.money_counted(lease.billed_usd)}"] if lease.billed_usd is not None else []
        lines += reflow.indented(reflow.text(" · ".join(facts), width - 2, "$muted"))
    if said := lease.note or lease.reason:
        lines += reflow.indented(reflow.text(said, width - 2, "$faint", most=2))
    return lines


def cost_words(run: Run, leases: Sequence[Lease] = ()) -> str:
    """Write as ``$0.0312 of $5.00``; with what its machines cost an hour, and all of it in the end, where these are known."""
    if run.spec.provider in (HERE, OWN_BOXES) and not run.cost_usd:
        return "free"
    budget = run.limits.budget_usd
    rate = sum(hourly(lease) for lease in leases)
    end = run.cost_at_end(rate)
    return (
        humanize.money_counted(run.cost_usd)
        + (f" of {humanize.money(budget)}" if budget else "")
        + (f" at {humanize.money(rate)}/h" if rate and run.active else "")
        + (f", about {humanize.money(end)} at the end" if end is not None else "")
    )


def cost_brief(run: Run, leases: Sequence[Lease] = ()) -> str:
    """Write as ``$4.31 → $4.36 of $5.00``: now, at the end, and its budget, as far as these are known."""
    end = run.cost_at_end(sum(hourly(lease) for lease in leases))
    if not run.cost_usd and end is None:
        return cost_words(run, leases)
    budget = run.limits.budget_usd
    return (
        humanize.money_counted(run.cost_usd)
        + (f" → {humanize.money(end)}" if end is not None else "")
        + (f" of {humanize.money(budget)}" if budget else "")
    )
