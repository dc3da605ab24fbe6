"""Base models: the catalogue, what is known about one, and how to get it onto this machine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.domain.run import BaseModelRef
from brightrun_tui.integrations.packages import require_training_packages
from brightrun_tui.paths import Paths, typed_path
from brightrun_tui.planning import hub_models
from brightrun_tui.planning.architecture import Architecture, BaseModelInfo
from brightrun_tui.planning.base_directory import describe_directory
from brightrun_tui.process import environment_without_secrets, python
from brightrun_tui.resources import resource

STARTER = "starter"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w.-]+)?")
STARTER_MARKER = "starter.json"
"""Written last into the starter's directory: without it the model is not complete."""

BYTES_PER_WEIGHT = 2
END_SECONDS = 10.0

Progress = Callable[[str, float], None]
"""Called with what is being done and the fraction that is done (0–1). What it raises ends the work."""


class CatalogueBase(Architecture):
    """One ``[[base]]`` of ``presets/bases.toml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: str
    description: str
    license: str = ""
    gated: bool = False
    recommended: dict[str, Any] = Field(default_factory=dict)


class SizeRule(BaseModel):
    """One ``[[by_size]]``: the learning rate's factor for models up to that many weights, and how few steps are too few."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    up_to_parameters: int
    factor: float
    why: str = ""
    least_steps: int = 0
    why_steps: str = ""


class Catalogue(BaseModel):
    """``presets/bases.toml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: tuple[CatalogueBase, ...]
    by_size: tuple[SizeRule, ...]


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


@cache
def catalogue() -> Catalogue:
    """What ships with the product."""
    return Catalogue.model_validate(tomllib.loads((resource("presets") / "bases.toml").read_text("utf-8")))


def size_rule(parameters: int) -> SizeRule:
    """The rule for a model of that size."""
    rules = catalogue().by_size
    return next((rule for rule in rules if parameters <= rule.up_to_parameters), rules[-1])


def list_bases(paths: Paths) -> list[BaseChoice]:
    """The catalogue, starter first; ``present`` without asking the network."""
    return [
        BaseChoice(
            id=base.id,
            title=base.title,
            parameters=base.parameters,
            description=base.description,
            gated=base.gated,
            license=base.license,
            present=_is_present(base.id, paths),
        )
        for base in catalogue().base
    ]


def starter_directory(paths: Paths) -> Path:
    """Where the starter model lies once it is made."""
    return paths.bases / STARTER


def describe_base(model_id: str, paths: Paths, *, network: bool = True) -> BaseModelInfo:
    """What is known about ``starter``, a directory, or a Hub id (``owner/name`` or ``owner/name@revision``).

    What lies on this machine is read; a Hub id of the catalogue is answered from there; for any other the Hub is asked
    for its ``config.json`` (a few kilobytes), once an hour at most, and only when ``network`` is allowed.

    Raises:
        BaseModelError: there is no such model, or it cannot be used.
        NotConnectedError: the Hub refuses the token, or wants one.
    """
    known = next((base for base in catalogue().base if base.id == model_id), None)
    if known and model_id == STARTER:
        return _describe_starter(known, paths)
    directory = _as_directory(model_id)
    if directory:
        return describe_directory(directory, model_id=model_id)
    if not HUB_ID.fullmatch(model_id):
        raise BaseModelError(
            f"there is no base model “{model_id}”" if model_id else "no base model is chosen",
            kind="base_unknown",
            fix="give starter, a directory, or a Hugging Face id such as Qwen/Qwen2.5-0.5B-Instruct",
        )
    snapshot = hub_models.cached_snapshot(model_id, paths)
    if snapshot:
        with _mended_by(f"delete {snapshot.parents[1]}, then fetch it again: brightrun bases fetch {model_id}"):
            info = describe_directory(
                snapshot, model_id=model_id, title=known.title if known else model_id.split("/")[1], revision=snapshot.name
            )
        return info.model_copy(update={"recommended": known.recommended, "license": known.license}) if known else info
    if known:
        return _from_catalogue(known)
    return hub_models.describe_remote(model_id, paths, network=network)


def is_hub_id(model_id: str) -> bool:
    """Whether this names a repository on the Hub, and neither the starter nor a directory here."""
    return model_id != STARTER and not _as_directory(model_id) and bool(HUB_ID.fullmatch(model_id))


def fetch_base(model_id: str, paths: Paths, progress: Progress) -> BaseModelRef:
    """Get the base model onto this machine: make the starter, download a Hub id, check a directory.

    Blocking; safe to repeat. A starter that is there stays as it is, even if a newer version of the product would make
    another one: adapters were trained on it. A damaged one is moved aside.

    Raises:
        BaseModelError: it cannot be had; says why and what to do.
        NotConnectedError: the Hub refuses the token, or wants one.
    """
    if model_id == STARTER:
        _set_aside_damaged_starter(paths)
        if not _is_present(STARTER, paths):
            _make_starter(starter_directory(paths), progress)
    elif is_hub_id(model_id):
        hub_models.download(model_id, paths, progress)
    return describe_base(model_id, paths, network=False).ref


def fetch_tokenizer(base: BaseModelRef, paths: Paths) -> Path:
    """The directory of its tokenizer on this machine; only that is fetched of a base model of the Hub. Blocking.

    Raises:
        BaseModelError, NotConnectedError: it cannot be had.
    """
    return Path(base.path) if base.path else hub_models.download_tokenizer(base, paths)


def _describe_starter(known: CatalogueBase, paths: Paths) -> BaseModelInfo:
    directory = starter_directory(paths)
    if _is_present(STARTER, paths):
        with _mended_by("make it again: brightrun bases fetch starter"):
            made = describe_directory(directory, model_id=STARTER, title=known.title)
        return made.model_copy(update={"buildable": True, "recommended": known.recommended, "license": known.license})
    if os.path.exists(directory) and not (os.path.isdir(directory) and not os.listdir(directory)):
        raise BaseModelError(
            "the starter model is not whole: here is half of it, or something else",
            where=str(directory),
            fix="move that away, then make it again: brightrun bases fetch starter",
            kind="base_damaged",
        )
    return _from_catalogue(known).model_copy(
        update={"buildable": True, "weight_bytes": 4 * known.parameters, "has_chat_template": True}
    )


@contextmanager
def _mended_by(fix: str) -> Iterator[None]:
    """What is wrong with a model that we brought here is mended by bringing it again."""
    try:
        yield
    except BaseModelError as error:
        raise BaseModelError(error.what, where=error.where, fix=fix, kind=error.kind) from None


def _set_aside_damaged_starter(paths: Paths) -> None:
    """Raises `BaseModelError` where it cannot be moved."""
    directory = starter_directory(paths)
    if not _is_present(STARTER, paths):
        return
    try:
        describe_directory(directory, model_id=STARTER)
    except BaseModelError:
        try:
            directory.rename(directory.with_name(f"{STARTER}-damaged-{time.time_ns()}"))
        except OSError as error:
            raise BaseModelError(
                f"the starter model is damaged and cannot be moved away ({error.strerror})",
                where=str(directory),
                fix="move it away by hand",
                kind="base_damaged",
            ) from None


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
        recommended=known.recommended,
    )


def _is_present(model_id: str, paths: Paths) -> bool:
    if model_id == STARTER:
        return os.path.isfile(starter_directory(paths) / STARTER_MARKER)
    return hub_models.cached_snapshot(model_id, paths) is not None


def _as_directory(model_id: str) -> Path | None:
    path = typed_path(model_id)
    return path if model_id and (path.is_absolute() or model_id.startswith((".", "~")) or os.path.isdir(path)) else None


def _make_starter(directory: Path, progress: Progress) -> None:
    """Run the trainer's own program, which tells a JSON object a line: ``{"what", "fraction"}``, or ``{"error"}``."""
    require_training_packages()
    program = python("-m", "brightrun_tui.trainer.starter", str(directory), "--json")
    process = subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True, cwd="/",
        env=environment_without_secrets(),
    )
    error = BaseModelError(
        "the starter model could not be made", where=str(directory), kind="starter_failed", fix="see: brightrun doctor"
    )
    try:
        assert process.stdout
        for line in process.stdout:
            told = json.loads(line)
            if "error" in told:
                error = BaseModelError(**told["error"])
            else:
                progress(told["what"], told["fraction"])
        if process.wait():
            raise error
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Let it clean up after itself; it has nothing to lose if it does not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.stdout:
        process.stdout.close()
