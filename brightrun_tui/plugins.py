"""Doors for extensions: what installed packages register as entry points, found by name and loaded when it is wanted.

Bright Run's own parts are registered the same way, in pyproject.toml. What a package registers is a *spec*: a frozen object that
knows its name and says itself whether it keeps its contract. A plugin that cannot be imported or breaks its contract is one
`PluginError` that names its package; everything else goes on without it.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Mapping
from contextlib import ContextDecorator, redirect_stdout
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, PluginError, UsageError
from brightrun_tui.domain.text import one_line

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

log = logging.getLogger(__name__)

SLOW_SECONDS = 10.0
"""After which it is said whose plugin one waits for."""
_ONE_AT_A_TIME = threading.RLock()

OURS = "brightrun"
"""The distribution whose names nobody else may take."""


class Door(StrEnum):
    """The groups of entry points that Bright Run reads."""

    PROVIDERS = "brightrun.providers"
    DATASET_FORMATS = "brightrun.dataset_formats"
    EXPORTS = "brightrun.exports"
    NOTIFICATIONS = "brightrun.notifications"
    OBJECTIVES = "brightrun.objectives"
    CURVES = "brightrun.curves"

    @property
    def thing(self) -> str:
        """What is registered there, in words."""
        return _THINGS[self]


_THINGS = {
    Door.PROVIDERS: "provider",
    Door.DATASET_FORMATS: "dataset format",
    Door.EXPORTS: "export kind",
    Door.NOTIFICATIONS: "notification channel",
    Door.OBJECTIVES: "training objective",
    Door.CURVES: "curve",
}


class Spec(Protocol):
    """What an entry point must name."""

    @property
    def name(self) -> str:
        """The name it is registered by."""
        ...

    def flaw(self) -> str:
        """Say how it breaks the contract of its door, as the rest of a sentence; "" when it keeps it."""
        ...


S = TypeVar("S", bound=Spec)


@dataclass(frozen=True)
class Registration:
    """One entry point: ``target`` is ``module:attribute``, ``package`` the distribution that brings it."""

    door: Door
    name: str
    target: str
    package: str
    version: str

    @property
    def origin(self) -> str:
        """The package with its version, fit to be shown."""
        return one_line(f"{self.package} {self.version}".strip())


@dataclass(frozen=True, eq=False)
class Loaded(Generic[S]):
    """What a door has: specs by name, Bright Run's own first, then by name; and what is wrong with the others."""

    found: Mapping[str, S]
    problems: tuple[PluginError, ...] = ()


_loaded: dict[Door, Loaded[Any]] = {}


@lru_cache(maxsize=1)
def registrations() -> tuple[Registration, ...]:
    """Return everything that is registered, twice or not, loading nothing. Read once in the life of a process (about 30 ms).

    Raises:
        BrightrunError: Bright Run itself is not registered, as its installation is older than its code.
    """
    points = _points()
    packages = {package: _name_and_version(package) for package in {point.dist for point in points}}
    found = [Registration(Door(one.group), one.name, one.value, *packages[one.dist]) for one in points]
    if not any(one.package == OURS for one in found):
        raise BrightrunError(
            "Bright Run was installed before its code learnt to say what it brings",
            kind=ErrorKind.NOT_REGISTERED,
            where="entry points of the package brightrun",
            fix="install it again: ./scripts/start, or pip install --no-deps -e .",
        )
    doors = list(Door)
    return tuple(sorted(found, key=lambda one: (doors.index(one.door), one.package != OURS, one.name, one.package)))


def _points() -> list[EntryPoint]:
    """Return what every installed package says of itself. One whose word cannot be read is passed over, and named."""
    from importlib.metadata import distributions  # takes as long as all of our own imports of a small verb

    doors, seen = frozenset(map(str, Door)), set[str]()
    found: list[EntryPoint] = []
    for package in distributions():
        try:
            name = package._normalized_name  # type: ignore[attr-defined]  # of its directory; “metadata” reads a file for it
            if name not in seen:
                found += [point for point in package.entry_points if point.group in doors]
            seen.add(name)
        except Exception as error:  # half a file, no text, lines of another kind: the library fails in many ways
            where = one_line(str(getattr(package, "_path", "a package")))
            log.warning("what %s registers cannot be read (%s)", where, type(error).__name__)
    return found


def look_again() -> None:
    """Forget what was found, as packages may have come or gone. What is imported stays as it is in this process."""
    registrations.cache_clear()
    _loaded.clear()


def names(door: Door) -> tuple[str, ...]:
    """Return every name that is registered once, without importing anything."""
    return tuple(_chosen(door)[0])


def claimed(door: Door) -> frozenset[str]:
    """Return every name that is registered, also those that nobody gets."""
    return frozenset(one.name for one in _of(door))


def others() -> tuple[str, ...]:
    """Return the packages that bring something beside Bright Run itself, with their versions."""
    return tuple(sorted({one.origin for one in registrations() if one.package != OURS}))


def origin_of(door: Door, name: str) -> str:
    """Return the package that a name comes from, with its version; "" when nobody gets the name."""
    chosen = _chosen(door)[0].get(name)
    return chosen.origin if chosen else ""


def load_all(door: Door, kind: type[S]) -> Loaded[S]:
    """Return every spec of a door, imported once."""
    loaded: Loaded[S] | None = _loaded.get(door)
    if loaded is None:
        chosen, problems = _chosen(door)
        found: dict[str, S] = {}
        for name, registration in chosen.items():
            try:
                found[name] = _load(registration, kind)
            except PluginError as error:
                problems.append(error)
        loaded = _loaded[door] = Loaded(found, tuple(problems))
    return loaded


def load(door: Door, kind: type[S], name: str) -> S | None:
    """Return one spec, importing no other; None when nobody registers that name.

    Raises:
        PluginError: its package is broken, or two packages register the name.
    """
    loaded: Loaded[S] | None = _loaded.get(door)
    if loaded is not None and name in loaded.found:
        return loaded.found[name]
    chosen, twice = _chosen(door)
    if name in chosen:
        return _load(chosen[name], kind)
    refused = [one for one in _of(door) if one.name == name]
    if refused:
        raise next(error for error in twice if f"“{one_line(name)}”" in error.what)
    return None


def require(door: Door, kind: type[S], name: str, *, where: str, reason: ErrorKind) -> S:
    """Do as `load`, for a name that a person gave.

    Raises:
        UsageError: nobody registers it; ``where`` it was given, ``reason`` for programs.
        PluginError: as `load`.
    """
    spec = load(door, kind, name)
    if spec is None:
        raise UsageError(
            f"there is no {door.thing} “{name}”", where=where, kind=reason, fix=f"one of: {', '.join(names(door))}"
        )
    return spec


class Blame(ContextDecorator):
    """Around what a plugin does: any fault of its becomes a `PluginError` that names its package. What is ours fails as it is.

    ``known`` are the errors that it may raise, beside `BrightrunError`.
    """

    def __init__(self, door: Door, name: str, known: tuple[type[Exception], ...] = ()) -> None:
        self._registration = next(one for one in _of(door) if one.name == name)
        self._known: tuple[type[Exception], ...] = (BrightrunError, *known)

    @property
    def ours(self) -> bool:
        return self._registration.package == OURS

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, Exception) or isinstance(error, self._known) or self.ours:
            return
        log.warning("%s of %s failed", self._registration.target, self._registration.origin, exc_info=error)
        raise _broken(self._registration, f"it failed ({_words(error)})") from error


def _of(door: Door) -> list[Registration]:
    return [one for one in registrations() if one.door is door]


def _chosen(door: Door) -> tuple[dict[str, Registration], list[PluginError]]:
    """Say who gets each name. Ours stay ours; a name that two plugins want is given to neither."""
    by_name: dict[str, list[Registration]] = {}
    for one in _of(door):
        by_name.setdefault(one.name, []).append(one)
    chosen, problems = {}, []
    for name, wanted in by_name.items():
        if len(wanted) == 1 or wanted[0].package == OURS:
            chosen[name] = wanted[0]
        if len(wanted) > 1:
            problems.append(_twice(wanted))
    return chosen, problems


def _twice(wanted: list[Registration]) -> PluginError:
    first, *others = wanted
    extra = " or ".join(sorted({one.package for one in wanted if one.package != OURS}))
    return PluginError(
        f"the {first.door.thing} “{one_line(first.name)}” is registered twice, by {' and by '.join(one.origin for one in wanted)}"
        + (f"; that of {first.origin} is used" if first.package == OURS else "; neither is used"),
        where=str(first.door),
        fix=f"pip uninstall {one_line(extra)}",
        kind=ErrorKind.PLUGIN_TWICE,
        packages=tuple(one.package for one in (wanted if first.package != OURS else others)),
    )


def _load(registration: Registration, kind: type[S]) -> S:
    """Import what is registered, and hold it to its contract.

    Raises:
        PluginError: anything at all went wrong.
    """
    from importlib.metadata import EntryPoint

    slow = threading.Timer(
        SLOW_SECONDS, log.warning, ("%s of %s takes long to load", registration.target, registration.origin)
    )
    slow.daemon = True
    slow.start()
    try:
        with _ONE_AT_A_TIME, redirect_stdout(sys.stderr):  # what it prints is none of our data
            spec = EntryPoint(registration.name, registration.target, registration.door).load()
            flaw = _flaw(spec, registration, kind)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module of strangers may raise anything, SystemExit included
        log.warning("%s of %s cannot be loaded", registration.target, registration.origin, exc_info=error)
        flaw = f"it cannot be imported ({_words(error)})"
    finally:
        slow.cancel()
    if flaw:
        raise _broken(registration, flaw)
    return spec  # type: ignore[no-any-return]


def _broken(registration: Registration, flaw: str) -> PluginError:
    package = one_line(registration.package)
    return PluginError(
        f"the {registration.door.thing} “{one_line(registration.name)}” of {registration.origin} cannot be used: {flaw}",
        where=one_line(registration.target),
        kind=ErrorKind.PLUGIN_BROKEN,
        packages=(registration.package,),
        fix="install Bright Run again"
        if registration.package == OURS
        else f"pip install -U {package}, or pip uninstall {package}",
    )


def _words(error: BaseException) -> str:
    said = one_line(str(error)).strip()[:200]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _flaw(spec: Any, registration: Registration, kind: type[S]) -> str:
    if not isinstance(spec, kind):
        return f"it should be a {kind.__name__}, and is a {one_line(type(spec).__name__)}"
    if spec.name != registration.name:
        return f"it calls itself “{one_line(str(spec.name))}”"
    return spec.flaw()


def _name_and_version(package: Distribution | None) -> tuple[str, str]:
    """Return name and version of a package. Slow: all of its metadata is read for that."""
    try:
        told = package.metadata if package is not None else None
    except (OSError, ValueError):  # not text, for one
        told = None
    return (told and told["Name"]) or "an unnamed package", (told and told["Version"]) or ""
