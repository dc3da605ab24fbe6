"""A model that answers on another machine, behind the gate of this one.

Beside the plan the endpoint's directory then has ``machine.json``, written by whoever has that machine in hand: where it is, and
where its worker listens. The worker is told by a plan of its own there, see `remote_worker`.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from brightrun_tui.files import write_atomic
from brightrun_tui.hosts.whereabouts import Whereabouts
from brightrun_tui.serving.plan import EndpointPlan

MACHINE = "machine.json"
LEFT = "left"
JOB = "server"
"""The name under which a host starts the worker; its log, pid and exit code lie beside it."""
LOG = f"{JOB}.log"
ADAPTER = "adapter"
BASE = "base"


def say_where(directory: Path, where: Whereabouts) -> None:
    """Let the gate of the endpoint in ``directory`` know the machine. Blocking."""
    write_atomic(directory / MACHINE, where.model_dump_json(indent=2))


def forget_machine(directory: Path) -> None:
    """Record that there is no machine any more; the gate tells whoever asks. Blocking."""
    (directory / MACHINE).unlink(missing_ok=True)
    (directory / LEFT).unlink(missing_ok=True)


def say_left(directory: Path) -> None:
    """Let whoever looks after the machine know that nothing is asked any more of the version in ``directory``. Blocking."""
    with suppress(OSError):
        (directory / LEFT).touch()


def whereabouts(directory: Path) -> Whereabouts | None:
    """Return the machine at this moment; None where there is none. Blocking."""
    try:
        return Whereabouts.model_validate_json((directory / MACHINE).read_bytes())
    except (OSError, ValidationError):
        return None


def plan_there(plan: EndpointPlan, directory: str, base: str) -> EndpointPlan:
    """Return the plan for the worker on the machine, in ``directory`` there. The ``base`` model is fetched there where it is
    empty.
    """
    return plan.model_copy(
        update={"base": base, "adapter": f"{directory}/{ADAPTER}", "port": 0, "remote": False, "shared": ""}
    )
