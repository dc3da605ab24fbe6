"""Writing to the Hugging Face Hub: who may, where it is full, and telling how far an upload is."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError, BrightrunError, NotConnectedError, UsageError
from brightrun_tui.domain.text import one_line
from brightrun_tui.integrations import hub

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
TAG = re.compile(r"[A-Za-z0-9][\w.-]{0,95}")
_FULL = re.compile(r"storage|quota|too large", re.IGNORECASE)
_SHOWN = 200


def check_repository(repository: str, tag: str = "") -> None:
    """Raise `UsageError` unless it is ``owner/name``, and ``tag`` (if any) a plain word."""
    if not REPOSITORY.fullmatch(repository) or "--" in repository or ".." in repository:
        raise UsageError(
            f"“{one_line(repository)[:_SHOWN]}” is not a repository of the Hub",
            fix="write it as owner/name",
            kind=ErrorKind.BAD_REPOSITORY,
        )
    if tag and not TAG.fullmatch(tag):
        raise UsageError(
            f"“{one_line(tag)[:_SHOWN]}” cannot be a tag",
            fix="letters, digits, “.”, “_” and “-”",
            kind=ErrorKind.BAD_REPOSITORY,
        )


def check_owner(owner: str) -> None:
    """Raise `UsageError` unless it can be the name of a user or an organisation of the Hub."""
    if not TAG.fullmatch(owner) or "--" in owner or ".." in owner:
        raise UsageError(
            f"“{one_line(owner)[:_SHOWN]}” is not an owner at the Hub",
            fix="give the name of a user or an organisation",
            kind=ErrorKind.BAD_REPOSITORY,
        )


@contextmanager
def plain_errors(repository: str, *, reading: bool = False) -> Iterator[None]:
    """Turn what huggingface_hub raises while it reads or writes a repository of models into one error with its fix."""
    try:
        with hub.plain_errors(repository, has_token=True, only_there=True):
            try:
                yield
            except Exception as error:
                if not reading and (plain := _of_writing(error, repository)) is not None:
                    raise plain from None
                raise
    except BaseModelError as error:
        raise BrightrunError(
            error.what, where=error.where, fix=error.fix.replace("base model", "model"), kind=ErrorKind.NO_REPOSITORY
        ) from None


def _of_writing(error: Exception, repository: str) -> BrightrunError | None:
    from huggingface_hub import errors

    if isinstance(error, errors.RepositoryNotFoundError | errors.GatedRepoError | errors.RevisionNotFoundError):
        return None
    status = (
        error.response.status_code if isinstance(error, errors.HfHubHTTPError) and error.response is not None else 0
    )
    refused = isinstance(error, ValueError) and "LFS batch" in str(error)
    if not refused and status not in (402, 403, 409, 412, 413, 507):
        return None
    said = one_line(getattr(error, "server_message", None) or str(error).splitlines()[-1])[:_SHOWN]
    if status in (402, 413, 507) or _FULL.search(said):
        return BrightrunError(
            f"there is no room for it at the Hub: {said}",
            where=f"{hub.endpoint()}/{repository}",
            fix="free some space there, or choose another owner; what was uploaded stays for the next try",
            kind=ErrorKind.HUB_FULL,
        )
    if status in (409, 412):
        return BrightrunError(
            f"somebody else changed “{repository}” at the same time: {said}",
            where=hub.endpoint(),
            fix="try again",
            kind=ErrorKind.HUB_BUSY,
        )
    if status == 403:
        return NotConnectedError(
            f"the Hugging Face token may not write to “{repository}”: {said}",
            where=hub.endpoint(),
            fix=f"give it write access at {hub.endpoint()}/settings/tokens, or choose an owner that it belongs to",
            kind=ErrorKind.TOKEN_LACKS_RIGHTS,
        )
    return BrightrunError(
        f"the Hub does not take the files: {said}",
        where=f"{hub.endpoint()}/{repository}",
        fix="try again later",
        kind=ErrorKind.HUB_FAILING,
    )


class CountedFile(io.BufferedReader):
    """A file that tells how much of it was read since `begin`."""

    def __init__(self, path: Path, told: Callable[[int], None]) -> None:
        super().__init__(io.FileIO(path))
        self._told = told
        self._counts = False

    def begin(self) -> None:
        """Count from now on: what is read is on its way; before, it was only looked at."""
        self._counts = True

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if self._counts and data:
            self._told(len(data))
        return data
