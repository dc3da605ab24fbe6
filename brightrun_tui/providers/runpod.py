"""RunPod, through REST v2; GraphQL only for the balance, which v2 does not know. Pods are on-demand only."""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import (
    MissingScopeError,
    NoCapacityError,
    NoFundsError,
    ProviderError,
    RejectedRequestError,
)
from brightrun_tui.domain.money import GIB, Hardware, Offer
from brightrun_tui.domain.spending import Bill
from brightrun_tui.hosts.boot import GuardOptions, GuardTimes, start_guard
from brightrun_tui.providers.amounts import balance, bill, distinct, quantity
from brightrun_tui.providers.base import Account, Machine, Need
from brightrun_tui.providers.gpus import peak_flops
from brightrun_tui.providers.http import AsksOverHttp, FailedReply, NotFoundError, ProviderClient, ProviderTimings
from brightrun_tui.providers.names import belongs_to, installation_of
from brightrun_tui.providers.offers import cheapest_first, gigabytes, shared_cache
from brightrun_tui.providers.runpod_images import image_for, oldest_cuda
from brightrun_tui.providers.runpod_settings import GUARD, RunPodSettings
from brightrun_tui.providers.runpod_shapes import STATUS, Pod, RunPodGpu, epoch

SERVICE = "RunPod"
URL = "https://api.runpod.io/v2"
GRAPHQL_URL = "https://api.runpod.io/graphql"
LEAST_SECONDS = {"read": 0.3, "catalogue": 1.0, "create": 1.0, "delete": 0.3, "balance": 1.0}
DISK_PER_GB_HOUR = 0.10 / 730
"""Container disk in US dollars (RunPod's price list: $0.10 per GB and month)."""
LEAST_DISK_GB = 20
MOST_PAGES = 200
MAY_RENT = "see, rent and return machines"
NO_MACHINE = "bright-run-has-no-such-pod"
"""To ask whether a key may return machines, without returning any."""

_CAPACITY = re.compile(
    r"no longer any instances available|no instances currently available|does not have the resources|"
    r"insufficient capacity",
    re.IGNORECASE,
)
_MONEY = re.compile(r"insufficient (balance|funds|credit)|spend(ing)? limit|add funds", re.IGNORECASE)


class RunPod(AsksOverHttp):
    """Implements `providers.base.Provider`.

    Args:
        token: the account's API key.
        guard: the times of the guards on machines that are rented with it.
    """

    name = "runpod"
    things = "pods"
    """What a key must be allowed to change."""

    def __init__(
        self,
        token: str,
        *,
        settings: RunPodSettings | None = None,
        timings: ProviderTimings | None = None,
        guard: GuardTimes | None = None,
    ) -> None:
        self.settings = settings or RunPodSettings()
        self._url = os.environ.get("BRIGHTRUN_RUNPOD_URL", URL)
        self._graphql_url = os.environ.get("BRIGHTRUN_RUNPOD_GRAPHQL_URL", GRAPHQL_URL)
        self._guard = guard or GuardTimes()
        timings = timings or ProviderTimings()
        self._client = ProviderClient(
            SERVICE, self._url, token, self._classify, timings=timings, least_seconds=LEAST_SECONDS
        )
        self._offers = shared_cache(self._url, token, timings.offers_seconds)

    async def check(self) -> Account:
        await self._client.ask("GET", "account/ssh-keys", kind="read")
        await self._pods()
        await self._client.may_change("DELETE", f"pods/{NO_MACHINE}", kind="delete")
        account = await self._balance_or_note()
        return account.model_copy(
            update={"may": MAY_RENT + (", see the balance" if account.balance_usd is not None else "")}
        )

    async def offers(self, need: Need) -> list[Offer]:
        return await self._offers.get(need, self._search)

    async def launch(
        self, offer: Offer, lease_name: str, ssh_public_key: str, *, disk: int, deadline: float
    ) -> Machine:
        cloud, gpu, count = _parse_offer(offer.id)
        image, cuda = image_for(offer.cuda or self.settings.min_cuda, self.settings.min_cuda)
        if self.settings.image:
            image, cuda = self.settings.image, self.settings.min_cuda
        body: dict[str, Any] = {
            "name": lease_name,
            "image": image,
            "cloud": cloud,
            "disk": gigabytes(disk, LEAST_DISK_GB),
            "gpu": {"id": gpu, "count": count, "minCudaVersion": cuda},
            "ports": ["22/tcp"],
            "env": {"PUBLIC_KEY": ssh_public_key},
        }
        if self.settings.boot_guard:
            body["args"] = f"bash -c '{start_guard(self.guard_options(deadline))} exec /start.sh'"
        self._offers.forget()
        document = await self._client.create("POST", "pods", kind="create", body=body)
        try:
            pod = Pod.model_validate(document)
        except ValidationError:
            raise self._client.unreadable("no pod in the answer", creating=True) from None
        machine = self._machine(pod)
        if (pod.env or {}).get("PUBLIC_KEY") != ssh_public_key:
            return machine.model_copy(update={"problem": "RunPod did not take over our SSH key"})
        return machine

    async def inspect(self, provider_id: str) -> Machine | None:
        try:
            pod = self._parse(await self._client.ask("GET", f"pods/{quote(provider_id, safe='')}", kind="read"))
            if pod.status != "TERMINATED":
                return self._machine(pod)
        except NotFoundError:
            pass  # the list must agree before a pod counts as gone
        return next(
            (self._machine(pod) for pod in await self._pods() if pod.id == provider_id and pod.status != "TERMINATED"),
            None,
        )

    async def list_ours(self, installation: str) -> list[Machine]:
        pods = await self._pods()
        return [
            self._machine(pod)
            for pod in pods
            if belongs_to(pod.name or "", installation) and pod.status != "TERMINATED"
        ]

    async def list_others(self, installation: str) -> list[Machine]:
        pods = [pod for pod in await self._pods() if pod.status != "TERMINATED"]
        return [self._machine(pod) for pod in pods if installation_of(pod.name or "") not in ("", installation)]

    async def terminate(self, provider_id: str) -> None:
        try:
            await self._client.ask("DELETE", f"pods/{quote(provider_id, safe='')}", kind="delete")
        except NotFoundError:
            return

    async def resume(self, provider_id: str) -> bool:
        return False  # a pod that was stopped has lost its container's disk

    async def billed(self, machine_id: str, since: float) -> Bill | None:
        document = await self._client.ask(
            "GET", "billing/pods", kind="read", params={"podId": machine_id, "bucketSize": "hour"}
        )
        records = document.get("records") if isinstance(document, dict) else None
        if not isinstance(records, list):
            raise self._client.unreadable("billing without records")
        ours = distinct(record for record in records if isinstance(record, dict) and record.get("podId") == machine_id)
        try:
            return bill(ours, amount="totalAmount", disk="diskAmount") if ours else None
        except ValueError as error:
            raise self._client.unreadable(str(error)) from None

    async def close(self) -> None:
        await self._client.close()

    def guard_options(self, deadline: float) -> GuardOptions:
        """Return what the guard on a pod must know; ``deadline`` in seconds since the epoch."""
        return GuardOptions.ending_at(deadline, GUARD, self._url, self._guard, graphql=self._graphql_url)

    async def _search(self, need: Need) -> list[Offer]:
        found: list[Offer] = []
        for cloud in ("SECURE", "COMMUNITY") if self.settings.community else ("SECURE",):
            document = await self._client.ask(
                "GET",
                "catalog/gpus",
                kind="catalogue",
                params={
                    "include": "AVAILABILITY",
                    "product": "POD",
                    "cloud": cloud,
                    "count": str(need.gpu_count),
                    "minCudaVersion": self.settings.min_cuda,
                },
            )
            rows = document.get("gpus") if isinstance(document, dict) else None
            if not isinstance(rows, list):
                raise self._client.unreadable("catalogue without GPUs")
            for row in rows:
                try:
                    offer = self._offer(RunPodGpu.model_validate(row), cloud, need)
                except ValidationError:
                    continue
                found += [offer] if offer else []
        return cheapest_first(found, need)

    def _offer(self, gpu: RunPodGpu, cloud: str, need: Need) -> Offer | None:
        price = gpu.price.secure if cloud == "SECURE" else gpu.price.community
        if not price or not gpu.memory or gpu.availability not in ("LOW", "MEDIUM", "HIGH"):
            return None
        disk = gigabytes(need.disk, LEAST_DISK_GB)
        storage = disk * DISK_PER_GB_HOUR
        regions = ", ".join(str(center.get("id", "")) for center in gpu.dataCenters[:3])
        name = gpu.name or gpu.id
        return Offer(
            id=f"{cloud}/{gpu.id}/{need.gpu_count}",
            provider=self.name,
            region=regions,
            tier=cloud.lower(),
            price_per_hour=price * need.gpu_count + storage,
            cuda=oldest_cuda((one.version for one in gpu.cudaVersions if one.available), self.settings.min_cuda),
            storage_per_hour=storage,
            hardware=Hardware(
                device="cuda",
                gpu=name,
                gpu_count=need.gpu_count,
                gpu_memory=int(gpu.memory * GIB),
                flops=peak_flops(name),
                disk_free=disk * 10**9,
            ),
        )

    async def _pods(self) -> list[Pod]:
        return [self._parse(row) for row in await self._every("pods", "pods")]

    async def _every(self, address: str, name: str) -> list[Any]:
        """Return the whole list ``name`` of the account, page by page. An answer without a list is not an empty list."""
        found: list[Any] = []
        cursor = ""
        for _ in range(MOST_PAGES):
            document = await self._client.ask(
                "GET", address, kind="read", params={"cursor": cursor} if cursor else None
            )
            listed = document.get(name) if isinstance(document, dict) else None
            if not isinstance(listed, list):
                raise self._client.unreadable(f"a list of {name} without {name}")
            found += listed
            pages = document.get("pagination") or {}
            if not pages.get("hasNextPage"):
                return found
            cursor = str(pages.get("nextCursor") or "")
            if not cursor:
                break
        raise self._client.unreadable(f"a list of {name} without end")

    async def _balance_or_note(self) -> Account:
        try:
            return await self._balance()
        except ProviderError as error:
            return Account(notes=(f"balance unknown: {error.what}",))

    async def _balance(self) -> Account:
        query = "query { myself { id email clientBalance currentSpendPerHr } }"
        document = await self._client.ask("POST", self._graphql_url, kind="balance", body={"query": query})
        me = ((document or {}).get("data") or {}).get("myself") if isinstance(document, dict) else None
        if not isinstance(me, dict) or me.get("clientBalance") is None:
            raise self._client.unreadable("no account in the answer")
        return Account(
            who=str(me.get("email") or me.get("id") or ""),
            balance_usd=balance(me["clientBalance"]),
            spend_per_hour_usd=quantity(me.get("currentSpendPerHr")) or 0.0,
        )

    def _parse(self, row: Any) -> Pod:
        try:
            return Pod.model_validate(row)
        except ValidationError as error:
            raise self._client.unreadable(f"a pod with a strange {error.errors()[0]['loc'][:1]}") from None

    def _machine(self, pod: Pod) -> Machine:
        status = (pod.status or "").upper()
        direct = pod.ssh.direct if pod.ssh and pod.ssh.direct and pod.ssh.direct.port else None
        stopped = status == "EXITED"
        return Machine(
            provider=self.name,
            provider_id=pod.id,
            name=pod.name or "",
            status=STATUS.get(status, "unknown"),
            raw_status=pod.status or "",
            price_per_hour=0.0 if stopped else pod.cost or 0.0,
            gpu=pod.gpu.id if pod.gpu else "",
            ssh_host=direct.host if direct else "",
            ssh_port=direct.port or 22 if direct else 22,
            ssh_user=direct.username if direct else "root",
            created_at=epoch(pod.createdAt),
            interrupted=stopped,
            problem="RunPod reports that the container failed" if status == "ERROR" else "",
        )

    def _classify(self, reply: FailedReply) -> ProviderError | None:
        document = reply.document or {}
        listed = "; ".join(map(str, document.get("errors") or [])) if isinstance(document.get("errors"), list) else ""
        said = self._client.scrub(f"{document.get('detail') or document.get('title') or ''} {listed}")
        if reply.document is None or reply.status >= 500:
            return None
        if reply.status == 402 or (reply.status in (400, 403) and _MONEY.search(said)):
            return NoFundsError(
                f"the account has no money for this: {said}",
                where=SERVICE,
                kind=ErrorKind.NO_FUNDS,
                fix="add funds at console.runpod.io/user/billing",
            )
        if reply.status == 400 and _CAPACITY.search(said):
            return NoCapacityError(
                "no such GPU is free at this moment",
                where=SERVICE,
                kind=ErrorKind.NO_CAPACITY,
                fix="choose another GPU, or try again later",
            )
        if reply.status == 403:
            return MissingScopeError(
                f"the API key may not do this ({said})",
                where=SERVICE,
                kind=ErrorKind.MISSING_SCOPE,
                fix=f"give the key read and write access to {self.things} at console.runpod.io/user/settings",
            )
        if reply.status in (400, 409, 413, 422) or (reply.status == 404 and reply.creating):
            return RejectedRequestError(
                f"RunPod refuses the request: {said}",
                where=SERVICE,
                kind=ErrorKind.REJECTED,
                fix="another image or disk size may help; see [runpod] in config.toml",
            )
        return None


def _parse_offer(offer_id: str) -> tuple[str, str, int]:
    cloud, _, rest = offer_id.partition("/")
    gpu, _, count = rest.rpartition("/")
    if cloud not in ("SECURE", "COMMUNITY") or not gpu or not count.isdigit():
        raise RejectedRequestError(
            f"“{offer_id}” is not an offer of RunPod's",
            where=SERVICE,
            fix="see: brightrun offers",
            kind=ErrorKind.REJECTED,
        )
    return cloud, gpu, int(count)
