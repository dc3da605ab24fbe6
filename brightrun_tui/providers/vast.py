"""Vast.ai: a market of hosts. Search, rent and destroy on v0, list on v1; HTTP 200 is not a success by itself here."""

from __future__ import annotations

import json
import os
import re
import time
from typing import Any

from pydantic import ValidationError

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import (
    BadCredentialError,
    MissingScopeError,
    NoCapacityError,
    NoFundsError,
    ProviderDownError,
    ProviderError,
    RateLimitedError,
    RejectedRequestError,
    UnclearError,
)
from brightrun_tui.domain.money import Offer
from brightrun_tui.domain.spending import Bill
from brightrun_tui.hosts.boot import GuardOptions, GuardTimes, accept_key, start_guard
from brightrun_tui.providers.amounts import balance, bill, distinct, quantity
from brightrun_tui.providers.base import Account, Machine, Need
from brightrun_tui.providers.http import AsksOverHttp, FailedReply, NotFoundError, ProviderClient, ProviderTimings
from brightrun_tui.providers.names import belongs_to, installation_of
from brightrun_tui.providers.offers import cheapest_first, gigabytes, shared_cache
from brightrun_tui.providers.vast_settings import GUARD, VastSettings
from brightrun_tui.providers.vast_shapes import VastInstance, VastOffer

SERVICE = "Vast.ai"
URL = "https://console.vast.ai"
LEAST_SECONDS = {"create": 4.5, "destroy": 3.0, "show": 2.0, "list": 1.0, "manage": 1.0, "search": 6.0, "user": 1.0}
"""Vast's own thresholds: the least time between two calls of one endpoint."""
CREATE_PENALTY_SECONDS = 12.0
LEAST_DISK_GB = 20
MOST_COMMAND = 4096
MOST_PAGES = 200
MAY_RENT = "see, rent and return machines, see the balance"
NO_MACHINE = 0
"""To ask whether a key may stop machines, without stopping any."""
PAGE = 25

_MONEY = re.compile(r"insufficient_credit|missing_billing|spend_rate_limit|lacks credit", re.IGNORECASE)
_NO_ASK = re.compile(r"no_such_ask|no longer available|Hosts can only rent their own", re.IGNORECASE)
_NO_KEY = re.compile(r"auth_error|Invalid user key|Session expired|Please log in", re.IGNORECASE)
_THRESHOLD = re.compile(r"threshold=([\d.]+)")


class LeftoverError(RejectedRequestError):
    """A refusal that created an instance all the same; it is in ``instance``."""

    instance = 0


class Vast(AsksOverHttp):
    """Implements `providers.base.Provider`.

    Args:
        token: the account's API key.
        guard: the times of the guards on machines that are rented with it.
    """

    name = "vast"

    def __init__(
        self,
        token: str,
        *,
        settings: VastSettings | None = None,
        timings: ProviderTimings | None = None,
        guard: GuardTimes | None = None,
    ) -> None:
        self.settings = settings or VastSettings()
        self._url = os.environ.get("BRIGHTRUN_VAST_URL", URL)
        self._guard = guard or GuardTimes()
        timings = timings or ProviderTimings()
        self._client = ProviderClient(
            SERVICE, self._url, token, self._classify, timings=timings, least_seconds=LEAST_SECONDS
        )
        self._offers = shared_cache(self._url, token, timings.offers_seconds)

    async def check(self) -> Account:
        user = await self._client.ask("GET", "api/v0/users/current/", kind="user")
        if not isinstance(user, dict) or "id" not in user:
            raise self._client.unreadable("no account in the answer")
        rate = sum(instance.machine().billed_per_hour or 0.0 for instance in await self._instances())
        await self._client.may_change(
            "PUT", f"api/v0/instances/{NO_MACHINE}/", kind="manage", body={"state": "stopped"}
        )
        money = user.get("credit") if user.get("credit") is not None else user.get("balance")
        who = str(user.get("email") or user["id"])
        return Account(who=who, balance_usd=balance(money), spend_per_hour_usd=rate, may=MAY_RENT)

    async def offers(self, need: Need) -> list[Offer]:
        return await self._offers.get(need, self._search)

    async def launch(
        self, offer: Offer, lease_name: str, ssh_public_key: str, *, disk: int, deadline: float
    ) -> Machine:
        ask, bid = _parse_offer(offer.id)
        onstart = f"{accept_key(ssh_public_key)}; {start_guard(self.guard_options(deadline))}"
        if len(onstart) > MOST_COMMAND:
            raise RejectedRequestError(
                "the start command is longer than Vast accepts",
                where=SERVICE,
                kind=ErrorKind.REJECTED,
                fix="use a shorter BRIGHTRUN_VAST_URL",
            )
        body: dict[str, Any] = {
            "client_id": "me",
            "image": self.settings.image,
            "disk": gigabytes(disk, LEAST_DISK_GB),
            "label": lease_name,
            "runtype": "ssh_direct",
            "onstart": onstart,
            "target_state": "running",
            "cancel_unavail": True,
        }
        if bid is not None:
            body["price"] = bid
        self._offers.forget()
        try:
            document = await self._client.create("PUT", f"api/v0/asks/{ask}/", kind="create", body=body)
        except LeftoverError as error:
            await self._clear(error)
            raise NoCapacityError(
                f"the offer cannot be had ({error.what})",
                where=SERVICE,
                kind=ErrorKind.NO_CAPACITY,
                fix="the next offer may",
            ) from None
        contract = document.get("new_contract") if isinstance(document, dict) else None
        if not isinstance(contract, int):
            raise self._client.unreadable("no contract in the answer", creating=True)
        # what it costs the answer does not say: the first look at the instance does
        return Machine(
            provider=self.name,
            provider_id=str(contract),
            name=lease_name,
            status="starting",
            gpu=offer.hardware.gpu,
            host_id=offer.host_id,
        )

    async def inspect(self, provider_id: str) -> Machine | None:
        try:
            document = await self._client.ask("GET", f"api/v0/instances/{int(provider_id)}/", kind="show")
            if not isinstance(document, dict) or "instances" not in document:
                raise self._client.unreadable("no instance in the answer")
            if document["instances"] is not None:
                return self._parse(document["instances"]).machine()
        except NotFoundError:
            pass  # the list must agree before an instance counts as gone
        return next((i.machine() for i in await self._instances() if str(i.id) == provider_id), None)

    async def list_ours(self, installation: str) -> list[Machine]:
        return [i.machine() for i in await self._instances() if belongs_to(i.label, installation)]

    async def list_others(self, installation: str) -> list[Machine]:
        return [i.machine() for i in await self._instances() if installation_of(i.label) not in ("", installation)]

    async def terminate(self, provider_id: str) -> None:
        try:
            await self._client.ask("DELETE", f"api/v0/instances/{int(provider_id)}/", kind="destroy", body={})
        except NotFoundError:
            return

    async def resume(self, provider_id: str) -> bool:
        try:
            await self._client.ask(
                "PUT", f"api/v0/instances/{int(provider_id)}/", kind="manage", body={"state": "running"}
            )
        except NotFoundError:
            return False
        return True

    async def billed(self, machine_id: str, since: float) -> Bill | None:
        day = {"gte": int(since) - 86400, "lte": int(time.time()) + 86400}
        params = {"select_filters": json.dumps({"day": day, "type": {"in": ["instance"]}}), "limit": "500"}
        ours: list[dict[str, Any]] = []
        for _ in range(MOST_PAGES):
            document = await self._client.ask("GET", "api/v0/charges/", kind="list", params=params)
            rows = document.get("results") if isinstance(document, dict) else None
            if not isinstance(rows, list):
                raise self._client.unreadable("charges without results")
            ours += [row for row in rows if isinstance(row, dict) and row.get("source") == f"instance-{machine_id}"]
            if not document.get("next_token"):
                return self._bill(distinct(ours))
            params = {**params, "after_token": str(document["next_token"])}
        raise self._client.unreadable("charges without end")

    def _bill(self, rows: list[dict[str, Any]]) -> Bill | None:
        """Return the rows of one instance, a day or the whole time each; their items say what the money is for."""
        items = [item for row in rows for item in row.get("items") or () if isinstance(item, dict)]
        try:
            if all(row.get("items") for row in rows):
                return bill(items, amount="amount", disk_rows=("type", "disk")) if rows else None
            return bill(rows, amount="amount")
        except ValueError as error:
            raise self._client.unreadable(str(error)) from None

    async def close(self) -> None:
        await self._client.close()

    def guard_options(self, deadline: float) -> GuardOptions:
        """Return what the guard on an instance must know; ``deadline`` in seconds since the epoch."""
        return GuardOptions.ending_at(deadline, GUARD, self._url, self._guard)

    async def _search(self, need: Need) -> list[Offer]:
        disk, download = gigabytes(need.disk, LEAST_DISK_GB), self.settings.image_gb + need.download / 10**9
        query: dict[str, Any] = {
            "verified": {"eq": True},
            "external": {"eq": False},
            "rentable": {"eq": True},
            "rented": {"eq": False},
            "num_gpus": {"eq": need.gpu_count},
            "gpu_ram": {"gte": int(need.gpu_memory / 1024**2 * 0.97)},
            "reliability": {"gte": self.settings.min_reliability},
            "inet_down": {"gte": self.settings.min_download_mbps},
            "direct_port_count": {"gte": 1},
            "disk_space": {"gte": disk},
            "cuda_max_good": {"gte": self.settings.min_cuda},
            "duration": {"gte": max(3600.0, need.hours * 2 * 3600)},
            "order": [["dph_total", "asc"]],
            "limit": 200,
            "allocated_storage": disk,
        }
        found: list[Offer] = []
        for kind in ("on-demand", "bid") if need.interruptible else ("on-demand",):
            document = await self._client.ask("POST", "api/v0/bundles/", kind="search", body={**query, "type": kind})
            rows = document.get("offers") if isinstance(document, dict) else None
            if not isinstance(rows, list):
                raise self._client.unreadable("a search without offers")
            for row in rows:
                try:
                    ask = VastOffer.model_validate(row)
                except ValidationError:
                    continue
                bid = round(ask.min_bid * self.settings.bid_factor, 4) if kind == "bid" else None
                offer = ask.offer(disk_gb=disk, download_gb=download, upload_gb=need.upload / 10**9, bid=bid)
                found += [offer] if offer else []
        return cheapest_first(found, need)

    async def _page(self, params: dict[str, str]) -> dict[str, Any]:
        document = await self._client.ask("GET", "api/v1/instances/", kind="list", params=params)
        if not isinstance(document, dict) or not isinstance(document.get("instances"), list):
            raise self._client.unreadable("a list of instances without instances")
        return document

    async def _instances(self) -> list[VastInstance]:
        """Return every instance of the account. An answer without a list is not an empty list."""
        params = {"limit": str(PAGE), "order_by": '[{"col":"id","dir":"asc"}]'}
        found: list[VastInstance] = []
        for _ in range(MOST_PAGES):
            document = await self._page(params)
            found += [self._parse(row) for row in document["instances"]]
            if not document.get("next_token"):
                return found
            params = {**params, "after_token": str(document["next_token"])}
        raise self._client.unreadable("a list of instances without end")

    async def _clear(self, error: LeftoverError) -> None:
        """Destroy what a refused create left behind.

        Raises:
            UnclearError: it could not be destroyed; it carries the lease's label and will be found by it.
        """
        try:
            await self.terminate(str(error.instance))
        except ProviderError as trouble:
            raise UnclearError(
                f"Vast refused ({error.what}) but made instance {error.instance}, which does not go away: "
                f"{trouble.what}",
                where=SERVICE,
                kind=ErrorKind.UNCLEAR,
                fix="it is looked for by name and returned",
            ) from None

    def _parse(self, row: Any) -> VastInstance:
        try:
            return VastInstance.model_validate(row)
        except ValidationError as error:
            raise self._client.unreadable(f"an instance with a strange {error.errors()[0]['loc'][:1]}") from None

    def _classify(self, reply: FailedReply) -> ProviderError | None:
        document = reply.document or {}
        code = str(document.get("error") or "")
        said = self._client.scrub(str(document.get("msg") or document.get("message") or document.get("detail") or code))
        everything = f"{code} {said}" if reply.document is not None else reply.text[:300]
        if reply.status == 429 or "too frequent" in everything:
            return _too_many(reply, code, everything)
        if _NO_KEY.search(everything):
            return BadCredentialError(
                "Vast.ai does not accept this API key",
                where=SERVICE,
                kind=ErrorKind.BAD_CREDENTIAL,
                fix="make a new key at cloud.vast.ai/manage-keys, then: brightrun connect vast",
            )
        if reply.document is None or reply.status >= 500:
            return None
        if reply.creating and isinstance(document.get("new_contract"), int):
            leftover = LeftoverError(said, where=SERVICE, kind=ErrorKind.REJECTED)
            leftover.instance = document["new_contract"]
            return leftover
        if _MONEY.search(everything):
            return NoFundsError(
                f"the account has no money for this: {said}",
                where=SERVICE,
                kind=ErrorKind.NO_FUNDS,
                fix="add credit at cloud.vast.ai/billing",
            )
        if _NO_ASK.search(everything):
            return NoCapacityError(
                "this machine has just been rented by somebody else",
                where=SERVICE,
                kind=ErrorKind.NO_CAPACITY,
                fix="the next offer may be free",
            )
        if reply.status == 403:
            return MissingScopeError(
                f"the API key may not do this ({said})",
                where=SERVICE,
                kind=ErrorKind.MISSING_SCOPE,
                fix="give it the permissions user_read, instance_read and instance_write",
            )
        if reply.status == 404 or code in ("no_such_instance", "not_found"):
            return (
                RejectedRequestError(said, where=SERVICE, kind=ErrorKind.REJECTED)
                if reply.creating
                else NotFoundError(said or "no such instance", where=SERVICE, kind=ErrorKind.NOT_FOUND)
            )
        if reply.status < 500 and reply.status != 410:
            return RejectedRequestError(
                f"Vast.ai refuses the request: {said}",
                where=SERVICE,
                kind=ErrorKind.REJECTED,
                fix="another image or disk size may help; see [vast] in config.toml",
            )
        return ProviderDownError(
            f"Vast.ai has changed its API ({said})",
            where=SERVICE,
            kind=ErrorKind.PROVIDER_DOWN,
            fix="a newer version of Bright Run may know it",
        )


def _too_many(reply: FailedReply, code: str, text: str) -> RateLimitedError:
    if code == "search_quota_exceeded":
        reset = quantity(reply.headers.get("X-RateLimit-Reset"))
        wait = max(0.0, reset - time.time()) if reset is not None else None
        return RateLimitedError(
            "today's searches on Vast.ai are used up",
            where=SERVICE,
            kind=ErrorKind.QUOTA,
            retry_after=wait,
            fix="they are renewed at midnight UTC; offers found before can still be rented",
        )
    wait, threshold = quantity(reply.headers.get("Retry-After")), _THRESHOLD.search(text)
    wait = quantity(threshold[1]) if wait is None and threshold else wait
    if reply.creating and wait is not None:
        wait = max(wait, CREATE_PENALTY_SECONDS)
    return RateLimitedError(
        "Vast.ai says: too many requests",
        where=SERVICE,
        kind=ErrorKind.RATE_LIMITED,
        retry_after=wait,
        fix="wait a minute and try again",
    )


def _parse_offer(offer_id: str) -> tuple[int, float | None]:
    ask, _, bid = offer_id.partition("@")
    try:
        return int(ask), float(bid) if bid else None
    except ValueError:
        raise RejectedRequestError(
            f"“{offer_id}” is not an offer of Vast's",
            where=SERVICE,
            fix="see: brightrun offers",
            kind=ErrorKind.REJECTED,
        ) from None
