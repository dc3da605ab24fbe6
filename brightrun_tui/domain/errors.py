"""One family of errors that a user may see: what is wrong, where, and how to fix it."""

from __future__ import annotations

from brightrun_tui.domain.error_kinds import ErrorKind, ExitCode


class BrightrunError(Exception):
    """An error with a plain sentence for the user.

    Args:
        what: what is wrong, one sentence, no secret in it.
        where: the place: a file and line, a setting, a service. May be empty.
        fix: what the user can do about it. May be empty.
        kind: the reason, as programs know it; a plain text only for what came from elsewhere (an extension, another process).
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, what: str, *, where: str = "", fix: str = "", kind: ErrorKind | str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix
        self.kind: str = kind or type(self).__name__

    @property
    def statement(self) -> str:
        """What is wrong, after its place where the sentence does not name that itself."""
        said = self.where.casefold() in self.what.casefold()
        return self.what if said else f"{self.where}: {self.what}"

    def __str__(self) -> str:
        return f"{self.statement} — {self.fix}" if self.fix else self.statement

    def as_dict(self) -> dict[str, str]:
        """Return the JSON form that ``--json`` prints under ``error``."""
        return {"kind": str(self.kind), "what": self.what, "where": self.where, "fix": self.fix}


class UsageError(BrightrunError):
    """The request itself makes no sense (unknown run, bad option, bad setting)."""

    exit_code = ExitCode.USAGE


class DatasetError(BrightrunError):
    """A dataset that cannot be used."""


class BaseModelError(BrightrunError):
    """A base model that cannot be found or used."""


class BudgetError(BrightrunError):
    """Refused because of money."""

    exit_code = ExitCode.BUDGET


class NotConnectedError(BrightrunError):
    """A service is not connected, or refuses the credential."""

    exit_code = ExitCode.NOT_CONNECTED


class ProviderError(BrightrunError):
    """A provider of machines refused, failed, or could not be understood."""


class NoCapacityError(ProviderError):
    """The provider has no machine to rent."""

    exit_code = ExitCode.NO_CAPACITY


class BadCredentialError(ProviderError, NotConnectedError):
    """The provider does not know this key. Asking again will not help."""


class MissingScopeError(ProviderError, NotConnectedError):
    """The key is good, but may not do this."""


class EdgeBlockedError(ProviderError, NotConnectedError):
    """The provider's edge network refuses this machine's address or client; the key may be good."""


class ProviderDownError(ProviderError, NotConnectedError):
    """The provider cannot be reached, or answers what nobody can read. It says nothing about what exists there."""


class NoFundsError(ProviderError, BudgetError):
    """The account at the provider has no money left."""


class RejectedRequestError(ProviderError):
    """The provider understood the request and refuses it; nothing was created, and repeating it is useless."""


class RateLimitedError(ProviderError):
    """Too many requests; nothing happened. ``retry_after`` is in seconds, None when the provider did not say."""

    def __init__(self, what: str, *, retry_after: float | None = None, **parts: str) -> None:
        super().__init__(what, **parts)
        self.retry_after = retry_after


class UnclearError(ProviderError):
    """It is not known whether the request took effect: look by name before doing anything else."""


class GpuError(BrightrunError):
    """A GPU is not fit to train on."""


class HostError(BrightrunError):
    """A machine in hand did not do what was asked of it."""


class HostUnreachableError(HostError):
    """No SSH connection comes about, or it broke and did not come back in time."""


class HostRefusedError(HostError):
    """SSH answers, but does not accept our key (yet)."""


class HostKeyChangedError(HostError):
    """The machine at this address is not the one whose host key was pinned."""


class BadHostKeyError(HostError):
    """The host key that we were given for a machine is not a key. Trying again will not help."""


class MachineLiesError(HostError):
    """What a machine says or hands over cannot come from a worker of ours: it is damaged or hostile, and to be returned."""

    def __init__(self, what: str, *, where: str = "") -> None:
        super().__init__(
            what,
            where=where,
            kind=ErrorKind.MACHINE_LIES,
            fix="such a machine is damaged or hostile; choose another one, or another provider",
        )


class StoreError(BrightrunError):
    """The store cannot be read or written just now: it is locked, or its disk is full. Nothing was changed; waiting helps."""


class DamagedRecordError(BrightrunError):
    """One record in the store cannot be read. The others can, and this one can be deleted."""


class EngineError(BrightrunError):
    """The engine could not be started or did not answer."""


class PluginError(BrightrunError):
    """A package that extends Bright Run is broken, or two of them want the same name. ``packages`` are those at fault."""

    def __init__(self, what: str, *, packages: tuple[str, ...] = (), **parts: str) -> None:
        super().__init__(what, **parts)
        self.packages = packages
