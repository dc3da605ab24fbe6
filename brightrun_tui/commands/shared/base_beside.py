"""The base of a model served beside it for as long as a verb asks both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from brightrun_tui.commands.shared.ending import end_endpoint
from brightrun_tui.commands.shared.endpoints import deploy_and_wait
from brightrun_tui.commands.shared.output import say, say_problem
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, EngineError, UsageError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.requests import Deploy
from brightrun_tui.paths import get_paths
from brightrun_tui.planning.serving_machine import BASE_IDLE_SECONDS, base_beside
from brightrun_tui.store import endpoints, models


@contextmanager
def base_served(tuned: Endpoint) -> Iterator[Endpoint]:
    """Return the base of the version that ``tuned`` serves, on this machine; what was begun for it ends with the block.

    Raises:
        BaseModelError: the base can no longer be had.
        UsageError: it does not fit into the memory that is free.
        EngineError: it cannot be served.
    """
    require_changes()
    version = with_store(lambda session: models.get(session.db, tuned.model, tuned.model_version))
    before = with_store(lambda session: _of_base(session, version))
    try:
        if not before:
            _say_what_it_takes(version, tuned)
        wanted = Deploy(target=version.ref, base_alone=True, idle_unload=BASE_IDLE_SECONDS)
        served = with_store(lambda session: deploy_and_wait(session, wanted))
        if not served.base_alone:
            raise EngineError(
                "the engine that runs is of an older version, which serves no base alone",
                where="--beside",
                fix="brightrun engine stop, then ask again",
                kind=ErrorKind.DEPLOY_FAILED,
            )
        yield served
    finally:
        if not before:
            for endpoint in with_store(lambda session: _of_base(session, version)):
                _end(endpoint)


def _say_what_it_takes(version: ModelVersion, tuned: Endpoint) -> None:
    beside = base_beside(version, get_paths())
    if not beside.fits:
        raise UsageError(
            f"the base of {version.ref} does not fit beside it. {beside.words}",
            where="--beside",
            fix="end what else is served here, or read what both answered: brightrun models show " + version.ref,
            kind=ErrorKind.MEMORY_FULL,
        )
    rented = ""
    if tuned.rental is not None:
        rented = f" {version.ref} is served on {tuned.rental.place}; its base is compared on this machine only."
    say(f"The base of {version.ref}, {version.base_id}, is loaded on this machine. {beside.words}{rented}")


async def _of_base(session: Session, version: ModelVersion) -> list[Endpoint]:
    live = await endpoints.list_endpoints(session.db, live_only=True)
    return [each for each in live if each.serves_base_of(version) and each.serving]


def _end(endpoint: Endpoint) -> None:
    try:
        with_store(lambda session: end_endpoint(session, endpoint.id))
    except BrightrunError as error:
        say_problem(error)
