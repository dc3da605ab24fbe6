"""One file that carries a version to another machine, and taking in such a file from anybody.

``name-vN.brightrun.tar``: an uncompressed tar of one directory, in sorted order and without dates or owners, so that the same
version always gives the same bytes.
"""

from __future__ import annotations

import asyncio
import io
import os
import secrets
import shutil
import tarfile
import time
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from brightrun_tui.adapter_files import UntrustedError, check_adapter, check_finite, read_json
from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.model import TAKEN_IN, ModelVersion, Report
from brightrun_tui.domain.run_directory import ADAPTER_CONFIG, ADAPTER_WEIGHTS, CARD, MANIFEST, REPORT
from brightrun_tui.domain.seal import Seal
from brightrun_tui.files import give_users_modes, move_into_place, plain_disk_errors, sha256, sync_directory
from brightrun_tui.paths import Paths
from brightrun_tui.process import users_umask
from brightrun_tui.registry.intake import directory_size, finish_directory
from brightrun_tui.registry.safety import (
    VERSION_FILES,
    Manifest,
    check_files,
    check_names,
    facts_of,
    read_manifest,
    read_report,
)
from brightrun_tui.registry.signing import SIGNATURE, origin_of, read_seal
from brightrun_tui.store import Database, models

MAX_FILE_BYTES = 16 << 30
MAX_SMALL_FILE_BYTES = 64 << 20
MAX_HEADER_BYTES = 64 << 10
_CHUNK = 1 << 20
BUNDLE_FILES = VERSION_FILES | {SIGNATURE}


class Checked(NamedTuple):
    """What an unpacked version says of itself, once that was checked; ``seal``: the signature that it came with."""

    manifest: Manifest
    report: Report
    seal: Seal | None


def write_bundle(directory: Path, name: str, target: Path, seal: Seal | None = None) -> None:
    """Pack a version's directory into ``target``, complete or not at all; with ``seal``, signed.

    Raises:
        OSError: ``target`` cannot be written.
        UntrustedError: the version's files are not those of its manifest.
    """
    manifest = read_manifest(directory / MANIFEST, str(directory))
    check_files(directory, manifest.files, str(directory))
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with aside.open("xb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for member in sorted([*manifest.files, MANIFEST]):
                    entry = tarfile.TarInfo(f"{name}/{member}")
                    entry.size, entry.mode = (directory / member).stat().st_size, 0o644
                    with (directory / member).open("rb") as content:
                        tar.addfile(entry, content)
                if seal is not None:
                    signed = seal.model_dump_json(indent=2).encode()
                    entry = tarfile.TarInfo(f"{name}/{SIGNATURE}")
                    entry.size, entry.mode = len(signed), 0o644
                    tar.addfile(entry, io.BytesIO(signed))
            file.flush()
            os.fsync(file.fileno())
        give_users_modes(aside, users_umask())
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)
    sync_directory(target.parent)


async def import_bundle(db: Database, paths: Paths, bundle: Path) -> ModelVersion:
    """Take a bundle into the registry as the next version of its model; the same bundle again gives the same version.

    Nothing in it is run, and nothing is believed that can be checked. The base model is looked for on this machine;
    where it is not found, ``base_path`` is empty and the version cannot be served yet.

    Raises:
        UntrustedError: it is not a bundle, is damaged, or holds what does not belong there.
        UsageError: there is no such file.
        BrightrunError: the disk is full or cannot be written.
    """
    if not bundle.is_file():
        raise UsageError("there is no such file", where=str(bundle), kind=ErrorKind.NO_BUNDLE)
    with plain_disk_errors(paths.models):
        paths.models.mkdir(parents=True, exist_ok=True)
        aside = paths.models / f".import-{secrets.token_hex(8)}"
        aside.mkdir()
    try:
        with plain_disk_errors(paths.models):
            checked = await asyncio.to_thread(_unpack, bundle, aside)
        return await take_in(db, paths, aside, checked)
    finally:
        await asyncio.to_thread(shutil.rmtree, aside, ignore_errors=True)


async def take_in(db: Database, paths: Paths, aside: Path, checked: Checked) -> ModelVersion:
    """Give unpacked, checked files a version number and their place."""
    manifest, report = checked.manifest, checked.report
    own = await models.by_run(db, manifest.run_id)
    if own is not None and _weights_digest(Path(own.directory)) == manifest.files[ADAPTER_WEIGHTS].sha256:
        return own
    # Never the run id that the bundle claims: it could be one that is yet to be registered here.
    run_id = f"{TAKEN_IN}{await asyncio.to_thread(sha256, aside / MANIFEST)}"[:39]
    known = await models.by_run(db, run_id)
    if known is not None and Path(known.directory).is_dir():
        if checked.seal is None or (await asyncio.to_thread(origin_of, paths, known)).standing == "verified":
            return known  # a stranger's signature of the same files takes nothing from one that is trusted
        return await models.set_seal(db, known, checked.seal)
    number = await models.reserve(db, manifest.model, run_id)
    target = paths.models / manifest.model / str(number)
    config = read_json(aside / ADAPTER_CONFIG, str(aside))
    here = manifest.model_copy(update={"version": number, "run_id": run_id, "files": {}})
    with plain_disk_errors(target):
        size = await asyncio.to_thread(_put_in_place, aside, config, report, here, target)
    version = ModelVersion(
        name=manifest.model,
        version=number,
        run_id=run_id,
        directory=str(target),
        base_id=manifest.base,
        base_path=await find_base(db, paths, manifest),
        report=report,
        created_at=time.time(),
        bytes=size,
        tags=("imported",),
        seal=checked.seal,
    )
    await models.complete(db, version)
    return await models.get(db, version.name, number)


def _put_in_place(aside: Path, config: dict[str, Any], report: Report, manifest: Manifest, target: Path) -> int:
    (aside / MANIFEST).unlink()
    finish_directory(aside, config, report, manifest)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    move_into_place(aside, target)
    return directory_size(target)


async def find_base(db: Database, paths: Paths, manifest: Manifest) -> str:
    """Return the directory of the very base model on this machine, or nothing: by fingerprint where it is known, else by its
    id.
    """
    from brightrun_tui.planning.bases import describe_base

    for version in await models.list_models(db):
        lineage = version.report.lineage
        same = lineage.base_fingerprint == manifest.base_fingerprint if manifest.base_fingerprint else False
        if same and (Path(version.base_path or "/nonexistent") / "config.json").is_file():
            return version.base_path
    if Path(manifest.base).exists():
        return ""
    wanted = f"{manifest.base}@{manifest.base_revision}" if manifest.base_revision else manifest.base
    try:
        found = (await asyncio.to_thread(describe_base, wanted, paths, network=False)).ref
    except BrightrunError:
        return ""
    unlike = manifest.base_fingerprint and found.fingerprint and found.fingerprint != manifest.base_fingerprint
    return "" if unlike else found.path


def _unpack(bundle: Path, aside: Path) -> Checked:
    """Write the bundle's files to ``aside`` and check all that can be checked."""
    where = bundle.name
    try:
        with bundle.open("rb") as file:
            headers = _Headers(file)
            with tarfile.open(fileobj=headers, mode="r:") as tar:  # type: ignore[call-overload]  # it reads, seeks and tells
                _extract(tar, headers, aside, where)
    except tarfile.FilterError as error:
        raise UntrustedError(
            f"“{error.tarinfo.name[:120]}” is not a plain file of one model",
            where=where,
            kind=ErrorKind.FILE_NOT_ALLOWED,
        ) from None
    except (tarfile.TarError, EOFError, ValueError, UnicodeError) as error:
        raise UntrustedError(
            f"this is not a bundle, or it is cut off ({error})",
            where=where,
            fix="fetch it again from where it came",
            kind=ErrorKind.BAD_BUNDLE,
        ) from None
    return check_unpacked(aside, where)


def check_unpacked(aside: Path, where: str) -> Checked:
    """Return what is in ``aside``, once all that can be checked was. Model card and signature go from there: ours come.

    Raises:
        UntrustedError: something does not belong there, or is not what the manifest says.
    """
    names = {path.name for path in aside.iterdir()} - {SIGNATURE}
    check_names(names, VERSION_FILES, where)
    manifest = read_manifest(aside / MANIFEST, where)
    if set(manifest.files) != names - {MANIFEST}:
        raise UntrustedError(
            "its files are not those that its manifest lists", where=where, kind=ErrorKind.FILE_NOT_LISTED
        )
    check_files(aside, manifest.files, where)
    seal = read_seal(aside / SIGNATURE, manifest.files | {MANIFEST: facts_of(aside / MANIFEST)}, where)
    check_adapter(aside, where)
    check_finite(aside / ADAPTER_WEIGHTS, where)
    report = read_report(aside / REPORT, where, cleaned=True)
    for name in (CARD, SIGNATURE):
        (aside / name).unlink(missing_ok=True)
    return Checked(manifest, report, seal)


class _Headers:
    """A file that a tar is read from, of which its headers may take `MAX_HEADER_BYTES` in all.

    An extended header may have any length: all of it is read at once, and gone through again and again.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = MAX_HEADER_BYTES
        self.seek, self.tell = file.seek, file.tell
        self.content = False
        """Whether a member's content is being read now."""

    def read(self, size: int = -1) -> bytes:
        """Read from the file. Raises ``tarfile.ReadError`` where the headers are too long."""
        if not self.content:
            if not 0 <= size <= self._left:
                raise tarfile.ReadError("its headers are too long")
            self._left -= size
        return self._file.read(size)


def _extract(tar: tarfile.TarFile, headers: _Headers, aside: Path, where: str) -> None:
    """Write regular files with known names below one directory, each once, each of a sane size; refuse anything else."""
    top = ""
    for member in tar:
        tarfile.data_filter(member, str(aside))
        head, _, name = member.name.partition("/")
        top = top or head
        if member.isdir() and member.name.rstrip("/") == top:
            continue
        limit = MAX_FILE_BYTES if name == ADAPTER_WEIGHTS else MAX_SMALL_FILE_BYTES
        if not member.isreg() or member.issparse() or head != top:
            raise UntrustedError(
                f"“{member.name[:120]}” is not a plain file of one model", where=where, kind=ErrorKind.FILE_NOT_ALLOWED
            )
        check_names({name, ADAPTER_CONFIG, ADAPTER_WEIGHTS}, BUNDLE_FILES, where)
        if member.size > limit:
            raise UntrustedError(
                f"{name} is larger than {humanize.limit(limit)}", where=where, kind=ErrorKind.FILE_TOO_LARGE
            )
        content = tar.extractfile(member)
        if content is None or (aside / name).exists():
            raise UntrustedError(f"{name} is there twice", where=where, kind=ErrorKind.FILE_NOT_ALLOWED)
        headers.content = True
        with (aside / name).open("xb") as target:
            _copy(content, target)  # type: ignore[arg-type]
        headers.content = False


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    shutil.copyfileobj(source, target, _CHUNK)
    target.flush()
    os.fsync(target.fileno())


def _weights_digest(directory: Path) -> str:
    try:
        return read_manifest(directory / MANIFEST, str(directory)).files[ADAPTER_WEIGHTS].sha256
    except (UntrustedError, KeyError):
        return ""
