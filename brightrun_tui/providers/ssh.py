"""Machines of one's own, reached over SSH. Nothing is rented: a lease is a directory of ours on the box."""

from __future__ import annotations

import asyncio
import json
import shlex
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import (
    BadCredentialError,
    HostError,
    HostRefusedError,
    NoCapacityError,
    NotConnectedError,
    ProviderDownError,
    RejectedRequestError,
)
from brightrun_tui.domain.money import Offer
from brightrun_tui.domain.slots import GpuRequest, Seats, assign
from brightrun_tui.foreign_answers import NONSENSE
from brightrun_tui.hosts.boot import GuardOptions
from brightrun_tui.hosts.connection import SshTimings, known_host_key
from brightrun_tui.hosts.ssh import SshHost
from brightrun_tui.providers.amounts import moment
from brightrun_tui.providers.base import Account, Machine, Need
from brightrun_tui.providers.box import SshBox
from brightrun_tui.providers.box_facts import GPU_FILE, LEASES, QUESTION, BoxFacts, as_gpu_id
from brightrun_tui.providers.names import belongs_to
from brightrun_tui.providers.offers import cheapest_first
from brightrun_tui.providers.reach import host_for

SERVICE = "SSH"
FILE_LIMIT = 4096
"""Bytes that are read of a small file on a box; ours have fewer."""
_CLAIM = """
umask 077; mkdir -p {leases} && cd {leases} || exit 1
exec 9<. && flock -w 20 9 2>/dev/null
all=0; same=0; mine={gpu}; first={first}
for lease in */; do
  [ -d "$lease" ] && [ "$lease" != {name}/ ] || continue
  gpu=$(head -c 200 "$lease{gpu_file}" 2>/dev/null)
  all=$((all + 1)); [ "${{gpu:-$first}}" = "$mine" ] && same=$((same + 1))
done
[ $all -lt {capacity} ] && [ $same -lt {per_card} ] || {{ echo busy; exit 0; }}
mkdir -p {name} && printf %s "$mine" > {name}/{gpu_file} && cat > {name}/lease.json && echo taken
"""
"""Takes a place on a box, or finds that others were quicker: whoever holds the directory decides, installations side by side."""


class Ssh:
    """Implements `providers.base.Provider` and `OwnMachines` for boxes that need no renting. A run has a GPU of its own there."""

    name = "ssh"

    def __init__(self, boxes: Mapping[str, SshBox], *, timings: SshTimings | None = None) -> None:
        self.boxes = dict(boxes)
        self._timings = (timings or SshTimings()).model_copy(update={"patience_seconds": 5.0})

    async def check(self) -> Account:
        await self._look_everywhere()
        return Account(who=", ".join(self.boxes))

    async def survey(self) -> dict[str, str | NotConnectedError]:
        """Describe every box in words, or say why it cannot be reached. Raises as `check`."""
        facts = await self._look_everywhere()
        return {name: seen.describe() if isinstance(seen, BoxFacts) else seen for name, seen in facts.items()}

    async def seats(self) -> dict[str, Seats]:
        """Return the seats of every box that can be reached. Raises as `check`."""
        facts = await self._look_everywhere()
        return {name: seen.seats(self.boxes[name].slots) for name, seen in facts.items() if isinstance(seen, BoxFacts)}

    async def meet(self, name: str) -> tuple[str, str]:
        """Return what one box is, in words, and the host key that it shows.

        Raises:
            BadCredentialError, ProviderDownError: it does not let us in, or cannot be reached.
        """
        async with _Session(self, name) as host:
            return (await _ask(host)).describe(), host.host_key

    async def offers(self, need: Need) -> list[Offer]:
        """Return each GPU of each box, or the box that has none; those that are busy now last, as runs wait for them."""
        facts = await self._look_everywhere()
        found = [
            offer
            for name, seen in facts.items()
            if isinstance(seen, BoxFacts)
            for offer in self._offers_of(name, seen, need.gpu_request)
        ]
        return sorted(cheapest_first(found, need), key=lambda offer: bool(offer.busy))

    def _offers_of(self, name: str, seen: BoxFacts, gpu_request: GpuRequest) -> list[Offer]:
        seats, box = seen.seats(self.boxes[name].slots), self.boxes[name]
        several = len(seen.cards) > 1
        return [
            Offer(
                id=f"{name}:{card.index}" if card and several else name,
                provider=self.name,
                hardware=seen.hardware(card),
                region=box.host,
                tier="own",
                price_per_hour=box.price_per_hour,
                host_id=name,
                gpu_id=card.id if card else "",
                busy=assign(seats, replace(gpu_request, cards=(card.id,) if card else ())).waits_for,
            )
            for card in (seen.cards or (None,))
            if card is None or gpu_request.fits(card)
        ]

    async def launch(
        self, offer: Offer, lease_name: str, ssh_public_key: str, *, disk: int, deadline: float
    ) -> Machine:
        name = offer.id.partition(":")[0]
        box = self.boxes.get(name)
        if box is None:
            raise RejectedRequestError(
                f"there is no box “{name}”", where=SERVICE, kind=ErrorKind.REJECTED, fix="see [boxes] in config.toml"
            )
        machine = self._machine(name, lease_name, time.time(), offer.gpu_id)
        async with _Session(self, name) as host:
            seats = (await _ask(host)).seats(box.slots)
            words = {
                "leases": LEASES,
                "name": lease_name,
                "gpu": offer.gpu_id,
                "first": seats.cards[0].id if seats.cards else "",
            }
            claim = _CLAIM.format(
                **{key: shlex.quote(word) for key, word in words.items()},
                gpu_file=GPU_FILE,
                capacity=seats.capacity,
                per_card=seats.per_card,
            )
            done = await host.run(
                claim, stdin=json.dumps({"created_at": machine.created_at}).encode(), repeat=True, check=True
            )
        if done.output.strip() != "taken":
            raise NoCapacityError(
                f"box “{name}” was taken by another run",
                where=SERVICE,
                kind=ErrorKind.MACHINE_BUSY,
                fix="it is waited for",
            )
        return machine

    async def inspect(self, provider_id: str) -> Machine | None:
        name, _, lease = provider_id.partition("/")
        if name not in self.boxes:
            return None
        async with _Session(self, name) as host:
            text = await host.read(f"~/{LEASES}/{lease}/lease.json", 0, FILE_LIMIT)
            gpu = await host.read(f"~/{LEASES}/{lease}/{GPU_FILE}", 0, FILE_LIMIT)
        return self._machine(name, lease, _created(text), as_gpu_id(gpu.decode(errors="replace"))) if text else None

    async def list_ours(self, installation: str) -> list[Machine]:
        """Return our leases. A box that cannot be reached is left out: nothing is paid for there, and `inspect` tells
        about each one.
        """
        facts = await self._look_everywhere(needed=False)
        return [
            self._machine(name, lease, None, gpu)
            for name, seen in facts.items()
            if isinstance(seen, BoxFacts)
            for lease, gpu in seen.leases.items()
            if belongs_to(lease, installation)
        ]

    async def list_others(self, installation: str) -> list[Machine]:
        return []  # nothing is paid for there

    async def resume(self, provider_id: str) -> bool:
        return False

    async def terminate(self, provider_id: str) -> None:
        name, _, lease = provider_id.partition("/")
        if name not in self.boxes:
            return
        directory = shlex.quote(f"{LEASES}/{lease}")
        async with _Session(self, name) as host:
            await host.run(
                f'cd; for f in {directory}/run/*.pid; do [ -s "$f" ] && kill -9 -- -$(cut -d\' \' -f1 "$f"); done '
                f"2>/dev/null; rm -rf {directory}",
                repeat=True,
                check=True,
            )

    async def billed(self, machine_id: str, since: float) -> float | None:
        return None

    def guard_options(self, deadline: float) -> GuardOptions | None:
        return None

    async def close(self) -> None:
        return None

    def _machine(self, name: str, lease: str, created_at: float | None, gpu_id: str = "") -> Machine:
        box = self.boxes[name]
        return Machine(
            provider=self.name,
            provider_id=f"{name}/{lease}",
            name=lease,
            status="running",
            raw_status="yours",
            ssh_host=box.host,
            ssh_port=box.port,
            ssh_user=box.user,
            ssh_key_file=box.key or "default",
            ssh_host_key=box.host_key or known_host_key(box.host, box.port),
            price_per_hour=box.price_per_hour,
            created_at=created_at,
            host_id=name,
            home=f"{LEASES}/{lease}",
            gpu_id=gpu_id,
        )

    async def _look_everywhere(self, *, needed: bool = True) -> dict[str, BoxFacts | NotConnectedError]:
        """Ask every box what it has, or why it cannot be reached.

        Raises:
            NotConnectedError: with ``needed``, when there is no box or none can be reached.
        """
        if not self.boxes and needed:
            raise NotConnectedError(
                "no box of your own is set up",
                where=SERVICE,
                kind=ErrorKind.NO_BOXES,
                fix="add [boxes.<name>] with host, user and key to config.toml",
            )
        found = await asyncio.gather(*(self._look(name) for name in self.boxes), return_exceptions=True)
        facts: dict[str, BoxFacts | NotConnectedError] = {}
        for name, seen in zip(self.boxes, found, strict=True):
            if not isinstance(seen, BoxFacts | NotConnectedError):
                raise seen
            facts[name] = seen
        if needed and all(isinstance(seen, NotConnectedError) for seen in facts.values()):
            raise next(seen for seen in facts.values() if isinstance(seen, NotConnectedError))
        return facts

    async def _look(self, name: str) -> BoxFacts:
        """Look at one box. Raises ``NotConnectedError``, whatever is the matter with it: one box says nothing of the
        others.
        """
        async with _Session(self, name) as host:
            try:
                return await _ask(host)
            except HostError as error:
                raise _not_usable(name, error) from None


class _Session:
    """A short visit to a box; what goes wrong is told as not being connected to it."""

    def __init__(self, provider: Ssh, name: str) -> None:
        self._name = name
        machine = provider._machine(name, "none", None)
        self._host = host_for(machine, "", timings=provider._timings)

    async def __aenter__(self) -> SshHost:
        try:
            await self._host.connection.connect()
        except HostRefusedError as error:
            raise BadCredentialError(
                f"box “{self._name}”: {error.what}",
                where=error.where,
                kind=ErrorKind.BAD_CREDENTIAL,
                fix="check user and key of the box, and its authorized_keys",
            ) from None
        except HostError as error:
            raise _not_usable(self._name, error) from None
        return self._host

    async def __aexit__(self, *_error: Any) -> None:
        await self._host.close()


def _not_usable(name: str, error: HostError) -> ProviderDownError:
    return ProviderDownError(f"box “{name}”: {error.what}", where=error.where, fix=error.fix, kind=error.kind)


async def _ask(host: SshHost) -> BoxFacts:
    return BoxFacts.read((await host.run(QUESTION, repeat=True)).output)


def _created(text: bytes) -> float | None:
    try:
        return moment(json.loads(text)["created_at"])
    except NONSENSE:
        return None
