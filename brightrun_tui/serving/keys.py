"""The bearer keys of an endpoint: who may come in.

``key`` holds the main one, as it is. ``keys.json`` holds the others by name, as SHA-256 only, so each is shown once, when it is
made. Both may change while the endpoint serves. Files are readable by their user alone.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from brightrun_tui.domain.endpoint import NAME, NAME_RULE
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.files import private_directory, write_atomic
from brightrun_tui.foreign_files import ForeignFileError, read_bytes
from brightrun_tui.redaction import keep_secret
from brightrun_tui.serving.places import every_place

KEY = "key"
OTHERS = "keys.json"
MAIN = "main"
MAX_KEYS = 100

_KEY_FORM = re.compile(r"[\x21-\x7e]{16,512}")
_LARGEST_KEY_FILE = 1 << 20
_FILE_FIX = "give a file with one such word, or none: a key is made up then"


class NamedKey(BaseModel):
    """``digest``: SHA-256 of the key, in hex. ``expires_at``: seconds since the epoch, None for never."""

    model_config = ConfigDict(frozen=True)

    name: str
    digest: str
    created_at: float
    expires_at: float | None = None


_Keys = TypeAdapter(tuple[NamedKey, ...])


class KeyRing:
    """The keys of one endpoint as they are at the moment: what is added or taken away counts from the next request on."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen: tuple[object, ...] = ()
        self._keys: tuple[NamedKey, ...] = ()

    def admits(self, secret: bytes) -> bool:
        """Say whether this is one of the keys. It takes the same time for every wrong one."""
        return bool(self.name_of(secret))

    def name_of(self, secret: bytes) -> str:
        """Return what the key is called; empty where it is none. It takes the same time for every wrong one."""
        stamp = (_stamp(self._directory / KEY), _stamp(self._directory / OTHERS))
        if stamp != self._seen:
            self._keys, self._seen = tuple(_admitted(self._directory)), stamp
        digest, now, found = _digest(secret), time.time(), ""
        for key in self._keys:
            if hmac.compare_digest(digest, key.digest) and (key.expires_at is None or now < key.expires_at):
                found = key.name
        return found


def list_keys(directory: Path) -> list[NamedKey]:
    """Return the main key first. Those that have expired are not among them. Raises ``UsageError`` where their file is
    damaged.
    """
    return [*_main(directory), *_current(directory)]


def add_key(directory: Path, name: str, key: str = "") -> str:
    """Let in whoever sends ``key``, made up where it is empty, from now on; the key.

    Raises:
        UsageError: the name is taken or not one, the key is not one, there are too many, or their file is damaged.
        OSError: the place cannot be written.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"“{name}” cannot be a key's name", fix=NAME_RULE, kind=ErrorKind.BAD_NAME)
    key = checked_key(key or new_key())
    with _lock(directory):
        known = list_keys(directory)
        if name == MAIN or any(each.name == name for each in known):
            raise UsageError(
                f"there is a key “{name}” already", fix="rotate it, or take another name", kind=ErrorKind.BAD_NAME
            )
        _require_unused(known, key)
        if len(known) >= MAX_KEYS:
            raise UsageError(
                f"there are {MAX_KEYS} keys already", fix="remove one that is not used", kind=ErrorKind.IN_USE
            )
        _write(directory, [*_current(directory), _named(name, key)])
    return key


def rotate_key(directory: Path, name: str = MAIN, key: str = "", *, keep_old: float = 0.0) -> str:
    """Put another key in the place of ``name``'s; the new one. The old one is let in for ``keep_old`` seconds more.

    Older ones that are still let in stay so for their time; with ``keep_old`` 0 they, too, are at their end.

    Raises:
        UsageError: there is no such key, the new one is not one, or the file of the others is damaged.
        OSError: the place cannot be written.
    """
    key = checked_key(key or new_key())
    with _lock(directory):
        old = _find(directory, name)
        _require_unused(list_keys(directory), key)
        others = [
            each for each in _current(directory) if each.name != name or (keep_old > 0 and each.expires_at is not None)
        ]
        if keep_old > 0:
            others.append(old.model_copy(update={"expires_at": time.time() + keep_old}))
        if name == MAIN:
            # Old and new are both let in between the two writes.
            _write(directory, others)
            put_key(directory, key)
        else:
            _write(directory, [*others, _named(name, key)])
    return key


def remove_key(directory: Path, name: str) -> None:
    """Let in nobody with this key any more.

    Raises:
        UsageError: there is no such key, or it is the main one.
        OSError: the place cannot be written.
    """
    with _lock(directory):
        _find(directory, name)
        if name == MAIN:
            raise UsageError("the main key cannot be removed", fix="rotate it", kind=ErrorKind.IN_USE)
        _write(directory, [each for each in _current(directory) if each.name != name])


def read_key(directory: Path) -> str:
    """Return the main key.

    Raises:
        UsageError: there is no usable key file.
    """
    path = directory / KEY
    try:
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        key = ""
    keep_secret(key)
    if not _KEY_FORM.fullmatch(key):
        raise UsageError(
            "the endpoint has no usable key", where=str(path), fix="deploy the model again", kind=ErrorKind.NO_KEY
        )
    return key


def put_key(directory: Path, key: str) -> None:
    """Make ``key`` the main key of the endpoint in ``directory``.

    Raises:
        UsageError: it is too short, too long, or not one word of ASCII.
        OSError: the place cannot be written.
    """
    private_directory(directory)
    write_atomic(directory / KEY, f"{checked_key(key)}\n", mode=0o600)


def forget_key(directory: Path) -> None:
    """Take the keys of an endpoint that has ended off the disk, and those in the places of its versions. Raises ``OSError``."""
    for place in every_place(directory):
        for name in (KEY, OTHERS):
            (place / name).unlink(missing_ok=True)


def new_key() -> str:
    """Make a key of 256 random bits."""
    return f"br-{secrets.token_urlsafe(32)}"


def checked_key(key: str, where: str = "the key file") -> str:
    """Return the key, which no log of this process shows from now on. Raises ``UsageError`` where it cannot be one."""
    keep_secret(key)
    if not _KEY_FORM.fullmatch(key):
        raise UsageError(
            "a key is one word of 16 to 512 ASCII characters", where=where, fix=_FILE_FIX, kind=ErrorKind.NO_KEY
        )
    return key


def read_key_file(path: Path) -> str:
    """Return the key in a file of the user's. Raises ``UsageError``."""
    try:
        text = read_bytes(path, _LARGEST_KEY_FILE).decode()
    except ForeignFileError as error:
        raise UsageError(f"the key file {error.what}", where=str(path), fix=_FILE_FIX, kind=ErrorKind.NO_KEY) from None
    except UnicodeDecodeError:
        raise UsageError("the key file is not text", where=str(path), fix=_FILE_FIX, kind=ErrorKind.NO_KEY) from None
    return checked_key(text.strip(), str(path))


def _require_unused(known: list[NamedKey], key: str) -> None:
    """Refuse a key that already has a name: it would still be valid after one of two names was removed. Raises
    ``UsageError``.
    """
    digest = _digest(key.encode())
    same = next((each for each in known if each.digest == digest), None)
    if same is not None:
        raise UsageError(f"this key is in use already, as “{same.name}”", fix="give another key", kind=ErrorKind.IN_USE)


def _find(directory: Path, name: str) -> NamedKey:
    for key in list_keys(directory):
        if key.name == name and key.expires_at is None:
            return key
    raise UsageError(f"there is no key “{name}”", fix="see: brightrun endpoints keys list", kind=ErrorKind.NO_KEY)


def _main(directory: Path) -> list[NamedKey]:
    try:
        path = directory / KEY
        main = path.read_text().strip()
        keep_secret(main)
        return [NamedKey(name=MAIN, digest=_digest(main.encode()), created_at=path.stat().st_mtime)] if main else []
    except (OSError, UnicodeDecodeError):
        return []


def _admitted(directory: Path) -> list[NamedKey]:
    """Return the keys to admit; only the main one where the file cannot be read."""
    try:
        return list_keys(directory)
    except UsageError:
        return _main(directory)


def _current(directory: Path) -> list[NamedKey]:
    """Return what belongs into ``keys.json``: those that have not expired. Raises as `list_keys`."""
    return [key for key in _others(directory) if key.expires_at is None or key.expires_at > time.time()]


def _others(directory: Path) -> tuple[NamedKey, ...]:
    path = directory / OTHERS
    try:
        return _Keys.validate_json(path.read_bytes())
    except FileNotFoundError:
        return ()
    except (OSError, ValidationError):
        raise UsageError(
            "the file of the endpoint's further keys is damaged, and lets nobody in",
            where=str(path),
            fix="mend it, or take it away and add the keys again",
            kind=ErrorKind.NO_KEY,
        ) from None


def _write(directory: Path, keys: list[NamedKey]) -> None:
    write_atomic(directory / OTHERS, _Keys.dump_json(tuple(keys), indent=2).decode(), mode=0o600)


def _named(name: str, key: str) -> NamedKey:
    return NamedKey(name=name, digest=_digest(key.encode()), created_at=time.time())


def _digest(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()


def _lock(directory: Path) -> FileLock:
    return FileLock(directory / ".keys.lock", mode=0o600)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_size
