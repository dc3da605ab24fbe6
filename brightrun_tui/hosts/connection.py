"""One SSH connection to a machine, kept up. Everything peculiar to asyncssh lives here and in `hosts.ssh`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import (
    BadHostKeyError,
    HostError,
    HostKeyChangedError,
    HostRefusedError,
    HostUnreachableError,
    MachineLiesError,
)
from brightrun_tui.foreign_files import ForeignFileError, read_bytes
from brightrun_tui.hosts.timings import SshTimings as SshTimings

log = logging.getLogger(__name__)
T = TypeVar("T")

CIPHERS = [
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes256-ctr",
]
LOST = (
    asyncssh.DisconnectError,
    asyncssh.ChannelOpenError,
    asyncssh.SFTPConnectionLost,
    asyncssh.SFTPNoConnection,
    ConnectionError,
    TimeoutError,
    EOFError,
)
"""What a broken connection looks like. OSError is not among them: it may be our own disk."""
MAX_KEY_BYTES = 1 << 20

NOTHING_ALONG = {"agent_forwarding": False, "x11_forwarding": False, "send_env": None}
"""Whatever the person's own settings of ssh say: with their agent a box could log in to other boxes, and the environment of the
engine holds keys."""
SLOWEST_LINE = 10_000
"""Bytes a second that a line may be taken to carry when a large piece is sent."""


@dataclass(frozen=True)
class SshAddress:
    """Where an sshd listens, and whom to log in as."""

    host: str
    port: int = 22
    user: str = "root"

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}"


@dataclass(frozen=True)
class KeyPair:
    """Texts in OpenSSH format; the public one is a single line."""

    private: str
    public: str


def new_key_pair(comment: str) -> KeyPair:
    """Make a fresh ed25519 key."""
    key = asyncssh.generate_private_key("ssh-ed25519", comment=comment)
    return KeyPair(key.export_private_key().decode(), key.export_public_key().decode().strip())


def read_key_pair(path: Path) -> KeyPair:
    """Return a pair that is kept at home as JSON, the private key included. Blocking."""
    return KeyPair(**json.loads(path.read_text()))


def known_host_key(host: str, port: int) -> str:
    """Return the host key that the person's own ``known_hosts`` has for an address; empty when it has none."""
    try:
        keys = asyncssh.read_known_hosts(str(Path.home() / ".ssh" / "known_hosts")).match(host, "", port)[0]
    except (OSError, ValueError):
        return ""
    return keys[0].export_public_key().decode().strip() if keys else ""


class _Patience:
    """With one task: for how long it may get nowhere. A machine that answers to nothing must not hold it for ever."""

    def __init__(self, seconds: float) -> None:
        self.since = time.monotonic()
        self._seconds = seconds
        self._limit: asyncio.Timeout | None = None

    def renew(self, more: float) -> None:
        self.since = time.monotonic()
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + self._seconds + more)

    async def within(self, work: Callable[[], Awaitable[T]]) -> T:
        """Attempt it once. Raises ``TimeoutError`` when it gets nowhere."""
        before = _patience.set(self)
        try:
            async with asyncio.timeout(self._seconds) as self._limit:
                return await work()
        finally:
            self._limit = None
            _patience.reset(before)


_patience: ContextVar[_Patience | None] = ContextVar("patience", default=None)


class SshConnection:
    """Reconnects by itself. Addresses are tried in order, the one that worked last first.

    Args:
        private_key: text in OpenSSH format, or the path of a file; None uses the person's own keys and agent.
        host_key: the pinned public host key; empty trusts the first one seen and pins it, see `host_key`.
    """

    def __init__(
        self, addresses: Sequence[SshAddress], private_key: str | Path | None, host_key: str, timings: SshTimings
    ) -> None:
        self.addresses = list(addresses)
        self.host_key = host_key
        self.timings = timings
        self.home = ""
        self.key = private_key
        self._lock = asyncio.Lock()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._sftp: asyncssh.SFTPClient | None = None

    @property
    def where(self) -> str:
        return str(self.addresses[0])

    def progressed(self, ahead: int = 0) -> None:
        """Note that something came through: the patience with the present task starts anew.

        Args:
            ahead: bytes that are sent in one go now, which a slow line is given the time for.
        """
        if (patience := _patience.get()) is not None:
            patience.renew(ahead / SLOWEST_LINE)

    async def sftp(self) -> asyncssh.SFTPClient:
        """Return the one SFTP session, on a live connection.

        Raises:
            HostUnreachableError, HostRefusedError, HostKeyChangedError: see `connect`.
        """
        await self.connect()
        assert self._sftp is not None
        return self._sftp

    async def shell(self) -> asyncssh.SSHClientConnection:
        """Return the live connection, for commands; raises as `connect` does."""
        await self.connect()
        assert self._connection is not None
        return self._connection

    async def connect(self) -> None:
        """Be connected; one attempt per address when it is not.

        Raises:
            HostUnreachableError: nobody answers, or not as an SSH server does.
            HostRefusedError: the key is not accepted.
            HostKeyChangedError: another machine than the pinned one.
            BadHostKeyError: what was given as its host key is not one.
        """
        async with self._lock:
            if self._connection is not None and not self._connection.is_closed():
                return
            self._drop()
            failure: HostError | None = None
            for address in list(self.addresses):
                try:
                    await self._connect(address)
                    self.addresses.remove(address)
                    self.addresses.insert(0, address)
                    self.progressed()
                    return
                except (HostKeyChangedError, BadHostKeyError, MachineLiesError):
                    raise
                except HostError as error:
                    failure = failure if isinstance(failure, HostRefusedError) else error
            raise failure or HostUnreachableError("no address to connect to", kind=ErrorKind.HOST_UNREACHABLE)

    async def insist(self, work: Callable[[], Awaitable[T]], seconds: float | None = None) -> T:
        """Do work that may be repeated, over as many connections as it takes.

        Args:
            seconds: without any progress for so long, an attempt is broken off; ``patience_seconds`` when not given, and
                beside them the time to connect.

        Raises:
            HostError: no progress for ``patience_seconds``, or another machine answers.
        """
        connecting = self.timings.connect_seconds * len(self.addresses)
        patience = _Patience((seconds or self.timings.patience_seconds) + connecting)
        while True:
            try:
                return await patience.within(work)
            except HostKeyChangedError:
                raise
            except (*LOST, HostUnreachableError, HostRefusedError) as error:
                self._drop()
                if time.monotonic() - patience.since > self.timings.patience_seconds:
                    if isinstance(error, HostError):
                        raise
                    raise self._unreachable(self.where, error) from None
                log.info("ssh %s: %s; connecting again", self.where, error or type(error).__name__)
                await asyncio.sleep(self.timings.retry_seconds)
            except asyncssh.SFTPError as error:
                raise HostError(
                    f"the machine refused a file operation ({error.reason[:200]})",
                    where=self.where,
                    fix="is its disk full, or not ours to write to?",
                    kind=ErrorKind.HOST_FILE,
                ) from None

    async def close(self) -> None:
        connection, self._connection, self._sftp = self._connection, None, None
        if connection is not None:
            connection.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(connection.wait_closed(), 2)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.abort()
        self._connection = self._sftp = None

    async def _connect(self, address: SshAddress) -> None:
        options = self._options()
        try:
            async with asyncio.timeout(self.timings.connect_seconds):
                connection = await asyncssh.connect(address.host, address.port, username=address.user, **options)
                try:
                    sftp = await connection.start_sftp_client()
                    self.home = self.home or _plain_path(str(await sftp.realpath(".")), str(address))
                except BaseException:
                    connection.abort()
                    raise
        except asyncssh.HostKeyNotVerifiable:
            raise HostKeyChangedError(
                f"the machine at {address.host}:{address.port} shows another host key than before",
                where=str(address),
                fix="it is not the machine that was rented, or somebody is in between; nothing was sent",
                kind=ErrorKind.HOST_KEY_CHANGED,
            ) from None
        except asyncssh.PermissionDenied:
            raise HostRefusedError(
                "SSH does not accept our key",
                where=str(address),
                kind=ErrorKind.HOST_REFUSED,
                fix="on a new machine the key may need a minute; on your own, add it to authorized_keys",
            ) from None
        except (
            *LOST,
            OSError,
            asyncssh.Error,
            ValueError,
            OverflowError,
        ) as error:  # ValueError, OverflowError: a name or a port that cannot be one of a machine
            raise self._unreachable(str(address), error) from None
        self._connection, self._sftp = connection, sftp
        shown = connection.get_server_host_key()
        if not self.host_key and shown is not None:
            self.host_key = shown.export_public_key().decode().strip()

    def _options(self) -> dict[str, Any]:
        known: Any = None
        if self.host_key:
            known = ([_public_key(self.host_key, self.where)], [], [])
        options: dict[str, Any] = {
            "known_hosts": known,
            "encryption_algs": CIPHERS,
            "keepalive_interval": self.timings.keepalive_seconds,
            "keepalive_count_max": 3,
            "connect_timeout": self.timings.connect_seconds,
            "login_timeout": self.timings.connect_seconds,
            **NOTHING_ALONG,
        }
        if self.key is None:
            return options
        try:
            text = read_bytes(self.key, MAX_KEY_BYTES) if isinstance(self.key, Path) else self.key
            key = asyncssh.import_private_key(text)
        except (ForeignFileError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            why = error.what if isinstance(error, ForeignFileError) else str(error)
            place = str(self.key) if isinstance(self.key, Path) else "the run's key"
            raise HostRefusedError(
                f"the private key cannot be used ({why})",
                where=place,
                kind=ErrorKind.BAD_KEY_FILE,
                fix="name a key file in OpenSSH format without a passphrase",
            ) from None
        return {
            **options,
            "client_keys": [key],
            "config": None,
            "agent_path": None,
            "password_auth": False,
            "kbdint_auth": False,
            "gss_host": None,
            "preferred_auth": "publickey",
        }

    def _unreachable(self, where: str, error: BaseException) -> HostUnreachableError:
        reason = "no answer in time" if isinstance(error, TimeoutError) else _plain(error)
        return HostUnreachableError(
            f"no SSH connection ({reason})",
            where=where,
            kind=ErrorKind.HOST_UNREACHABLE,
            fix="check that the machine runs and that its SSH port is open",
        )


def _public_key(text: str, where: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_public_key(text)
    except ValueError as error:  # a KeyImportError, or characters that no key has
        raise BadHostKeyError(
            f"the host key that was given for this machine is not an SSH key ({str(error)[:80]})",
            where=where,
            fix="take the line that ssh-keyscan prints, from “ssh-” on; or leave host_key out",
            kind=ErrorKind.BAD_HOST_KEY,
        ) from None


def _plain_path(text: str, where: str) -> str:
    """Return the login's home, which all paths there begin with."""
    if not text.startswith("/") or not text.isprintable() or len(text) > 1024:
        raise MachineLiesError(f"its home directory is {text[:80]!r}", where=where)
    return text.rstrip("/") or "/"


def _plain(error: BaseException) -> str:
    """Say what went wrong, without the addresses and numbers that asyncio puts into it."""
    if isinstance(error, OSError) and (error.errno or 0) > 0:
        return os.strerror(error.errno or 0).lower()
    return str(error) or type(error).__name__
