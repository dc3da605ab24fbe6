"""What a machine of one's own says of itself over SSH: its parts, its GPUs, and which runs are at work there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice

from brightrun_tui.domain import humanize
from brightrun_tui.domain.gpu import CPU
from brightrun_tui.domain.money import MIB, Hardware
from brightrun_tui.domain.slots import Card, Holder, Seats
from brightrun_tui.hosts.boot import REMOTE_HOME
from brightrun_tui.providers.gpus import CPU_FLOPS_PER_CORE, peak_flops
from brightrun_tui.providers.names import LONGEST, run_of

LEASES = f"{REMOTE_HOME}/leases"
"""On the box: a directory for each run that has a place there."""
GPU_FILE = "gpu"
"""In such a directory: the UUID of the GPU that the run has."""
MOST_CARDS, MOST_LEASES = 64, 256
MOST_NUMBER = 1 << 50

QUESTION = f"""
nvidia-smi --query-gpu=index,uuid,name,memory.total,memory.used --format=csv,noheader,nounits 2>/dev/null | sed 's/^/gpu /'
nvidia-smi -L 2>/dev/null | sed 's/^/part /'
echo "cores $(nproc 2>/dev/null || echo 1)"
echo "memory $(sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo 2>/dev/null)"
echo "disk $(df -Pk . | sed -n '2s/  */ /gp' | cut -d' ' -f4)"
for lease in {LEASES}/*/; do
  [ -d "$lease" ] && echo "lease $(basename "$lease") $(head -c 200 "$lease{GPU_FILE}" 2>/dev/null)"
done
exit 0
"""
"""For the login's shell. `BoxFacts.read` takes the answer."""

_ID = re.compile(r"(GPU|MIG)-[0-9A-Za-z./-]{4,90}")
_GPU = re.compile(r"GPU ([0-9]{1,3}): ")
_PART = re.compile(r"\s*MIG (\S+)\s+Device +([0-9]{1,3}): \(UUID: (MIG-[0-9A-Za-z./-]{4,90})\)")
_GIGABYTES = re.compile(r"\.([0-9]{1,4})gb")


@dataclass(frozen=True)
class BoxFacts:
    """``leases``: by name, the id of the GPU that each has. Memory in bytes."""

    cores: int = 1
    memory: int = 0
    disk_free: int | None = None
    cards: tuple[Card, ...] = ()
    leases: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, seen: str) -> BoxFacts:
        """Read the answer to `QUESTION`. What is not in its words is left out."""
        rows = (one.partition(" ") for one in _rows(seen, "lease") if one)
        leases = {name: as_gpu_id(gpu) for name, _, gpu in islice(rows, MOST_LEASES)}
        return cls(
            cores=max(1, _number(_first(seen, "cores"))),
            memory=_number(_first(seen, "memory")) * 1024,
            disk_free=_number(disk) * 1024 if (disk := _first(seen, "disk")) else None,
            cards=_cards(seen, set(leases.values()))[:MOST_CARDS],
            leases=leases,
        )

    def seats(self, slots: int) -> Seats:
        """Return the box as the rule of `domain.slots` sees it."""
        holders = tuple(Holder((run_of(name) or name)[:LONGEST], card) for name, card in self.leases.items())
        return Seats(self.cards, holders, slots)

    def hardware(self, card: Card | None) -> Hardware:
        """Return what a run has there that has ``card``."""
        facts = Hardware(
            device=CPU,
            memory=self.memory,
            cores=self.cores,
            disk_free=self.disk_free,
            flops=self.cores * CPU_FLOPS_PER_CORE,
        )
        if card is None:
            return facts
        gpu = {"gpu": card.name, "gpu_count": 1, "gpu_memory": card.memory, "flops": peak_flops(card.name)}
        return facts.model_copy(update={"device": "cuda", **gpu})

    def describe(self) -> str:
        """Return one line for people."""
        gpus = f"{len(self.cards)} × {self.cards[0].name}" if self.cards else "no GPU"
        return f"{gpus}, {self.cores} cores, {humanize.memory(self.memory)} memory"


def as_gpu_id(word: str) -> str:
    """Return what a box names as a GPU, if it can be one; empty where it cannot."""
    word = word.strip()
    return word if _ID.fullmatch(word) or (word.isdecimal() and len(word) < 4) else ""


def _cards(seen: str, ours: set[str]) -> tuple[Card, ...]:
    """Return GPUs, those that are cut into parts as their parts. On one that a run of ours has, memory in use is not other
    people's.
    """
    found: list[Card] = []
    parts = _parts(seen)
    for row in _rows(seen, "gpu"):
        words = [word.strip() for word in row.split(",")]
        if len(words) < 5 or not words[0].isdecimal():
            continue
        index, name = words[0], ", ".join(words[2:-2])
        total, used = (_number(word) * MIB for word in words[-2:])
        card_id = words[1] if _ID.fullmatch(words[1]) else index
        others = 0 if card_id in ours else used
        whole = Card(id=card_id, index=index, name=name, memory=total, free=max(0, total - used), others=others)
        found += parts.get(index) or [whole]
    return tuple(found)


def _parts(seen: str) -> dict[str, list[Card]]:
    """Return MIG instances by the number of their GPU. Whose memory is in use there is not told."""
    found: dict[str, list[Card]] = {}
    index = ""
    for row in _rows(seen, "part"):
        if gpu := _GPU.match(row):
            index = gpu[1]
        elif (part := _PART.match(row)) and index:
            size = _GIGABYTES.search(part[1])
            memory = int(size[1]) * 1024**3 if size else 0
            card = Card(id=part[3], index=f"{index}:{part[2]}", name=f"MIG {part[1]}", memory=memory, free=memory)
            found.setdefault(index, []).append(card)
    return found


def _rows(seen: str, kind: str) -> list[str]:
    return [line.partition(" ")[2].strip() for line in seen.splitlines() if line.startswith(f"{kind} ")]


def _first(seen: str, kind: str) -> str:
    return next(iter(_rows(seen, kind)), "")


def _number(word: str) -> int:
    try:
        return max(0, min(int(float(word)), MOST_NUMBER))
    except (ValueError, OverflowError):
        return 0
