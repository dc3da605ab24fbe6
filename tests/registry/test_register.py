"""A finished run becomes exactly one complete version, whatever happens on the way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.run import Run
from brightrun_tui.files import sha256
from brightrun_tui.paths import Paths
from brightrun_tui.registry import UntrustedError, intake, register
from brightrun_tui.store import Database, models, open_database
from tests.registry.conftest import rewrite_manifest
from tests.serving.toy import Toy

Finished = Callable[..., Run]


async def test_a_version_has_everything_and_names_no_private_path(
    db: Database, paths: Paths, finished: Finished, source: Path, toy: Toy
) -> None:
    said = json.loads((source / "report.json").read_bytes())
    said["training"]["spent"] = {"loading": 3.0, "training": 20.0}
    (source / "report.json").write_text(json.dumps(said))
    rewrite_manifest(source)
    run = finished().model_copy(update={"prepared_seconds": 37.0})
    version = await register(db, paths, run, source)
    directory = Path(version.directory)
    assert version.ref == "harbour:1" and directory == paths.models / "harbour" / "1"
    assert version.aliases == ("champion",) and version.base_path == str(toy.base)
    manifest = json.loads((directory / "manifest.json").read_bytes())
    assert {p.name for p in directory.iterdir()} == {*manifest["files"], "manifest.json"}
    for name, facts in manifest["files"].items():
        assert sha256(directory / name) == facts["sha256"]
        assert str(toy.base).encode() not in (directory / name).read_bytes(), name
    assert sha256(directory / "adapter_model.safetensors") == sha256(source / "adapter" / "adapter_model.safetensors")
    assert json.loads((directory / "adapter_config.json").read_bytes())["base_model_name_or_path"] == "base"
    assert "Seven fathoms at low tide" in (directory / "README.md").read_text()
    spent = version.report.training.spent
    assert spent and (spent.preparing, spent.total) == (37.0, 60.0), "the time before its worker is a part of it all"
    assert version.bytes == sum(p.stat().st_size for p in directory.iterdir())


async def test_the_same_run_again_is_the_same_version_and_another_run_the_next(
    db: Database, paths: Paths, finished: Finished, source: Path
) -> None:
    first = await register(db, paths, finished(), source)
    assert await register(db, paths, finished(), source) == first
    second = await register(db, paths, finished("run-2"), source)
    assert (second.version, second.aliases) == (2, ())
    assert [v.ref for v in await models.list_models(db)] == ["harbour:2", "harbour:1"]


async def test_a_name_that_is_no_directory_still_registers(
    db: Database, paths: Paths, finished: Finished, source: Path
) -> None:
    version = await register(db, paths, finished(name="../Müller & Söhne: FAQ"), source)
    assert Path(version.directory).parent.parent == paths.models and ":" not in version.name and "/" not in version.name


def test_killed_at_any_moment_it_is_one_complete_version_after_the_next_try(
    finished: Finished, source: Path, tmp_path: Path
) -> None:
    run, moment, killed = finished(), 0, True
    while killed:
        moment += 1
        paths = Paths(*(tmp_path / str(moment) / name for name in ("config", "data", "cache", "logs")))
        killed = _register_and_die(paths, run, source, moment)
        for directory in _versions(paths):
            assert _complete(directory), f"an incomplete version was shown after a crash at moment {moment}"
        assert not _register_and_die(paths, run, source, 10**6)
        assert _versions(paths) == [paths.models / "harbour" / "1"] and _complete(paths.models / "harbour" / "1")
        assert os.listdir(paths.models / "harbour") == ["1"], (
            f"something was left over after a crash at moment {moment}"
        )
    assert moment > 20, "fewer moments than files were written"


def _register_and_die(paths: Paths, run: Run, source: Path, moment: int) -> bool:
    """Register in a process that is killed before or after the n-th thing that is durable; whether it got that far."""
    child = os.fork()
    if child == 0:
        left = iter(range(moment - 1, -1, -1))

        def tick() -> None:
            if next(left) == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        for name in ("copy_synced", "write_atomic", "move_into_place"):
            setattr(intake, name, _between(getattr(intake, name), tick))
        for name in ("reserve", "complete"):
            setattr(models, name, _between_awaited(getattr(models, name), tick))
        try:
            asyncio.run(_register(paths, run, source))
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def _between(function: Callable[..., Any], tick: Callable[[], None]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        tick()
        result = function(*args, **kwargs)
        tick()
        return result

    return wrapper


def _between_awaited(function: Callable[..., Any], tick: Callable[[], None]) -> Callable[..., Any]:
    async def wrapper(*args: Any) -> Any:
        tick()
        result = await function(*args)
        tick()
        return result

    return wrapper


async def _register(paths: Paths, run: Run, source: Path) -> None:
    async with open_database(paths.database) as db:
        await register(db, paths, run, source)


def _versions(paths: Paths) -> list[Path]:
    async def read() -> list[Path]:
        async with open_database(paths.database) as db:
            return [Path(v.directory) for v in await models.list_models(db)]

    return asyncio.run(read())


def _complete(directory: Path) -> bool:
    files = json.loads((directory / "manifest.json").read_bytes())["files"]
    return all(sha256(directory / name) == facts["sha256"] for name, facts in files.items())


async def test_a_changed_or_unlisted_file_is_refused(
    db: Database, paths: Paths, finished: Finished, source: Path
) -> None:
    weights = source / "adapter" / "adapter_model.safetensors"
    intact = weights.read_bytes()
    weights.write_bytes(intact[:-1] + bytes([intact[-1] ^ 1]))
    with pytest.raises(UntrustedError, match="digest differs"):
        await register(db, paths, finished(), source)
    weights.write_bytes(intact)
    (source / "adapter" / "vocab.json").write_text("{}")
    with pytest.raises(UntrustedError, match="not in the run's manifest"):
        await register(db, paths, finished(), source)
    assert await models.list_models(db) == []


@pytest.mark.parametrize(
    "name", ["training_args.bin", "optimizer.pt", "adapter_model.bin", "x.pkl", "evil.py", "sub/tokenizer.json"]
)
async def test_pickles_and_code_are_refused_even_when_the_manifest_lists_them(
    db: Database, paths: Paths, finished: Finished, source: Path, name: str
) -> None:
    path = source / "adapter" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    rewrite_manifest(source)
    with pytest.raises(UntrustedError):
        await register(db, paths, finished(), source)
    assert await models.list_models(db) == [] and not list(paths.models.rglob("*"))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-1e999", "1" + "0" * 400])
async def test_a_report_card_with_a_number_that_is_none_is_refused(
    db: Database, paths: Paths, finished: Finished, source: Path, value: str
) -> None:
    """It was taken, and what was stored of the version could not be read again."""
    report = (source / "report.json").read_text()
    loss = json.loads(report)["tuned"]["loss"]
    (source / "report.json").write_text(report.replace(str(loss), value))
    rewrite_manifest(source)
    with pytest.raises(UntrustedError, match="report card"):
        await register(db, paths, finished(), source)
    assert await models.list_models(db) == [] == await models.unreadable(db)


@pytest.mark.parametrize("ref", ["harbour:²", "harbour:99999999999999999999", f"harbour:{'9' * 5000}", "harbour:٣"])
async def test_a_version_of_any_digits_is_there_or_is_not(db: Database, ref: str) -> None:
    """What is typed behind the colon ended in an error that nobody foresaw."""
    with pytest.raises(UsageError, match="has no version or alias"):
        await models.find(db, ref)


@pytest.mark.parametrize(
    "change",
    [{"created_at": 1e30}, {"created_at": -1}, {"lineage": {"settings": {"quantisation": {"method": 5}}}}],
    ids=["a time no calendar has", "a time before time", "held in another way"],
)
async def test_a_report_card_that_nobody_could_show_or_load_by_is_refused(
    db: Database, paths: Paths, finished: Finished, source: Path, change: dict[str, Any]
) -> None:
    report = json.loads((source / "report.json").read_text())
    changed = {name: report[name] | value if isinstance(value, dict) else value for name, value in change.items()}
    (source / "report.json").write_text(json.dumps(report | changed))
    rewrite_manifest(source)
    with pytest.raises(UntrustedError, match="report card"):
        await register(db, paths, finished(), source)
    assert await models.list_models(db) == []
