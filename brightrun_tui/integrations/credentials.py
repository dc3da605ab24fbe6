"""Credentials by service name: from the environment, else as saved here, else from the login of the service's own tool.

Wherever one comes from, it is checked before it is used: what no HTTP header can carry is refused with its place, never with
its value. A saved credential lies in the operating system's keyring where one works, else in ``credentials.json`` (mode 0600,
not encrypted; `PLACES` says so). The file also remembers which credentials are in which keyring, so looking is cheap.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock
from pydantic import SecretStr

from brightrun_tui.domain.disk import WRITABLE_HOME
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, NotConnectedError, UsageError
from brightrun_tui.domain.service_names import HUGGINGFACE
from brightrun_tui.files import close_to_others, private_directory, write_atomic
from brightrun_tui.foreign_files import ForeignFileError, NoSuchFileError, read_json
from brightrun_tui.integrations import keyring_client
from brightrun_tui.integrations.services import Service, get_service
from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.redaction import keep_secret

LOCK_SECONDS = 10.0
MOST_BYTES = 1 << 20
"""Of the file."""
LONGEST = 4096
"""Characters; the longest key of a service has some hundreds."""
_QUOTES = "\"'`"

CredentialPlace = Literal["", "environment", "keyring", "file", "login"]
PLACES: dict[CredentialPlace, str] = {
    "": "not set",
    "environment": "from the environment",
    "keyring": "in the system keyring",
    "file": "in a private file, not encrypted",
    "login": "from the login of its own tool",
}


def get(name: str, paths: Paths | None = None) -> SecretStr | None:
    """Return the credential of a service, or None. Blocking: a keyring takes about half a second.

    Raises:
        NotConnectedError: what is there cannot be a key; says where it is and what is wrong with it.
        BrightrunError: it is in a keyring that refuses, or the file cannot be read.
        UsageError: there is no such service.
    """
    paths = paths or get_paths()
    service = get_service(name)
    value, place, fix = _find(name, paths, service)
    if not value.strip():
        return None
    wrong = what_is_wrong(value)
    keep_secret(value.strip())
    if wrong:
        raise NotConnectedError(
            f"the credential of {service.title} cannot be a key: {wrong}",
            where=place,
            fix=fix,
            kind=ErrorKind.BAD_CREDENTIAL,
        )
    return SecretStr(value.strip())


def _find(name: str, paths: Paths, service: Service) -> tuple[str, str, str]:
    """Return the credential as it lies there, where that is, and how to put it right."""
    again = f"copy it from {service.where_to_get} again: brightrun connect {name}"
    if given := _from_environment(name):
        return given, service.environment, "copy it again, without quotes and spaces around it, or unset the variable"
    entry = _read(paths.credentials_file).get(name)
    if entry and "keyring" in entry:
        return keyring_client.act("get", entry["keyring"], name) or "", entry["keyring"].partition(":")[0], again
    if entry:
        return entry["secret"], str(paths.credentials_file), again
    return _login(name), str(_login_file()), "log in again: hf auth login"


def what_is_wrong(secret: str) -> str:
    """Say why this cannot be a key, without telling any of it; "" when it can. Blanks around it do not matter.

    A key goes into an HTTP header: visible ASCII characters. Quotes around it are of the place it was copied from.
    """
    value = secret.strip()
    if len(value) > LONGEST:
        return f"it has {len(value):,} characters, and none has more than {LONGEST:,}"
    for number, character in enumerate(value, 1):
        quote = character in _QUOTES and number in (1, len(value))
        if quote or not "!" <= character <= "~":
            name = unicodedata.name(character, "no letter").lower()
            return f"character {number} is {name} (U+{ord(character):04X})"
    return ""


def where(name: str, paths: Paths | None = None) -> CredentialPlace:
    """Say where the credential would come from; "" when there is none. Cheap. See `PLACES` for the words."""
    if _from_environment(name):
        return "environment"
    entry = _read((paths or get_paths()).credentials_file).get(name)
    if entry:
        return "keyring" if "keyring" in entry else "file"
    return "login" if _login(name) else ""


def save(name: str, secret: SecretStr | str, paths: Paths | None = None) -> CredentialPlace:
    """Keep a credential; returns where it now lies. Test it first. Blocking.

    Raises:
        UsageError: no such service, or the secret is empty or cannot be a key.
        BrightrunError: it cannot be written.
    """
    paths = paths or get_paths()
    service = get_service(name)
    value = (secret.get_secret_value() if isinstance(secret, SecretStr) else secret).strip()
    if not service.environment:
        raise UsageError(f"{service.title} needs no credential", kind=ErrorKind.NO_CREDENTIAL_NEEDED)
    keep_secret(value)
    wrong = what_is_wrong(value) or ("" if value else "it is empty")
    if wrong:
        raise UsageError(
            f"that is not a credential: {wrong}",
            where=service.title,
            fix=f"copy it from {service.where_to_get}",
            kind=ErrorKind.BAD_CREDENTIAL,
        )
    return keep(name, value, paths)


def delete(name: str, paths: Paths | None = None) -> bool:
    """Forget what was saved; True when something was. An environment variable stays, of course. Blocking.

    Raises:
        BrightrunError: the keyring refuses, or the file cannot be written.
    """
    get_service(name)
    return forget(name, paths or get_paths())


def keep(name: str, value: str, paths: Paths) -> CredentialPlace:
    """Put a secret of any name where credentials lie. Blocking. Raises `BrightrunError` where it cannot be written."""
    keep_secret(value)
    backend = keyring_client.find_backend(paths)
    if backend:
        try:
            keyring_client.act("set", backend, name, value)
        except BrightrunError:
            backend = ""
    with _changing(paths.credentials_file) as entries:
        entries[name] = {"keyring": backend} if backend else {"secret": value}
    return "keyring" if backend else "file"


def kept(name: str, paths: Paths) -> str:
    """Return what `keep` put there; empty when there is none. Blocking. Raises `BrightrunError` as `get`."""
    entry = _read(paths.credentials_file).get(name)
    if not entry:
        return ""
    value = keyring_client.act("get", entry["keyring"], name) or "" if "keyring" in entry else entry["secret"]
    keep_secret(value)
    return value


def forget(name: str, paths: Paths) -> bool:
    """Take away what `keep` put there; True when there was something. Blocking. Raises `BrightrunError` as `delete`."""
    entry = _read(paths.credentials_file).get(name)
    if not entry:
        return False
    if "keyring" in entry:
        keyring_client.act("delete", entry["keyring"], name)
    with _changing(paths.credentials_file) as entries:
        entries.pop(name, None)
    return True


def _from_environment(name: str) -> str:
    variable = get_service(name).environment
    return os.environ.get(variable, "").strip() if variable else ""


def _login(name: str) -> str:
    """Return the token that ``hf auth login`` left on this machine."""
    if name != HUGGINGFACE:
        return ""
    try:
        return _login_file().read_text("utf-8").strip()
    except (OSError, ValueError):
        return ""


def _login_file() -> Path:
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.environ.get("HF_TOKEN_PATH") or Path(home) / "token").expanduser()


def _read(path: Path) -> dict[str, dict[str, str]]:
    try:
        close_to_others(path)
        document = read_json(path, MOST_BYTES)
    except NoSuchFileError:
        return {}
    except (ForeignFileError, OSError) as error:
        if isinstance(error, ForeignFileError) and error.kind == ErrorKind.FILE_DAMAGED:
            raise _damaged(path) from None
        why = error.what if isinstance(error, ForeignFileError) else f"cannot be read ({error.strerror})"
        raise BrightrunError(
            f"the file of credentials {why}",
            where=str(path),
            fix="make the file yours and readable",
            kind=ErrorKind.CREDENTIALS_UNREADABLE,
        ) from None
    if not all(_is_entry(entry) for entry in document.values()):
        raise _damaged(path)
    return document


def _is_entry(entry: Any) -> bool:
    """Say whether it is ``{"secret": …}`` or ``{"keyring": "module:Class"}``."""
    return isinstance(entry, dict) and any(isinstance(entry.get(key), str) for key in ("secret", "keyring"))


def _damaged(path: Path) -> BrightrunError:
    return BrightrunError(
        "the credentials file is damaged",
        where=str(path),
        fix="move it away and connect again",
        kind=ErrorKind.CREDENTIALS_UNREADABLE,
    )


@contextmanager
def _changing(path: Path) -> Iterator[dict[str, Any]]:
    """Read, change and replace the file, one process at a time."""
    try:
        private_directory(path.parent)
        with FileLock(path.with_suffix(".lock"), timeout=LOCK_SECONDS, mode=0o600):
            entries: dict[str, Any] = dict(_read(path))
            yield entries
            write_atomic(path, json.dumps(entries, indent=1), mode=0o600)
    except OSError as error:
        raise BrightrunError(
            f"the credential cannot be saved ({error.strerror or error})",
            where=str(path),
            fix=WRITABLE_HOME,
            kind=ErrorKind.HOME_NOT_WRITABLE,
        ) from None
