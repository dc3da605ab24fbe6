"""Everything that can be made to go wrong in a stand-in cloud."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from tests.clouds.ledger import Clock

KNOWN = {
    "create_500": "create answers 500 although the machine exists",
    "create_500_nothing": "create answers 500 and there is no machine",
    "create_hangs": "create makes the machine and does not answer for `value` seconds, then drops the connection",
    "create_odd": "create makes the machine and answers 200 with something that is not a JSON",
    "create_rejected_but_exists": "create answers an error that carries the id of a stopped machine (Vast)",
    "no_capacity": "create and catalogue find no machine",
    "rate_limit": "429 as the provider words it, with Retry-After `value` where the provider sends one",
    "rate_limit_plain": "429 as plain text",
    "search_quota": "429 search_quota_exceeded: the day's searches are used up (Vast)",
    "list_misses": "lists leave the newest machine out",
    "list_null": "lists answer null where the machines should be",
    "get_misses": "reading one machine answers 404 although it lives",
    "ssh_late": "SSH opens `value` seconds after the status says running",
    "key_refused": "SSH refuses the right key for `value` seconds",
    "never_ready": "a new machine never gets past starting",
    "starts_broken": "a new machine ends in an error while starting",
    "no_gpus": "nvidia-smi on a new machine shows no GPU",
    "gpu_unfit": "a new machine's GPU does not do what such a card does: the words are `value`",
    "direct_blocked": "the direct SSH port of a new machine refuses; the proxy works (Vast)",
    "public_key_null": "the new machine's PUBLIC_KEY is the word null (RunPod)",
    "price_jump": "a new machine costs `value` times the quoted price",
    "new_ids": "every search gives the offers other ids; the old ones are gone (Vast)",
    "delete_ignored": "delete answers as if done, and the machine stays",
    "delete_fails": "delete answers 500",
    "scoped_key_refused": "the machine's own key may not delete it",
    "api_down": "every request answers 503",
    "api_slow": "every request takes `value` seconds longer",
    "plain_error": "every request answers 502 with an HTML page",
    "edge_block": "every request answers 403 `error code: 1010`",
    "odd_status": "machines report the status `value`",
    "bill_late": "what a machine cost is not known to the provider's billing yet",
    "no_funds": "create answers that the money is used up",
    "workers_odd": "the workers of an endpoint are answered as no list (RunPod serverless)",
    "invoke_status": "whoever asks a model gets the status `value` (RunPod serverless)",
    "graphql_errors": "GraphQL answers 200 with errors (RunPod)",
    "graphql_gone": "the GraphQL address is no more (RunPod)",
}


@dataclass
class Fault:
    """One switched-on fault: for ``count`` occasions, until a cloud time, or until cleared."""

    name: str
    count: int | None = None
    until: float | None = None
    value: Any = None


class Faults:
    """The switchboard. Safe to use from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._faults: dict[str, Fault] = {}
        self._lock = threading.Lock()
        self.hits: dict[str, int] = {}

    def set(self, name: str, *, count: int | None = None, seconds: float | None = None, value: Any = None) -> None:
        """Switch on; ``seconds`` are cloud seconds."""
        if name not in KNOWN:
            raise ValueError(f"no such fault: {name}; known: {', '.join(KNOWN)}")
        until = self._clock.now() + seconds if seconds is not None else None
        with self._lock:
            self._faults[name] = Fault(name, count, until, value)

    def clear(self, name: str = "") -> None:
        with self._lock:
            if name:
                self._faults.pop(name, None)
            else:
                self._faults.clear()

    def hit(self, name: str) -> Fault | None:
        """The fault if it is on, using up one occasion."""
        with self._lock:
            fault = self._faults.get(name)
            if fault is None:
                return None
            if fault.until is not None and self._clock.now() >= fault.until:
                del self._faults[name]
                return None
            if fault.count is not None:
                fault.count -= 1
                if fault.count <= 0:
                    del self._faults[name]
            self.hits[name] = self.hits.get(name, 0) + 1
            return fault

    def on(self) -> list[Fault]:
        with self._lock:
            return list(self._faults.values())
