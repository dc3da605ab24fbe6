"""Base models of the Hugging Face Hub: what is cached here, what the Hub says, and downloading."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from fnmatch import fnmatch
from glob import escape
from pathlib import Path
from typing import Any

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError, BrightrunError
from brightrun_tui.domain.run import BaseModelRef
from brightrun_tui.domain.service_names import HUGGINGFACE
from brightrun_tui.foreign_files import MAX_JSON_BYTES, ForeignFileError, read_bytes, read_json, read_model
from brightrun_tui.integrations import credentials, hub
from brightrun_tui.paths import Paths
from brightrun_tui.planning.architecture import BaseModelInfo, Traits, read_architecture
from brightrun_tui.planning.base_directory import INDEX, TOKENIZER_FILES, ShardIndex
from brightrun_tui.planning.hub_downloads import (
    disk_error,
    in_words,
    most_bytes,
    progress_bar,
    remove_stale_parts,
    require_space,
)
from brightrun_tui.planning.model_card import CARD, languages, license_name

WANTED_FILES = ("*.json", "model*.safetensors", "tokenizer*", "*.model", "merges.txt", "*.jinja", "LICENSE*", CARD)
TOKENIZER_PATTERNS = ("*.json", "tokenizer*", "*.model", "merges.txt", "*.jinja")
UNWANTED_FILES = ("*/*", "consolidated*", "*.gguf", "*.onnx*", "adapter_*")
MOST_TOKENIZER_BYTES = 1 << 30

_remembered: dict[tuple[str, str, bool], tuple[float, BaseModelInfo | BrightrunError]] = {}


def cached_snapshot(model_id: str, paths: Paths) -> Path | None:
    """Return the directory of a complete download of ``owner/name`` or ``owner/name@revision``, or None."""
    name, _, revision = model_id.partition("@")
    folder = hub.cache_directory(paths) / f"models--{name.replace('/', '--')}"
    try:
        commit = read_bytes(folder / "refs" / (revision or "main"), 1024).decode("utf-8", "replace").strip()
    except ForeignFileError:
        commit = revision
    snapshot = folder / "snapshots" / commit
    return snapshot if commit and _is_complete(snapshot) else None


def describe_remote(model_id: str, paths: Paths, *, network: bool = True) -> BaseModelInfo:
    """Return what the Hub says about a model that is not here; remembered for an hour, a failure for some seconds. Blocking.

    Raises:
        BaseModelError: unknown, gated, or of a kind that cannot be trained.
        NotConnectedError: the Hub cannot be reached or refuses the token.
    """
    key = (hub.endpoint(), model_id, credentials.where(HUGGINGFACE, paths) != "")
    when, known = _remembered.get(key, (0.0, None))
    age = time.monotonic() - when
    if isinstance(known, BaseModelInfo) and age < hub.REMEMBER_SECONDS:
        return known
    if isinstance(known, BrightrunError) and age < hub.REMEMBER_FAILURE_SECONDS:
        raise known
    if not network:
        raise BaseModelError(
            f"the base model “{model_id}” is not on this machine", fix="download it first", kind=ErrorKind.BASE_MISSING
        )
    try:
        info = _ask(model_id, paths)
    except BrightrunError as error:
        _remembered[key] = (time.monotonic(), error)
        raise
    _remembered[key] = (time.monotonic(), info)
    return info


def download(model_id: str, paths: Paths, progress: Callable[[str, float], None]) -> Path:
    """Get a model's files into the cache; what is there already is not fetched again. Blocking.

    ``progress`` is called from several threads, one at a time; what it raises ends the download. Complete files stay
    for the next try.

    Raises:
        BaseModelError, NotConnectedError: as `describe_remote`.
        BrightrunError: the disk is too small or cannot be written.
    """
    if snapshot := cached_snapshot(model_id, paths):
        return snapshot
    name, _, revision = model_id.partition("@")
    token = credentials.get(HUGGINGFACE, paths)
    cache = hub.cache_directory(paths)
    progress(f"asking {hub.endpoint()} for {model_id}", 0.0)
    with hub.plain_errors(model_id, has_token=token is not None):
        sizes = _file_sizes(_about(hub.api(token), name, revision))
    total = sum(sizes.values())
    _refuse_untrainable(model_id, sizes)
    require_space(cache, total)
    remove_stale_parts(cache / f"models--{name.replace('/', '--')}" / "blobs")
    try:
        with hub.plain_errors(model_id, has_token=token is not None):
            hub.api(token).snapshot_download(
                name,
                revision=revision or None,
                cache_dir=cache,
                allow_patterns=[escape(name) for name in sizes],
                max_workers=4,
                tqdm_class=progress_bar(
                    lambda done: progress(in_words(model_id, done, total), min(1.0, done / max(1, total))),
                    most_bytes(sizes.values(), cache),
                ),
            )
    except OSError as error:
        raise disk_error(error, cache) from None
    progress(in_words(model_id, total, total), 1.0)
    snapshot = cached_snapshot(model_id, paths)
    if snapshot is None:
        raise BaseModelError(
            f"the download of “{model_id}” is not complete",
            where=str(cache),
            fix="start it again",
            kind=ErrorKind.BASE_INCOMPLETE,
        )
    return snapshot


def download_tokenizer(base: BaseModelRef, paths: Paths) -> Path:
    """Get what is needed to make tokens: some megabytes. Blocking; raises as `describe_remote`."""
    name = base.id.partition("@")[0]
    token = credentials.get(HUGGINGFACE, paths)
    cache = hub.cache_directory(paths)
    try:
        with hub.plain_errors(base.id, has_token=token is not None):
            return Path(
                hub.api(token).snapshot_download(
                    name,
                    revision=base.revision or None,
                    cache_dir=cache,
                    allow_patterns=list(TOKENIZER_PATTERNS),
                    ignore_patterns=list(UNWANTED_FILES),
                    tqdm_class=progress_bar(lambda done: None, MOST_TOKENIZER_BYTES),
                )
            )
    except OSError as error:
        raise disk_error(error, cache) from None


def _ask(model_id: str, paths: Paths) -> BaseModelInfo:
    name, _, revision = model_id.partition("@")
    token = credentials.get(HUGGINGFACE, paths)
    with hub.plain_errors(model_id, has_token=token is not None):
        api = hub.api(token)
        about = _about(api, name, revision)
        sizes = _file_sizes(about)
        traits = _traits(about)
        counted = int(about.safetensors.total) if about.safetensors else 0
        _refuse_untrainable(model_id, sizes)
        config = api.hf_hub_download(
            name,
            "config.json",
            revision=about.sha,
            cache_dir=hub.cache_directory(paths),
            tqdm_class=progress_bar(lambda done: None, MAX_JSON_BYTES),
        )
    try:
        architecture = read_architecture(read_json(Path(config)), f"{model_id}/config.json")
    except ForeignFileError as error:
        raise BaseModelError(
            f"its config.json {error.what}", where=model_id, fix="choose another model", kind=ErrorKind.BASE_DAMAGED
        ) from None
    return BaseModelInfo(
        id=model_id,
        title=name.split("/")[1],
        architecture=architecture,
        ref=BaseModelRef(id=model_id, revision=about.sha or ""),
        parameters=counted or architecture.parameters,
        weight_bytes=sum(sizes.values()),
        gated=bool(about.gated),
        license=license_name(getattr(about.card_data, "license", "")),
        traits=traits,
    )


def _about(api: Any, name: str, revision: str) -> Any:
    return hub.checked(
        api.model_info(name, revision=revision or None, files_metadata=True, timeout=hub.TIMEOUT_SECONDS)
    )


def _traits(about: Any) -> Traits:
    """Read traits from the Hub's copy of the tokenizer's settings, and from the model's card."""
    tokenizer = (about.config or {}).get("tokenizer_config")
    template = (tokenizer.get("chat_template") if isinstance(tokenizer, dict) else None) or ""
    text = template if isinstance(template, str) else json.dumps(template)
    return Traits.of_template(text, languages(getattr(about.card_data, "language", None)))


def _file_sizes(about: Any) -> dict[str, int]:
    """Return the bytes of each file that training needs, by name."""
    return {
        file.rfilename: file.size
        for file in about.siblings or []
        if any(fnmatch(file.rfilename, wanted) for wanted in WANTED_FILES)
        and not any(fnmatch(file.rfilename, unwanted) for unwanted in UNWANTED_FILES)
    }


def _refuse_untrainable(model_id: str, sizes: dict[str, int]) -> None:
    if "config.json" not in sizes:
        raise BaseModelError(
            f"“{model_id}” has no config.json: it is not a model for transformers",
            where=hub.endpoint(),
            fix="choose the original model rather than a GGUF or adapter of it",
            kind=ErrorKind.BASE_NO_CONFIG,
        )
    if not any(name.endswith(".safetensors") for name in sizes):
        raise BaseModelError(
            f"“{model_id}” has no weights as safetensors",
            where=hub.endpoint(),
            fix="choose a model or revision that has model.safetensors",
            kind=ErrorKind.BASE_NO_WEIGHTS,
        )
    if not set(sizes) & set(TOKENIZER_FILES):
        raise BaseModelError(
            f"“{model_id}” has no tokenizer",
            where=hub.endpoint(),
            fix="choose the original model",
            kind=ErrorKind.BASE_NO_TOKENIZER,
        )


def _is_complete(snapshot: Path) -> bool:
    """Say whether config, tokenizer and every weight file are there. Files enter a snapshot only when they are whole."""
    if not os.path.isfile(snapshot / "config.json") or not any(
        os.path.isfile(snapshot / name) for name in TOKENIZER_FILES
    ):
        return False
    if not os.path.isfile(snapshot / INDEX):
        return os.path.isfile(snapshot / "model.safetensors")
    try:
        shards = set(read_model(snapshot / INDEX, ShardIndex).weight_map.values())
    except ForeignFileError:
        return False
    return bool(shards) and all(os.path.isfile(snapshot / shard) for shard in shards)
