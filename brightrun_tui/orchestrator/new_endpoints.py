"""What an endpoint is made of: its record, its base model, a directory with its plan, and its key."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from brightrun_tui import serving
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError, BrightrunError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.rental import EndpointRental
from brightrun_tui.domain.serverless import ServedModel
from brightrun_tui.domain.service_names import HERE
from brightrun_tui.orchestrator.unless_cancelled import unless_cancelled
from brightrun_tui.paths import Paths
from brightrun_tui.planning import bases
from brightrun_tui.registry.base_places import has_base
from brightrun_tui.serving.engines import EngineChoice
from brightrun_tui.serving.places import CURRENT, let_serve
from brightrun_tui.serving.plan import PLAN
from brightrun_tui.store import Database, endpoints, models

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EndpointRequest:
    """How an endpoint is to be. ``name``: its id, so that the address is the same whenever it is deployed; ``port`` 0: any;
    ``host``: the address that it listens at, empty: loopback; ``key``: the bearer key, made up where it is empty; ``keeps_key``:
    also when it is undeployed. ``follows``: the alias whose version it serves from then on. ``idle_unload``, ``base_alone`` and
    ``rental``: see `Endpoint`.
    """

    name: str = ""
    port: int = 0
    host: str = ""
    engine: EngineChoice = "auto"
    key: str = ""
    keeps_key: bool = False
    follows: str = ""
    idle_unload: float = 0.0
    base_alone: bool = False
    rental: EndpointRental | None = None


async def create(
    db: Database, paths: Paths, version: ModelVersion, wanted: EndpointRequest = EndpointRequest()
) -> Endpoint:
    """Create an endpoint in state ``starting``; its `EndpointWatcher` fetches the base model first where that is not here yet."""
    what = f"{version.version}-base" if wanted.base_alone else version.version
    endpoint_id = wanted.name or f"{version.name}-{what}-{secrets.token_hex(2)}"
    directory = paths.endpoints / endpoint_id
    if wanted.key:
        await asyncio.to_thread(serving.put_key, directory, wanted.key)
    now = time.time()
    endpoint = Endpoint(
        id=endpoint_id,
        model=version.name,
        model_version=version.version,
        provider=wanted.rental.provider if wanted.rental else HERE,
        state="starting",
        directory=str(directory),
        wanted_engine=wanted.engine,
        wanted_port=wanted.port,
        wanted_host=wanted.host,
        keeps_key=wanted.keeps_key,
        follows=wanted.follows,
        idle_unload=wanted.idle_unload,
        base_alone=wanted.base_alone,
        rental=wanted.rental,
        deployment=f"e{secrets.token_hex(4)}",
        created_at=now,
        updated_at=now,
    )
    if wanted.rental is not None:
        await asyncio.to_thread((directory / PLAN).unlink, missing_ok=True)
        await asyncio.to_thread((directory / CURRENT).unlink, missing_ok=True)
    elif has_base(version):
        await asyncio.to_thread(prepare_place, paths, endpoint, version)
        await asyncio.to_thread(let_serve, directory, ".")
    return await endpoints.save(db, endpoint)


def prepare_place(
    paths: Paths,
    endpoint: Endpoint,
    version: ModelVersion,
    home: Path | None = None,
    *,
    serverless: ServedModel | None = None,
) -> None:
    """Make ``home`` (else the endpoint's directory) ready to serve ``version`` in every way that the endpoint's record says.

    Blocking. Raises as `serving.prepare`.
    """
    serving.prepare(
        home or Path(endpoint.directory),
        endpoint_id=endpoint.id,
        version=version,
        port=endpoint.wanted_port,
        host=endpoint.wanted_host,
        engine=endpoint.wanted_engine,
        idle_unload=endpoint.idle_unload,
        remote=endpoint.rental is not None,
        serverless=serverless,
        base_alone=endpoint.base_alone,
        shared=str(paths.endpoints),
    )


async def fetch_base(db: Database, paths: Paths, version: ModelVersion) -> ModelVersion:
    """Return the version with its base model on this machine.

    Raises:
        BaseModelError: it cannot be fetched, or is another one than the adapter was trained on.
    """
    if has_base(version):
        return version
    revision = version.report.lineage.base_revision
    wanted = f"{version.base_id}@{revision}" if revision and bases.is_hub_id(version.base_id) else version.base_id
    log.info("%s: fetching the base model %s", version.ref, wanted)
    try:
        found = await unless_cancelled(
            lambda say: bases.fetch_base(wanted, paths, lambda what, _fraction: say(what)), lambda _what: None
        )
    except BrightrunError as error:
        raise BaseModelError(
            f"the base model “{version.base_id}” is not on this machine and cannot be fetched: {error.what}",
            where=error.where,
            fix=error.fix
            if bases.is_hub_id(version.base_id)
            else f"say where it is: brightrun models set-base {version.ref} DIRECTORY",
            kind=ErrorKind.BASE_MISSING,
        ) from None
    trained_on = version.report.lineage.base_fingerprint
    if trained_on and found.fingerprint and found.fingerprint != trained_on:
        raise BaseModelError(
            f"the base model “{version.base_id}” is not the one that {version.ref} was trained on",
            where=found.path,
            fix="fetch the revision that its report card names",
            kind=ErrorKind.OTHER_BASE,
        )
    return await models.set_base_path(db, version, found.path)


async def forget_old_keys(db: Database) -> None:
    """Take off the disk what earlier versions left of the keys of endpoints that have ended."""
    for endpoint in await endpoints.list_endpoints(db):
        if endpoint.ended and not endpoint.keeps_key:
            await asyncio.to_thread(forget_key_of, endpoint)


def forget_key_of(endpoint: Endpoint) -> None:
    try:
        serving.forget_key(Path(endpoint.directory))
    except OSError as error:
        log.warning("endpoint %s has ended, but its key stays on the disk (%s)", endpoint.id, error.strerror)
