"""The Hugging Face Hub through huggingface_hub: one way in, and plain words for everything that can go wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError, BrightrunError, DatasetError, NotConnectedError
from brightrun_tui.foreign_answers import NONSENSE
from brightrun_tui.paths import Paths

if TYPE_CHECKING:
    from huggingface_hub import HfApi

DEFAULT_ENDPOINT = "https://huggingface.co"
TIMEOUT_SECONDS = 10.0
_COMMIT = re.compile(r"[0-9A-Za-z]{1,64}")
CONNECT = "run: brightrun connect huggingface"
REMEMBER_SECONDS, REMEMBER_FAILURE_SECONDS = 3600.0, 20.0
"""How long what the Hub said of a model or a dataset is remembered, and that it could not be asked."""


def endpoint() -> str:
    """Return the Hub's address: HF_ENDPOINT, or the public one."""
    return (os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")


def cache_directory(paths: Paths) -> Path:
    """Say where downloads lie: the Hugging Face cache that other tools use too; below BRIGHTRUN_HOME when that is set."""
    if given := os.environ.get("HF_HUB_CACHE"):
        return Path(given).expanduser()
    if given := os.environ.get("HF_HOME"):
        return Path(given).expanduser() / "hub"
    if os.environ.get("BRIGHTRUN_HOME"):
        return paths.cache / "huggingface"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface" / "hub"


def api(token: SecretStr | None) -> HfApi:
    """Return a client for `endpoint`. Without a token none is sent, whatever else is stored on this machine."""
    library = _library()
    client: HfApi = library.HfApi(endpoint=endpoint(), token=token.get_secret_value() if token else False)
    return client


def whoami(token: SecretStr) -> dict[str, Any]:
    """Say who the token belongs to. Blocking.

    Raises:
        NotConnectedError: the token is refused, or the Hub cannot be reached.
    """
    with plain_errors("", only_there=True):
        return dict(api(token).whoami())


def checked(about: Any) -> Any:
    """Return what the Hub says of a repository, with a commit and sizes that are such: both become names and sums here.

    Raises:
        ValueError, TypeError, OverflowError: they are not.
    """
    if about.sha is not None and not _COMMIT.fullmatch(about.sha):
        raise ValueError("its commit is not one")
    for file in about.siblings or []:
        file.size = int(file.size or 0)
    return about


def reach() -> None:
    """Raise `NotConnectedError` when the Hub does not answer. Blocking, sends no token."""
    with plain_errors("", only_there=True):
        answer = _library().get_session().get(f"{endpoint()}/api/models", params={"limit": 1}, timeout=TIMEOUT_SECONDS)
        _library().utils.hf_raise_for_status(answer)


@contextmanager
def plain_errors(
    repository: str, *, has_token: bool = False, dataset: bool = False, only_there: bool = False
) -> Iterator[None]:
    """Turn what huggingface_hub raises into one `BaseModelError` (`DatasetError`) or `NotConnectedError` with its fix.

    ``only_there``: it is wanted at the Hub, so a directory of this machine would not do instead.
    """
    noun, prefix = ("dataset", "dataset") if dataset else ("model", "base")
    unusable = DatasetError if dataset else BaseModelError
    instead = "" if only_there else f", or name a directory that holds the {noun}"
    _library()
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError:
        raise _gated(repository, has_token, dataset) from None
    except errors.RevisionNotFoundError:
        raise unusable(
            f"“{repository}” has no such revision",
            where=endpoint(),
            fix="check what follows the @",
            kind=f"{prefix}_unknown",
        ) from None
    except errors.RepositoryNotFoundError:
        fix = (
            f"check the spelling (owner/name); the token may lack access to a private {noun}"
            if has_token
            else f"check the spelling (owner/name); for a private {noun} {CONNECT}"
        )
        raise unusable(
            f"there is no {noun} “{repository}” here", where=endpoint(), fix=fix, kind=f"{prefix}_unknown"
        ) from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status != HTTPStatus.NOT_FOUND:
            raise _refused(status, repository, has_token, instead) from None
        file = error.response.url.path.rpartition("/resolve/")[2].partition("/")[2]
        raise unusable(
            f"“{repository}” has no {f'file “{file}”' if file else 'such place'} at the Hub",
            where=endpoint(),
            fix=f"look at what it holds: {endpoint()}/{'datasets/' if dataset else ''}{repository.split('@')[0]}",
            kind=f"{prefix}_unknown",
        ) from None
    except errors.HFValidationError as error:
        raise unusable(
            f"“{repository}” is not a valid name for the Hub ({error})",
            where=endpoint(),
            fix="write it as owner/name",
            kind=f"{prefix}_unknown",
        ) from None
    except errors.OfflineModeIsEnabled:
        raise NotConnectedError(
            "the Hugging Face Hub is switched off",
            where="HF_HUB_OFFLINE",
            fix=f"unset HF_HUB_OFFLINE{instead}",
            kind=ErrorKind.HUB_OFFLINE,
        ) from None
    except (errors.IncompleteSnapshotError, errors.LocalEntryNotFoundError) as error:
        cause = error.__cause__
        status = (
            cause.response.status_code if isinstance(cause, errors.HfHubHTTPError) and cause.response is not None else 0
        )
        raise (_refused(status, repository, has_token, instead) if status else _unreachable(cause, instead)) from None
    except (*NONSENSE, httpx2.DecodingError):  # the page on which a network wants a login, for one
        raise NotConnectedError(
            "what answers is not the Hugging Face Hub, or not as it should",
            where=endpoint(),
            fix=f"check the network (HF_ENDPOINT and HTTPS_PROXY are honoured){instead}",
            kind=ErrorKind.HUB_FAILING,
        ) from None
    except (httpx2.HTTPError, ConnectionError, TimeoutError) as error:
        raise _unreachable(error, instead) from None


def _gated(repository: str, has_token: bool, dataset: bool) -> BrightrunError:
    page = f"{endpoint()}/{'datasets/' if dataset else ''}{repository.split('@')[0]}"
    if has_token:
        return (DatasetError if dataset else BaseModelError)(
            f"your account may not use “{repository}” yet",
            where=endpoint(),
            fix=f"open {page}, accept the licence, and try again",
            kind=ErrorKind.DATASET_GATED if dataset else ErrorKind.BASE_GATED,
        )
    return NotConnectedError(
        f"“{repository}” wants its licence accepted by an account",
        where=endpoint(),
        fix=f"accept the licence at {page}, then {CONNECT}",
        kind=ErrorKind.DATASET_GATED if dataset else ErrorKind.BASE_GATED,
    )


def _refused(status: int, repository: str, has_token: bool, instead: str) -> BrightrunError:
    if status == 401:
        return NotConnectedError(
            "the Hugging Face token is not valid" if has_token or not repository else "the Hub wants a token",
            where=endpoint(),
            fix=f"make a new one at {endpoint()}/settings/tokens, then {CONNECT}",
            kind=ErrorKind.BAD_TOKEN,
        )
    if status == 403:
        return NotConnectedError(
            "the Hugging Face token may not do this",
            where=endpoint(),
            fix=f"give it read access at {endpoint()}/settings/tokens",
            kind=ErrorKind.TOKEN_LACKS_RIGHTS,
        )
    if status == 429:
        return NotConnectedError(
            "the Hub asks us to wait (too many requests)",
            where=endpoint(),
            fix="try again in a few minutes",
            kind=ErrorKind.HUB_BUSY,
        )
    return NotConnectedError(
        f"the Hub answers with an error (HTTP {status})",
        where=endpoint(),
        fix=f"try again later{instead}",
        kind=ErrorKind.HUB_FAILING,
    )


def _unreachable(error: BaseException | None, instead: str) -> NotConnectedError:
    host = urlsplit(endpoint()).netloc.rpartition("@")[2] or endpoint()
    reason = type(error).__name__ if error else "no answer"
    return NotConnectedError(
        f"the Hugging Face Hub cannot be reached ({reason})",
        where=host,
        kind=ErrorKind.HUB_UNREACHABLE,
        fix=f"check the network (HF_ENDPOINT and HTTPS_PROXY are honoured){instead}",
    )


@cache
def _library() -> Any:
    """Return huggingface_hub, silent (its bars would paint over the app) and with a time limit, which it lacks by default."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_UPDATE_CHECK", "1")
    import huggingface_hub
    from huggingface_hub.utils import logging

    from brightrun_tui.integrations.hub_client import make_client

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    huggingface_hub.set_client_factory(lambda: make_client(TIMEOUT_SECONDS, lambda: {endpoint(), DEFAULT_ENDPOINT}))
    return huggingface_hub
