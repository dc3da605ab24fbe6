"""The one file of what people set, ``config.toml``: read here, and changed so that all else in it stays as it was written.

Machines and the chosen theme had files of their own before. Those still count; what they hold moves into ``config.toml`` at the
next start, and they stay beside it as ``….old``.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.files import private_directory, write_atomic
from brightrun_tui.foreign_files import ForeignFileError, NoSuchFileError, read_toml
from brightrun_tui.paths import Paths

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

FORMER = {"boxes": "boxes.toml", "app": "app.toml"}
"""Tables that were a file of their own, beside ``config.toml``."""
LOCK_SECONDS = 10.0
"""How long one process waits for another that is changing the file."""


def read_config(paths: Paths, table: str) -> dict[str, Any]:
    """Return the document, with what a former file still holds of ``table`` below it. Raises `UsageError`."""
    document = _read(paths.config_file)
    former = _read_former(paths, table) if table in FORMER else {}
    present = document.get(table, {})
    if former and isinstance(present, dict):
        document[table] = {**former, **present}
    return document


def set_config(paths: Paths, keys: Sequence[str], value: Any) -> None:
    """Write one value, or a whole table: ``("app", "theme"), "mine"``. Comments, order and all other values stay.

    Raises:
        UsageError: the file, or a former one, is not TOML; one of ``keys`` is a value where it should be a table.
        BrightrunError: the file cannot be written.
    """

    def change(document: TOMLDocument) -> None:
        table = _table(document, keys[:-1], paths.config_file)
        present = table.get(keys[-1])
        if isinstance(value, Mapping) and isinstance(present, MutableMapping):
            for gone in present.keys() - value.keys():
                del present[gone]
            present.update(value)
        else:
            _put(table, keys[-1], value)

    _change(paths, change)


def unset_config(paths: Paths, keys: Sequence[str]) -> bool:
    """Take a value or a table out; False where there is none. Raises as `set_config`."""
    found = False

    def change(document: TOMLDocument) -> None:
        nonlocal found
        table = _table(document, keys[:-1], paths.config_file)
        found = keys[-1] in table
        if found:
            del table[keys[-1]]

    _change(paths, change)
    return found


def adopt_former_files(paths: Paths) -> None:
    """Move into ``config.toml`` what lies in files that earlier versions wrote. What cannot be moved still counts where it is.

    Nothing is moved while BRIGHTRUN_CONFIG names another file: that one may be for this time only.
    """
    if "BRIGHTRUN_CONFIG" not in os.environ and any(os.path.lexists(paths.config / name) for name in FORMER.values()):
        with suppress(BrightrunError):
            _change(paths, lambda document: None)


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)
    except NoSuchFileError:
        return {}
    except ForeignFileError as error:
        fix = (
            "correct that line"
            if error.kind == ErrorKind.FILE_DAMAGED
            else "let BRIGHTRUN_CONFIG name a file that can be read"
        )
        raise UsageError(
            f"the configuration {error.what}", where=str(path), fix=fix, kind=ErrorKind.BAD_CONFIG
        ) from None


def _read_former(paths: Paths, table: str) -> dict[str, Any]:
    """Return what a former file holds of ``table``. A theme that cannot be read is not missed, machines would be."""
    path = paths.config / FORMER[table]
    try:
        document = read_toml(path)
    except NoSuchFileError:
        return {}
    except ForeignFileError as error:
        if table == "app":
            return {}
        raise UsageError(
            f"the list of machines that were added {error.what}",
            where=str(path),
            fix="correct the file, or move it away and add them again",
            kind=ErrorKind.BAD_CONFIG,
        ) from None
    return {key: str(value) for key, value in document.items() if key == "theme"} if table == "app" else document


def _table(document: TOMLDocument, keys: Sequence[str], path: Path) -> MutableMapping[str, Any]:
    """Return the table of that name, made where there is none."""
    import tomlkit

    table: MutableMapping[str, Any] = document
    for key in keys:
        if key not in table:
            table[key] = tomlkit.table(is_super_table=True)
        table = table[key]
        if not isinstance(table, MutableMapping):
            raise UsageError(
                f"“{key}” must be a table", where=str(path), fix=f"write it as [{key}]", kind=ErrorKind.BAD_CONFIG
            )
    return table


def _put(table: MutableMapping[str, Any], key: str, value: Any) -> None:
    """Set a value; a new table with a heading of its own gets an empty line below it."""
    import tomlkit
    from tomlkit.items import Table

    table[key] = value
    made = table[key]
    if isinstance(made, Table):
        made.add(tomlkit.nl())


def _change(paths: Paths, change: Callable[[TOMLDocument], None]) -> None:
    """Change the file once, after merging in what the former files hold. A link stays a link, and the file keeps its
    mode.
    """
    path = Path(os.path.realpath(paths.config_file))
    with _writing(paths, path):
        _read(path)
        text = path.read_bytes().decode("utf-8-sig") if path.exists() else ""
        changed = _changed(paths, text, change)
        if changed != text:
            mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
            write_atomic(path, changed)
            path.chmod(mode)
        for name in FORMER.values():
            if os.path.lexists(paths.config / name):
                os.replace(paths.config / name, paths.config / f"{name}.old")


def _changed(paths: Paths, text: str, change: Callable[[TOMLDocument], None]) -> str:
    """Return the new text. Refused where it would not say what was meant, as in tables that are spread over the file in odd
    ways.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
        for name in FORMER:
            former = _read_former(paths, name)
            table = _table(document, [name], paths.config_file) if former else {}
            for key in former:
                if key not in table:
                    _put(table, key, former[key])
        change(document)
        changed = tomlkit.dumps(document)
        understood = _without_empty(tomllib.loads(changed)) == _without_empty(document.unwrap())
    except (TOMLKitError, tomllib.TOMLDecodeError, RecursionError):
        understood = False
    if not understood:
        raise UsageError(
            "the configuration cannot be changed by a program as it is written",
            where=str(paths.config_file),
            fix="change it by hand, or write each table under one [heading]",
            kind=ErrorKind.BAD_CONFIG,
        )
    return changed


def _without_empty(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document without tables that have lost their last entry."""
    return {key: value for key, value in document.items() if value != {}}


@contextmanager
def _writing(paths: Paths, path: Path) -> Iterator[None]:
    """Hold the file's lock while writing; an error of the system becomes one sentence."""
    from filelock import FileLock, Timeout

    try:
        private_directory(paths.config)
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(paths.config / ".config.lock", timeout=LOCK_SECONDS, mode=0o600):
            yield
    except Timeout:
        raise BrightrunError(
            "another process is changing the configuration and does not end",
            where=str(path),
            fix="try again",
            kind=ErrorKind.HOME_NOT_WRITABLE,
        ) from None
    except OSError as error:
        raise BrightrunError(
            f"the configuration cannot be written ({error.strerror})",
            where=str(path),
            fix="set BRIGHTRUN_HOME, or BRIGHTRUN_CONFIG, to what you can write",
            kind=ErrorKind.HOME_NOT_WRITABLE,
        ) from None
