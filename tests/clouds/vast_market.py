"""The hosts on the stand-in Vast, and what they ask."""

from __future__ import annotations

from typing import Any

#       gpu          n  MB     gpu $/h  bid    $/GB·month  $/GB in  Mb/s  reliability  verified  cuda  cap  place
_HOSTS = (
    ("RTX 4090", 1, 24564, 0.34, 0.18, 0.15, 0.0010, 900, 0.995, True, 12.8, 890, "Quebec, CA"),
    ("RTX 4090", 1, 24564, 0.31, 0.16, 0.20, 0.0200, 450, 0.981, True, 12.8, 890, "Sofia, BG"),
    ("RTX 4090", 2, 24564, 0.70, 0.36, 0.15, 0.0010, 900, 0.994, True, 12.8, 890, "Quebec, CA"),
    ("RTX 3090", 1, 24576, 0.16, 0.09, 0.10, 0.0015, 700, 0.990, True, 12.8, 860, "Texas, US"),
    ("RTX 3090", 1, 24576, 0.12, 0.07, 0.10, 0.0015, 300, 0.870, True, 12.8, 860, "Unknown, VN"),
    ("L40S", 1, 46068, 0.75, 0.41, 0.12, 0.0005, 2000, 0.998, True, 12.9, 890, "Oregon, US"),
    ("A100 SXM4", 1, 81920, 1.10, 0.60, 0.10, 0.0005, 4000, 0.999, True, 12.8, 800, "Iowa, US"),
    ("H100 SXM", 1, 81559, 2.10, 1.20, 0.10, 0.0005, 5000, 0.999, True, 13.0, 900, "Virginia, US"),
    ("H100 SXM", 8, 81559, 17.2, 9.90, 0.10, 0.0005, 5000, 0.999, True, 13.0, 900, "Virginia, US"),
    ("RTX 4060 Ti", 1, 16380, 0.08, 0.05, 0.10, 0.0010, 500, 0.992, True, 12.4, 890, "Berlin, DE"),
    ("RTX 5090", 1, 32607, 0.45, 0.25, 0.15, 0.0010, 800, 0.985, False, 13.0, 1200, "Seoul, KR"),
    ("RTX A4000", 1, 16376, 0.09, 0.06, 0.10, 0.0010, 800, 0.993, True, 12.8, 860, "Utah, US"),
    ("RTX 3060", 1, 12288, 0.05, 0.03, 0.10, 0.0010, 600, 0.991, True, 12.8, 860, "Lyon, FR"),
)


class Market:
    """Offers as the search answers them. One that is rented is no longer rentable until its machine is back."""

    def __init__(self) -> None:
        self._rented: set[int] = set()
        self.first = 9_000_000

    def renumber(self) -> None:
        """From now on the offers have other ids, as they have after a while."""
        self.first += 1000

    def rent(self, machine_id: int) -> None:
        self._rented.add(machine_id)

    def give_back(self, machine_id: int) -> None:
        self._rented.discard(machine_id)

    def offers(self, allocated_storage: float, kind: str) -> list[dict[str, Any]]:
        """Every host's offer, priced for so many GB of disk; ``kind`` is on-demand, bid or reserved."""
        return [self._offer(number, host, allocated_storage, kind == "bid") for number, host in enumerate(_HOSTS)]

    def offer(self, ask: int, allocated_storage: float, bid: bool) -> dict[str, Any] | None:
        number = ask - self.first
        if not 0 <= number < len(_HOSTS) or 100 + number in self._rented:
            return None
        return self._offer(number, _HOSTS[number], allocated_storage, bid)

    def _offer(self, number: int, host: tuple[Any, ...], storage: float, bid: bool) -> dict[str, Any]:
        gpu, count, memory, base, floor, disk_price, traffic, speed, reliability, verified, cuda, cap, place = host
        ask = self.first + number
        price = floor if bid else base
        storage_hour = storage * disk_price / 30 / 24
        return {
            "id": ask,
            "ask_contract_id": ask,
            "machine_id": 100 + number,
            "host_id": 500 + number,
            "gpu_name": gpu,
            "num_gpus": count,
            "gpu_frac": 1.0,
            "gpu_ram": memory,
            "gpu_total_ram": memory * count,
            "gpu_arch": "nvidia",
            "cpu_arch": "amd64",
            "cpu_ram": 64_000 * count,
            "cpu_cores": 32,
            "cpu_cores_effective": 16.0 * count,
            "disk_space": 500.0,
            "disk_bw": 2000.0,
            "inet_down": float(speed),
            "inet_up": speed / 2,
            "inet_down_cost": traffic,
            "inet_up_cost": traffic,
            "storage_cost": disk_price,
            "storage_total_cost": storage_hour,
            "dph_base": price,
            "dph_total": price + storage_hour,
            "min_bid": floor,
            "reliability": reliability,
            "reliability2": reliability,
            "expected_reliability": None,
            "duration": 30 * 86400.0,
            "end_date": 1_900_000_000.0,
            "cuda_max_good": cuda,
            "compute_cap": cap,
            "driver_version": "570.86.15",
            "direct_port_count": 100,
            "static_ip": True,
            "public_ipaddr": "203.0.113.9",
            "geolocation": place,
            "verification": "verified" if verified else "unverified",
            "hosting_type": 1 if reliability > 0.99 else 0,
            "is_bid": bid,
            "rentable": 100 + number not in self._rented,
            "rented": False,
            "external": None,
            "dlperf": 50.0 * count,
            "score": 100.0 * count / base,
            "logo": "/x.png",
        }
