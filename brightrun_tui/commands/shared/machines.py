"""Rented machines in words."""

from __future__ import annotations

from brightrun_tui.domain.humanize import money
from brightrun_tui.domain.money import Lease


def paid_machine(lease: Lease) -> str:
    """Describe a machine that costs money in one line: what and where it is, and what an hour costs."""
    return f"{lease.gpu or 'a machine'} at {lease.provider} ({lease.provider_id or lease.name}), {money(lease.rate)} an hour"
