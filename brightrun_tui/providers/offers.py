"""What every provider does with the machines it finds: keep those that satisfy the need, cheapest first, for a while."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable

from brightrun_tui.domain.money import Offer
from brightrun_tui.providers.base import Need

GB = 10**9
RELIABLE = 0.95
"""From this share of uptime on, a market's machine is preferred to a cheaper one below it."""


def satisfies(offer: Offer, need: Need) -> bool:
    """Say whether an offer has the GPU that was asked for, enough memory and GPUs, and a price within the limit."""
    machine = offer.hardware
    if not machine.gpu_count:
        return not need.gpu and machine.memory >= need.gpu_memory
    return (
        _plain(need.gpu) in _plain(machine.gpu)
        and machine.gpu_memory >= need.gpu_memory * 0.97
        and machine.gpu_count >= need.gpu_count
        and (need.interruptible or not offer.interruptible)
        and (need.max_price_per_hour is None or offer.price_per_hour <= need.max_price_per_hour)
        and (not offer.host_id or offer.host_id not in need.without_hosts)
    )


def cheapest_first(offers: list[Offer], need: Need) -> list[Offer]:
    return sorted((offer for offer in offers if satisfies(offer, need)), key=lambda o: (o.price_per_hour, o.id))


def relied_upon(offer: Offer) -> bool:
    """Say whether the machine belongs to a data centre or to the person, or has proven reliable on a market."""
    return offer.tier in ("secure", "own") or (offer.reliability or 0.0) >= RELIABLE


def gigabytes(size: int, least: int) -> int:
    """Return whole GB that hold so many bytes, and at least ``least``."""
    return max(least, -(-size // GB))


class OfferCache:
    """Keeps what a search found, as searches are rationed: for as long as this process lives, see `shared_cache`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._found: dict[Need, tuple[float, list[Offer]]] = {}

    async def get(self, need: Need, search: Callable[[Need], Awaitable[list[Offer]]]) -> list[Offer]:
        at, offers = self._found.get(need, (float("-inf"), []))
        if time.monotonic() - at >= self._seconds:
            offers = await search(need)
            self._found[need] = (time.monotonic(), offers)
        return list(offers)

    def forget(self) -> None:
        """Forget what was found: after renting one of them it is no longer true."""
        self._found.clear()


_caches: dict[tuple[str, str], OfferCache] = {}


def shared_cache(url: str, token: str, seconds: float) -> OfferCache:
    """Return one cache an account: a provider that is opened anew must not search anew."""
    account = (url, hashlib.sha256(token.encode()).hexdigest())
    return _caches.setdefault(account, OfferCache(seconds))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower().replace("geforce", "").replace("nvidia", "") if letter.isalnum())
