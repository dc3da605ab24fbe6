"""What workers that come and go have cost: the times in which each of them was seen to run, at its price."""

from __future__ import annotations

from collections.abc import Sequence

from brightrun_tui.domain.money import Lease, LeaseChanges, Stretch
from brightrun_tui.providers.serverless import ServerlessWorker

MOST_STRETCHES = 400
"""Kept of one lease; older ones are made into one that cost the same."""
UNSEEN_SECONDS = 60.0
"""A worker that was gone at the next look is taken to have run until then, but no longer than this: the bill says the rest."""


def counted(lease: Lease, workers: Sequence[ServerlessWorker], now: float) -> LeaseChanges:
    """Return what a look at the workers of a lease at ``now`` (seconds since the epoch) changes of it; nothing if none ran."""
    running = {worker.id: worker for worker in workers if worker.seconds is not None}
    prices = {name: lease.quoted_per_hour if one.per_hour is None else one.per_hour for name, one in running.items()}
    ended = [known for known in lease.stretches if not known.worker]
    still: list[Stretch] = []
    for known in lease.stretches:
        worker = running.get(known.worker)
        if worker is not None and now - (worker.seconds or 0.0) <= known.until + 1.0:
            still.append(known.model_copy(update={"until": max(known.until, now)}))
        elif known.worker:
            ended.append(
                known.model_copy(
                    update={"until": max(known.until, min(now, known.until + UNSEEN_SECONDS)), "worker": ""}
                )
            )
    for name in running.keys() - {one.worker for one in still}:
        begin = min(now, max(lease.created_at, now - (running[name].seconds or 0.0)))
        still.append(Stretch(worker=name, begin=begin, until=now, per_hour=prices[name]))
    found = (*_folded(ended), *still)
    if found == lease.stretches:
        return LeaseChanges()
    return LeaseChanges(stretches=found, price_per_hour=sum(prices.values()))


def _folded(stretches: list[Stretch]) -> list[Stretch]:
    """Return the same money in no more than `MOST_STRETCHES`, the oldest ones as one."""
    spare = len(stretches) - MOST_STRETCHES
    if spare <= 0:
        return stretches
    old, rest = stretches[: spare + 1], stretches[spare + 1 :]
    begin, until = min(one.begin for one in old), max(one.until for one in old)
    hours = (until - begin) / 3600
    usd = sum(one.usd for one in old)
    return [Stretch(worker="", begin=begin, until=until, per_hour=usd / hours if hours else 0.0), *rest]
