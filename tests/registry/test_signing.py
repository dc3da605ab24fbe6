"""Signed bundles: whose they are is proven or said to be unproven, and what was changed is refused."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import pytest_asyncio

from brightrun_tui import registry
from brightrun_tui.adapter_files import UntrustedError
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.run import Run
from brightrun_tui.files import sha256
from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.store import Database, open_database

SIGNATURE = "signature.json"


@pytest_asyncio.fixture
async def version(db: Database, paths: Paths, source: Path, finished: Callable[..., Run]) -> ModelVersion:
    return await registry.register(db, paths, finished(), source)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Paths]:
    """Makes another installation, which knows no key but its own."""

    def make() -> Paths:
        monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path / "elsewhere"))
        return get_paths()

    return make


async def bundled(paths: Paths, version: ModelVersion, target: Path, *, signed: bool = True) -> Path:
    return await registry.export(version, target, form="bundle", signed_by=paths if signed else None)


async def taken(there: Paths, bundle: Path) -> ModelVersion:
    async with open_database(there.database) as db:
        return await registry.import_bundle(db, there, bundle)


def rewritten(bundle: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A copy of the bundle with other files."""
    with tarfile.open(bundle) as tar:
        names = tar.getnames()
        files = {name.partition("/")[2]: tar.extractfile(name).read() for name in names}  # type: ignore[union-attr]
    change(files)
    target = bundle.with_name(f"changed-{bundle.name}")
    with tarfile.open(target, "w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"{names[0].partition('/')[0]}/{name}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return target


async def test_a_signed_bundle_is_unverified_until_its_key_is_trusted(
    paths: Paths, version: ModelVersion, tmp_path: Path, elsewhere: Callable[[], Paths]
) -> None:
    """Who it is, the receiver says; from then on it is verified, and no longer when the trust is taken back."""
    bundle = await bundled(paths, version, tmp_path / "signed.brightrun.tar")
    key = registry.own_key(paths)
    assert (await registry.verify(paths, version)).standing == "own"
    there = elsewhere()
    taken_in = await taken(there, bundle)
    origin = await registry.verify(there, taken_in)
    assert origin.standing == "unverified" and origin.key == key and "nobody here trusts" in origin.words
    registry.trust(there, key, "Ida of Fernwick")
    assert "signed by Ida of Fernwick" in (await registry.verify(there, taken_in)).words
    registry.distrust(there, key[:12])
    assert (await registry.verify(there, taken_in)).standing == "unverified"
    with pytest.raises(UsageError, match="not a key"):
        registry.trust(there, "abc", "Ida")
    with pytest.raises(UsageError, match="begins like that"):
        registry.distrust(there, key)


async def test_a_strangers_signature_takes_nothing_from_a_trusted_one(
    paths: Paths, version: ModelVersion, tmp_path: Path, elsewhere: Callable[[], Paths]
) -> None:
    """The same files, signed once more by somebody else: the version stays verified."""
    bundle = await bundled(paths, version, tmp_path / "signed.brightrun.tar")
    there = elsewhere()
    registry.trust(there, registry.own_key(paths), "Ida of Fernwick")
    await taken(there, bundle)
    stranger = Paths(*(tmp_path / "stranger" / name for name in ("config", "data", "cache", "logs")))
    again = await taken(there, await bundled(stranger, version, tmp_path / "again.brightrun.tar"))
    assert (await registry.verify(there, again)).standing == "verified"


def test_a_damaged_list_of_signers_is_said_with_a_way_out(paths: Paths) -> None:
    """Also where it would print what is no JSON."""
    paths.config.mkdir(parents=True, exist_ok=True)
    (paths.config / "signers.json").write_text('{"%s": {"name": "Ida", "added_at": 1e999}}' % ("a" * 64))
    with pytest.raises(UntrustedError, match="list of trusted keys") as refused:
        registry.trusted_keys(paths)
    assert refused.value.fix


async def test_an_unsigned_bundle_says_so(
    paths: Paths, version: ModelVersion, tmp_path: Path, elsewhere: Callable[[], Paths]
) -> None:
    bundle = await bundled(paths, version, tmp_path / "plain.brightrun.tar", signed=False)
    there = elsewhere()
    origin = registry.origin_of(there, await taken(there, bundle))
    assert origin.standing == "unsigned" and "unverified" in origin.words


async def test_what_was_changed_after_signing_is_refused(
    paths: Paths, version: ModelVersion, tmp_path: Path, elsewhere: Callable[[], Paths]
) -> None:
    """Also where the manifest was made to agree: other words on the report card, a name that is not the signer's, another key."""
    bundle = await bundled(paths, version, tmp_path / "signed.brightrun.tar")

    def flatter(files: dict[str, bytes]) -> None:
        """Rewrite the report card, and the manifest to match."""
        files["report.json"] = files["report.json"].replace(b'"loss":', b'"loss" :')
        manifest = json.loads(files["manifest.json"])
        card = tmp_path / "report.json"
        card.write_bytes(files["report.json"])
        manifest["files"]["report.json"] = {"sha256": sha256(card), "bytes": card.stat().st_size}
        files["manifest.json"] = json.dumps(manifest).encode()

    def rename(files: dict[str, bytes]) -> None:
        seal = json.loads(files[SIGNATURE])
        seal["statement"] = seal["statement"].replace('"signer":"', '"signer":"Not ')
        files[SIGNATURE] = json.dumps(seal).encode()

    def claim(files: dict[str, bytes]) -> None:
        seal = json.loads(files[SIGNATURE])
        files[SIGNATURE] = json.dumps(seal | {"key": "ab" * 32}).encode()

    def garble(files: dict[str, bytes]) -> None:
        files[SIGNATURE] = b"{}"

    there = elsewhere()
    for change, why in ((flatter, "other files"), (rename, "forged"), (claim, "forged"), (garble, "cannot be read")):
        with pytest.raises(UntrustedError, match=why) as refused:
            await taken(there, rewritten(bundle, change))
        assert refused.value.kind == ErrorKind.BAD_SIGNATURE
    assert not there.models.exists() or not list(there.models.rglob("adapter_model.safetensors"))


async def test_weights_that_are_swapped_here_are_noticed(
    paths: Paths, version: ModelVersion, tmp_path: Path, elsewhere: Callable[[], Paths]
) -> None:
    bundle = await bundled(paths, version, tmp_path / "signed.brightrun.tar")
    there = elsewhere()
    taken_in = await taken(there, bundle)
    weights = Path(taken_in.directory) / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(UntrustedError, match="not those that were signed"):
        await registry.verify(there, taken_in)


async def test_a_version_of_ones_own_is_verified_by_its_files(paths: Paths, version: ModelVersion) -> None:
    """That it was made here says nothing of whether it is still there; what people said of it may have changed its card."""
    card = Path(version.directory) / "report.json"
    card.write_bytes(card.read_bytes() + b"\n")
    assert (await registry.verify(paths, version)).standing == "own"
    weights = Path(version.directory) / "adapter_model.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes(kept[:-1] + b"\1")
    with pytest.raises(UntrustedError, match="not the file that was made"):
        await registry.verify(paths, version)
    weights.unlink()
    with pytest.raises(UntrustedError, match=r"adapter_model.safetensors is missing"):
        await registry.verify(paths, version)


async def test_only_bundles_are_signed(paths: Paths, version: ModelVersion, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be signed"):
        await registry.export(version, tmp_path / "adapter", form="adapter", signed_by=paths)
