"""Signed bundles: who made a model, and that nobody has changed it since. Ed25519; keys and trust are kept on this machine."""

from __future__ import annotations

import asyncio
import getpass
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, RootModel, ValidationError

from brightrun_tui.adapter_files import UntrustedError
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.manifest import FileFacts
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.run_directory import ADAPTER_WEIGHTS, MANIFEST, REPORT
from brightrun_tui.domain.seal import Seal, Statement
from brightrun_tui.domain.text import one_line
from brightrun_tui.files import private_directory, sha256, write_atomic
from brightrun_tui.foreign_files import ForeignFileError, read_model
from brightrun_tui.integrations import credentials
from brightrun_tui.paths import Paths
from brightrun_tui.registry.safety import check_files, read_manifest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNATURE = "signature.json"
_ABOUT = "README.md"
_CREDENTIAL = "signing-key"
_PREFIX = b"brightrun model statement\n"
_KEY = re.compile(r"[0-9a-f]{64}")

Standing = Literal["own", "verified", "unverified", "unsigned"]


class Trusted(BaseModel):
    """A key that this installation trusts, and whose it is."""

    model_config = ConfigDict(frozen=True)

    name: str
    added_at: FiniteFloat


class _Signers(RootModel[dict[str, Trusted]]):
    """By key."""


class Origin(BaseModel):
    """Where a version comes from, as far as that is proven.

    ``own``: made here. ``verified``: signed by a key that is trusted here, ``who`` it is. ``unverified``: signed by a key that
    nobody here trusts, ``who`` it says it is. ``unsigned``: it came from elsewhere without a signature.
    """

    model_config = ConfigDict(frozen=True)

    standing: Standing
    who: str = ""
    key: str = ""

    @property
    def words(self) -> str:
        """In one sentence; empty for a version of one's own."""
        match self.standing:
            case "verified":
                return f"signed by {self.who} (key {self.key[:16]}…), verified"
            case "unverified":
                says = f", which calls itself “{self.who}”" if self.who else ""
                return f"unverified: signed by a key that nobody here trusts{says} ({self.key[:16]}…)"
            case "unsigned":
                return "unverified: it came without a signature"
        return ""


def own_key(paths: Paths) -> str:
    """Return the public key of this installation, made where there is none. Blocking."""
    return _public(_private_key(paths))


def sign(paths: Paths, version: ModelVersion) -> Seal:
    """Sign the files of a version as they are. Blocking.

    Raises:
        UntrustedError: there is no manifest that can be read.
        BrightrunError: the key cannot be kept, or the keyring refuses.
    """
    directory = Path(version.directory)
    manifest = read_manifest(directory / MANIFEST, str(directory))
    files = {name: facts.sha256 for name, facts in manifest.files.items()} | {MANIFEST: sha256(directory / MANIFEST)}
    said = Statement(
        model=manifest.model,
        version=manifest.version,
        files=files,
        signer=getpass.getuser()[:100],
        signed_at=time.time(),
    )
    statement, key = said.model_dump_json(), _private_key(paths)
    return Seal(statement=statement, key=_public(key), signature=key.sign(_PREFIX + statement.encode()).hex())


def read_seal(path: Path, files: Mapping[str, FileFacts], where: str) -> Seal | None:
    """Return the signature that came with some files, once it is proven to be of these very files; None where there is none.

    Args:
        files: every file of the version but the signature, as it is; the manifest among them.

    Raises:
        UntrustedError: it is not a signature, was not made by its key, or is of other files.
    """
    if not path.exists():
        return None
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        seal = read_model(path, Seal)
        said = seal.said
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(seal.key)).verify(
            bytes.fromhex(seal.signature), _PREFIX + seal.statement.encode()
        )
    except (ForeignFileError, ValidationError):
        raise _forged("its signature cannot be read", where) from None
    except (InvalidSignature, ValueError):
        raise _forged("its signature is forged: the key that it names did not make it", where) from None
    if said.files != {name: facts.sha256 for name, facts in files.items()}:
        raise _forged("its signature is of other files: something was changed since it was signed", where)
    return seal


def origins_of(paths: Paths, versions: Iterable[ModelVersion]) -> dict[str, Origin]:
    """Return the origins of all versions that came from elsewhere, by reference. Blocking; where the list of keys is
    damaged, nobody is trusted.
    """
    try:
        trusted = trusted_keys(paths)
    except UntrustedError:
        trusted = {}
    found = {version.ref: _origin(trusted, version) for version in versions}
    return {ref: origin for ref, origin in found.items() if origin.standing != "own"}


def origin_of(paths: Paths, version: ModelVersion) -> Origin:
    """Return what is known of where a version comes from. Blocking; looks at who is trusted now. Raises `UntrustedError`."""
    return _origin(trusted_keys(paths), version)


def _origin(keys: Mapping[str, Trusted], version: ModelVersion) -> Origin:
    if version.seal is None:
        return Origin(standing="unsigned" if version.from_elsewhere else "own")
    trusted = keys.get(version.seal.key)
    if trusted:
        return Origin(standing="verified", who=trusted.name, key=version.seal.key)
    return Origin(standing="unverified", who=one_line(version.seal.said.signer), key=version.seal.key)


async def verify(paths: Paths, version: ModelVersion) -> Origin:
    """Check once more that the files here are those that were made, and those that were signed, and who signed them.

    Raises:
        UntrustedError: they are not, one is missing, or the signature is not of its key.
    """
    if version.seal is not None:
        await asyncio.to_thread(_check_weights, version, version.seal)
    await asyncio.to_thread(_check_made, version)
    return await asyncio.to_thread(origin_of, paths, version)


def trusted_keys(paths: Paths) -> dict[str, Trusted]:
    """Return the keys that are trusted here, including this installation's own once there is one. Blocking. Raises
    `UntrustedError`.
    """
    path = _file(paths)
    if not path.exists():
        return {}
    try:
        return read_model(path, _Signers).root
    except ForeignFileError as error:
        raise UntrustedError(
            f"the list of trusted keys {error.what}",
            where=str(path),
            fix="mend it, or take it away: nobody is trusted then",
            kind=ErrorKind.BAD_JSON,
        ) from None


def trust(paths: Paths, key: str, name: str) -> None:
    """Trust this key: from now on what it signed is verified, as made by ``name``. Blocking. Raises `UsageError`."""
    if not _KEY.fullmatch(key):
        raise UsageError(
            "that is not a key",
            fix="64 hexadecimal digits, as the sender's brightrun models signers shows them",
            kind=ErrorKind.BAD_OPTION,
            where="models signers",
        )
    if not name.strip() or one_line(name) != name or len(name) > 100:
        raise UsageError(
            "whose key is it?", fix="--name NAME, on one line", kind=ErrorKind.BAD_OPTION, where="models signers"
        )
    _write(paths, trusted_keys(paths) | {key: Trusted(name=name.strip(), added_at=time.time())})


def distrust(paths: Paths, key: str) -> None:
    """Trust a key no more; its first digits are enough. Blocking. Raises `UsageError`."""
    known = trusted_keys(paths)
    found = [each for each in known if key and each.startswith(key)]
    if len(found) != 1:
        raise UsageError(
            "no trusted key begins like that" if not found else f"{len(found)} keys begin like that",
            fix="see: brightrun models signers",
            kind=ErrorKind.BAD_OPTION,
            where="models signers",
        )
    _write(paths, {each: facts for each, facts in known.items() if each != found[0]})


def _check_weights(version: ModelVersion, seal: Seal) -> None:
    weights = Path(version.directory) / ADAPTER_WEIGHTS
    if not weights.is_file() or seal.said.files.get(ADAPTER_WEIGHTS) != sha256(weights):
        raise _forged("its weights are not those that were signed", version.ref)


def _check_made(version: ModelVersion) -> None:
    """Check the files against the manifest, except for the report card, which people's words may have changed."""
    directory = Path(version.directory)
    made = read_manifest(directory / MANIFEST, version.ref).files
    check_files(directory, {name: facts for name, facts in made.items() if name not in (REPORT, _ABOUT)}, version.ref)


def _private_key(paths: Paths) -> Ed25519PrivateKey:
    """Return this installation's key from where credentials lie; made, kept and trusted where there is none."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    kept = credentials.kept(_CREDENTIAL, paths)
    if kept:
        try:
            return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(kept))
        except ValueError:
            raise UntrustedError(
                "the key to sign with is damaged",
                where=str(paths.credentials_file),
                fix=f"take “{_CREDENTIAL}” out of it; a new key is made then",
                kind=ErrorKind.CREDENTIALS_UNREADABLE,
            ) from None
    key = Ed25519PrivateKey.generate()
    credentials.keep(_CREDENTIAL, key.private_bytes_raw().hex(), paths)
    trust(paths, _public(key), f"{one_line(getpass.getuser())} (this installation)")
    return key


def _public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes_raw().hex()


def _file(paths: Paths) -> Path:
    return paths.config / "signers.json"


def _write(paths: Paths, known: dict[str, Trusted]) -> None:
    private_directory(paths.config)
    write_atomic(_file(paths), _Signers(known).model_dump_json(indent=2))


def _forged(what: str, where: str) -> UntrustedError:
    return UntrustedError(what, where=where, fix="ask the sender for it again", kind=ErrorKind.BAD_SIGNATURE)
