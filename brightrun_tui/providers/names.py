"""The names of leases: they carry whose they are, so that ours are found again and others' are never touched."""

from __future__ import annotations

PREFIX = "br-"
LONGEST = 60


def lease_name(installation: str, run_id: str, number: int) -> str:
    """``br-<installation>-<run>-<number>``, unique as long as ``number`` is within the run."""
    name = f"{PREFIX}{installation}-{run_id}-{number}"
    if len(name) > LONGEST:
        raise ValueError(f"lease name longer than {LONGEST}: {name}")
    return name


def belongs_to(name: str, installation: str) -> bool:
    """Whether a machine of that name was rented by this installation."""
    return bool(installation) and name.startswith(f"{PREFIX}{installation}-")
