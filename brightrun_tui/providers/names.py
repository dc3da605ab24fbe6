"""The names of leases: they carry whose they are, so that ours are found again and others' are never touched."""

from __future__ import annotations

import re

PREFIX = "br-"
LONGEST = 60


def lease_name(installation: str, run_id: str, number: int) -> str:
    """Return ``br-<installation>-<run>-<number>``, unique as long as ``number`` is within the run."""
    name = f"{PREFIX}{installation}-{run_id}-{number}"
    if len(name) > LONGEST:
        raise ValueError(f"lease name longer than {LONGEST}: {name}")
    return name


def installation_of(name: str) -> str:
    """Return the id of the installation, this one or another, that rented a machine of that name; empty where none of ours
    did.
    """
    found = re.match(f"{PREFIX}([0-9a-f]{{8}})-.", name)
    return found[1] if found else ""


def belongs_to(name: str, installation: str) -> bool:
    """Say whether a machine of that name was rented by this installation."""
    return bool(installation) and name.startswith(f"{PREFIX}{installation}-")


def run_of(name: str) -> str:
    """Return the id of the run for which a machine of that name was taken; empty where it is none of our names."""
    found = re.fullmatch(f"{PREFIX}[0-9a-f]{{8}}-(.+)-[0-9]+", name)
    return found[1] if found else ""
