"""From a model version to what workers of a service load: looked at as they will see it, before anything is made there.

Workers fetch a model from the Hub without any token: what is told to an endpoint can be read by whoever may read the endpoint,
and RunPod's v2 keeps no secrets. So all of it must be public there, or lie on a network volume.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError, BrightrunError, NotConnectedError, UsageError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.run_directory import ADAPTER_WEIGHTS, MANIFEST
from brightrun_tui.domain.serverless import MOST_IDLE_SECONDS, ServedModel
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.files import sha256
from brightrun_tui.integrations import hub
from brightrun_tui.planning import bases

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo


def hosted_model(
    version: ModelVersion,
    settings: RunSettings,
    *,
    repository: str,
    volume: str,
    context: int,
    idle_seconds: float,
    workers: int,
) -> ServedModel:
    """Return what workers are to load. Blocking: the Hub is asked.

    Args:
        repository: where the adapter was pushed to, ``owner/name``.
        volume: ``ID:PATH`` of a merged model on a network volume instead; what lies there cannot be looked at from here.
        context: tokens that a worker is to hold in one conversation.

    Raises:
        UsageError: something of it cannot be served in this way; says which, and what to do.
        NotConnectedError, BaseModelError: the Hub does not answer, or has no such model.
    """
    if not 1 <= idle_seconds <= MOST_IDLE_SECONDS:
        raise UsageError(
            f"a worker can wait for requests from 1 to {MOST_IDLE_SECONDS} seconds",
            where="--idle-stop",
            fix="give a time between, such as 60s",
            kind=ErrorKind.BAD_OPTION,
        )
    if volume and repository:
        raise UsageError(
            "the model is either on a network volume or at the Hub",
            where="--volume",
            fix="give --volume or --repository",
            kind=ErrorKind.BAD_OPTION,
        )
    quantised = settings.quantisation.method != "none"
    common = ServedModel(
        base="",
        context=context,
        quantised=quantised and not volume,
        idle_seconds=round(idle_seconds),
        most_workers=workers,
    )
    if volume:
        volume_id, _, path = volume.partition(":")
        if not volume_id.isalnum() or not path.strip("/") or ".." in path.split("/"):
            raise UsageError(
                f"“{volume}” names no model on a network volume",
                where="--volume",
                fix="write it as ID:PATH, the path within the volume",
                kind=ErrorKind.BAD_OPTION,
            )
        return common.model_copy(update={"base": path.strip("/"), "volume": volume_id})
    if settings.lora.use_dora:
        raise UsageError(
            f"{version.ref} has a DoRA adapter, which vLLM cannot load",
            where="--repository",
            fix="put its merged export on a network volume (--volume), or serve it with: --on runpod",
            kind=ErrorKind.NOT_AT_HUB,
        )
    push = f"brightrun models push {version.ref} --to {repository or 'OWNER/NAME'} --public"
    if not repository:
        raise UsageError(
            "workers fetch the adapter from the Hub, and you have not said where it is",
            where="--repository",
            fix=f"{push}, then add: --repository OWNER/NAME",
            kind=ErrorKind.NOT_AT_HUB,
        )
    base = _public_base(version)
    commit = _pushed_adapter(version, repository, push)
    return common.model_copy(
        update={
            "base": version.base_id.partition("@")[0],
            "base_revision": version.report.lineage.base_revision or base.sha or "",
            "adapter": repository,
            "adapter_commit": commit,
            "rank": settings.lora.r,
        }
    )


def refuse_gated_base(version: ModelVersion) -> None:
    """Refuse a base that wants a token before anything is paid: a rented machine fetches it from the Hub without one, too.
    Blocking. What the Hub does not say now, the machine will find out.

    Raises:
        UsageError: it is gated.
    """
    base_id = version.base_id.partition("@")[0]
    if not bases.is_hub_id(base_id):
        return
    try:
        with hub.plain_errors(base_id, only_there=True):
            gated = hub.api(None).model_info(base_id, expand=["gated"], timeout=hub.TIMEOUT_SECONDS).gated
    except (BaseModelError, NotConnectedError):
        return
    if gated:
        raise UsageError(
            f"the base model “{base_id}” is gated: a rented machine would need your token, and none is sent to it",
            where=f"{hub.endpoint()}/{base_id}",
            fix="serve it on this machine",
            kind=ErrorKind.BASE_GATED,
        )


def _public_base(version: ModelVersion) -> ModelInfo:
    base_id = version.base_id.partition("@")[0]
    if not bases.is_hub_id(base_id):
        raise UsageError(
            f"the base model “{base_id}” is not at the Hub, where workers would fetch it",
            where="--on",
            fix="put its merged export on a network volume (--volume), or serve it with: --on runpod",
            kind=ErrorKind.NOT_AT_HUB,
        )
    try:
        with hub.plain_errors(base_id, only_there=True):
            found = hub.api(None).model_info(base_id, revision=version.report.lineage.base_revision or None)
    except BaseModelError as error:
        raise BaseModelError(
            f"{error.what}, as seen by workers, which have no token of yours",
            where=error.where,
            fix=error.fix,
            kind=error.kind,
        ) from None
    if found.gated:
        raise UsageError(
            f"the base model “{base_id}” is gated: workers would need your token, which would be safe nowhere at the service",
            where=f"{hub.endpoint()}/{base_id}",
            fix="put its merged export on a network volume (--volume), or serve it on this machine",
            kind=ErrorKind.BASE_GATED,
        )
    return found


def _pushed_adapter(version: ModelVersion, repository: str, push: str) -> str:
    """Return the commit of the main branch, once it is proven to be this very version. ``push``: how it gets there."""
    try:
        with hub.plain_errors(repository, only_there=True):
            found = hub.api(None).model_info(repository, files_metadata=True)
    except BaseModelError:
        raise UsageError(
            f"“{repository}” is not at the Hub for workers, who have no token of yours: it is not there, or private",
            where=f"{hub.endpoint()}/{repository}",
            fix=f"{push}; private ones cannot be served in this way",
            kind=ErrorKind.NOT_AT_HUB,
        ) from None
    if found.private or found.gated:
        raise UsageError(
            f"“{repository}” is {'private' if found.private else 'gated'}: workers have no token of yours, and there is no safe "
            "place for one at the service",
            where=f"{hub.endpoint()}/{repository}",
            fix=f"{push}, to a public repository",
            kind=ErrorKind.NOT_AT_HUB,
        )
    if not _is_version(found, Path(version.directory)):
        raise UsageError(
            f"the main branch of “{repository}”, which workers take, is not {version.ref}",
            where=f"{hub.endpoint()}/{repository}/tree/main",
            fix=f"{push}; a repository of its own for each version that is served keeps them apart",
            kind=ErrorKind.NOT_AT_HUB,
        )
    return found.sha or ""


def _is_version(found: ModelInfo, directory: Path) -> bool:
    """Say whether manifest and weights at the Hub are those of the version."""
    there = {one.rfilename: one for one in found.siblings or ()}
    manifest, weights = there.get(MANIFEST), there.get(ADAPTER_WEIGHTS)
    try:
        data = (directory / MANIFEST).read_bytes()
        if manifest is None or weights is None or manifest.blob_id != _blob_id(data):
            return False
        if weights.lfs is not None:
            return bool(weights.lfs.sha256 == sha256(directory / ADAPTER_WEIGHTS))
        return bool(weights.blob_id == _blob_id((directory / ADAPTER_WEIGHTS).read_bytes()))
    except OSError as error:
        raise BrightrunError(
            f"the version's files cannot be read ({error.strerror})", where=str(directory), kind=ErrorKind.DEPLOY_FAILED
        ) from None


def _blob_id(data: bytes) -> str:
    """Return Git's own digest of a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
