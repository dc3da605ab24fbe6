"""A version to a repository of the Hugging Face Hub: private unless somebody says otherwise, and a tag for each version."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, NotConnectedError, UsageError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.run_directory import MANIFEST
from brightrun_tui.domain.seal import Seal
from brightrun_tui.domain.service_names import HUGGINGFACE
from brightrun_tui.integrations import credentials, hub
from brightrun_tui.integrations.hub_writing import CountedFile, check_repository, plain_errors
from brightrun_tui.paths import Paths
from brightrun_tui.registry.bundle import BUNDLE_FILES
from brightrun_tui.registry.intake import settle_report
from brightrun_tui.registry.safety import check_files, read_manifest
from brightrun_tui.registry.signing import SIGNATURE

Tell = Callable[[str, float], None]
"""Told what is going on, and which share of the upload is done."""


class Pushed(BaseModel):
    """``already``: the tag was there with these very files, so nothing was uploaded."""

    model_config = ConfigDict(frozen=True)

    ref: str
    repository: str
    tag: str
    commit: str
    private: bool
    url: str
    already: bool = False


async def push(
    paths: Paths,
    version: ModelVersion,
    repository: str,
    *,
    tag: str = "",
    public: bool = False,
    seal: Seal | None = None,
    tell: Tell = lambda what, share: None,
) -> Pushed:
    """Upload the files of a version as one commit, and tag it ``v<number>`` (or ``tag``). May be repeated after any failure.

    With ``seal`` it is signed. A repository that is not there is made, private; that it is private is asked for and looked at
    before anything is sent.

    Raises:
        UsageError: the repository's or the tag's name cannot be one, the repository is public, or the tag is another model.
        NotConnectedError: no token, one that may not write there, or the Hub cannot be reached.
        UntrustedError: the version's files were changed since they were registered.
        BrightrunError: there is no room, or the Hub fails.
    """
    tag = tag or f"v{version.version}"
    check_repository(repository, tag)
    await asyncio.to_thread(settle_report, version)
    return await asyncio.to_thread(_push, paths, version, repository, tag, public, seal, tell)


def require_token(paths: Paths) -> SecretStr:
    """Return the token from where credentials lie. Blocking. Raises `NotConnectedError` where there is none."""
    token = credentials.get(HUGGINGFACE, paths)
    if token is None:
        raise NotConnectedError(
            "the Hugging Face Hub is not connected", where=hub.endpoint(), fix=hub.CONNECT, kind=ErrorKind.NOT_CONNECTED
        )
    return token


def _push(
    paths: Paths, version: ModelVersion, repository: str, tag: str, public: bool, seal: Seal | None, tell: Tell
) -> Pushed:
    directory = Path(version.directory)
    manifest = read_manifest(directory / MANIFEST, str(directory))
    check_files(directory, manifest.files, str(directory))
    names = [*manifest.files, MANIFEST]
    api = hub.api(require_token(paths))
    with plain_errors(repository):
        tell("asking the Hub", 0.0)
        private = _make_room(api, repository, public)
        tags = {each.name: each.target_commit for each in api.list_repo_refs(repository).tags}
        if tag in tags:
            if not _is_the_same(api, repository, tag, directory / MANIFEST, signed=seal is not None):
                raise UsageError(
                    f"“{repository}” has a tag “{tag}” already, and it is another model{', or not signed' if seal else ''}",
                    where=f"{hub.endpoint()}/{repository}/tree/{tag}",
                    fix="choose another with --tag, or delete that one there",
                    kind=ErrorKind.TARGET_TAKEN,
                )
            return _pushed(version, repository, tag, tags[tag], private, already=True)
        commit = _upload(api, version, repository, directory, names, seal, tell)
        api.create_tag(repository, tag=tag, revision=commit, tag_message=version.ref)
        if private and not _is_private(api, repository):  # it was made public meanwhile: nobody may think otherwise
            private = False
    tell("done", 1.0)
    return _pushed(version, repository, tag, commit, private)


def _make_room(api: Any, repository: str, public: bool) -> bool:
    """Make the repository where it is not there; returns whether it is private, as the Hub says.

    Raises:
        UsageError: it is public and was not to be.
    """
    there = bool(api.repo_exists(repository))
    api.create_repo(repository, private=not public, exist_ok=True)
    private = _is_private(api, repository)
    if not private and not public:
        if there:
            raise UsageError(
                f"“{repository}” is public: everybody could read the model, and the questions and answers on its report card",
                where=f"{hub.endpoint()}/{repository}",
                fix="choose another repository, make that one private, or say --public",
                kind=ErrorKind.REPOSITORY_PUBLIC,
            )
        api.update_repo_settings(repository, private=True)
        if not (private := _is_private(api, repository)):
            raise BrightrunError(
                f"the Hub made “{repository}” public although it was to be private; nothing was uploaded",
                where=f"{hub.endpoint()}/{repository}",
                fix="look at the owner's default visibility there",
                kind=ErrorKind.REPOSITORY_PUBLIC,
            )
    return private


def _is_private(api: Any, repository: str) -> bool:
    return api.model_info(repository, expand=["private"]).private is True


def _is_the_same(api: Any, repository: str, tag: str, manifest: Path, *, signed: bool) -> bool:
    """Say whether the manifest at this tag is the version's (Git's own digest of it is enough), signed if that is wanted."""
    data = manifest.read_bytes()
    wanted = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    siblings = api.model_info(repository, revision=tag, files_metadata=True).siblings or []
    blobs = {each.rfilename: each.blob_id for each in siblings}
    return blobs.get(MANIFEST) == wanted and (not signed or SIGNATURE in blobs)


def _upload(
    api: Any, version: ModelVersion, repository: str, directory: Path, names: list[str], seal: Seal | None, tell: Tell
) -> str:
    """Upload all files as one commit, those of an earlier version that this one does not have removed. Returns the commit."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    total = sum((directory / name).stat().st_size for name in names)
    sent = 0

    def told(count: int) -> None:
        nonlocal sent
        sent = min(total, sent + count)
        tell(f"uploading {version.ref}: {humanize.sizes(sent, total)}", sent / max(1, total))

    present = set(api.list_repo_files(repository))
    with ExitStack() as stack:
        files = {name: stack.enter_context(CountedFile(directory / name, told)) for name in names}
        additions = [CommitOperationAdd(name, file) for name, file in files.items()]
        for file in files.values():
            file.begin()
        if seal is not None:
            additions.append(CommitOperationAdd(SIGNATURE, seal.model_dump_json(indent=2).encode()))
        stale = sorted((BUNDLE_FILES & present) - {each.path_in_repo for each in additions})
        done = api.create_commit(
            repository,
            [*additions, *(CommitOperationDelete(name) for name in stale)],
            commit_message=f"{version.ref} from Bright Run",
        )
    return str(done.oid)


def _pushed(
    version: ModelVersion, repository: str, tag: str, commit: str, private: bool, *, already: bool = False
) -> Pushed:
    return Pushed(
        ref=version.ref,
        repository=repository,
        tag=tag,
        commit=commit,
        private=private,
        url=f"{hub.endpoint()}/{repository}/tree/{tag}",
        already=already,
    )
