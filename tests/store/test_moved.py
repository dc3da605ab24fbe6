"""A data directory may be moved or copied: what the store names in it is found where it is now."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, RunSpec
from brightrun_tui.orchestrator.prepare import renew_paths
from brightrun_tui.paths import Paths
from brightrun_tui.store import endpoints, leases, models, open_database, runs
from brightrun_tui.store import engine as engine_facts
from tests.tui.seed import add_endpoint, add_model


def places(root: Path) -> Paths:
    return Paths(root / "config", root / "data", root / "cache", root / "logs")


async def furnish(paths: Paths, outside: Path) -> None:
    """A run, a model and an endpoint; the run's base model lies in the home, its data outside."""
    async with open_database(paths.database) as db:
        data = DatasetRef(
            path=str(outside / "d.jsonl"), name="d", format="messages", fingerprint="f", records=1, usable=1
        )
        base = BaseModelRef(id="starter", path=str(paths.bases / "starter"))
        spec = RunSpec(run_id="r1", name="tone", created_at=time.time(), base=base, dataset=data)
        run = await runs.create(db, spec, str(paths.run_directory("r1")))
        Path(run.directory).mkdir(parents=True)
        (paths.bases / "starter").mkdir(parents=True)
        (Path(run.directory) / "spec.json").write_text(spec.model_dump_json())
        await add_endpoint(db, paths, await add_model(db, paths, "tone", "r1"))


@pytest.mark.parametrize("known", [True, False], ids=["the store knows where it was", "a store of an earlier version"])
async def test_a_home_that_was_moved_works_and_the_old_place_is_not_made_again(tmp_path: Path, known: bool) -> None:
    old, new = places(tmp_path / "old"), places(tmp_path / "new home")
    await furnish(old, tmp_path)
    if not known:
        async with open_database(old.database) as db, db.transaction():
            await db.execute("DELETE FROM facts WHERE name = 'data_directory'")
    shutil.move(tmp_path / "old", tmp_path / "new home")
    async with open_database(new.database) as db:
        run = await runs.get(db, "r1")
        assert run.directory == str(new.run_directory("r1"))
        assert run.spec.base.path == str(new.bases / "starter")
        assert run.spec.dataset.path == str(tmp_path / "d.jsonl"), "what lies elsewhere stays where it is"
        model = await models.find(db, "tone")
        assert (Path(model.directory) / "manifest.json").exists() and model.base_path == "/models/starter"
        assert [endpoint.directory for endpoint in await endpoints.list_endpoints(db)] == [
            str(new.endpoints / "ep-7f3a")
        ]
    renew_paths(run)
    assert json.loads((new.run_directory("r1") / "spec.json").read_text())["base"]["path"] == str(new.bases / "starter")
    assert not (tmp_path / "old").exists()


async def test_a_damaged_row_does_not_keep_the_others_from_being_found(tmp_path: Path) -> None:
    old, new = places(tmp_path / "old"), places(tmp_path / "new")
    await furnish(old, tmp_path)
    async with open_database(old.database) as db, db.transaction():
        await db.execute(
            "INSERT INTO runs (id, name, state, created_at, updated_at, doc) "
            "VALUES ('bad', 'bad', 'failed', 9e9, 0, '{')"
        )
    shutil.move(tmp_path / "old", tmp_path / "new")
    async with open_database(new.database) as db:
        assert (await runs.get(db, "r1")).directory == str(new.run_directory("r1"))


async def test_a_home_that_stays_where_it_is_is_not_written_to_when_it_is_opened(tmp_path: Path) -> None:
    paths = places(tmp_path)
    await furnish(paths, tmp_path)
    async with open_database(paths.database) as watching:
        before = await watching.data_version()
        async with open_database(paths.database):
            pass
        assert await watching.data_version() == before


@pytest.mark.parametrize("original", ["stays", "is gone"])
async def test_a_copy_takes_over_nothing_that_goes_on_where_it_was_copied_from(tmp_path: Path, original: str) -> None:
    """Two installations of one id would return one another's machines, and pay for one run twice. A move changes nothing."""
    old, new = places(tmp_path / "old"), places(tmp_path / "new")
    await furnish(old, tmp_path)
    async with open_database(old.database) as db:
        before = await engine_facts.installation(db)
        lease = Lease(
            name=f"br-{before}-r1-1",
            run_id="r1",
            provider="vast",
            provider_id="7",
            state="live",
            price_per_hour=1.0,
            created_at=time.time() - 60,
        )
        await leases.save(db, lease)
        await runs.transition(db, "r1", "preparing")
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    if original == "is gone":
        shutil.rmtree(tmp_path / "old")
    for _ in range(2):  # the second opening finds it done
        async with open_database(new.database) as db:
            run, (found,) = await runs.get(db, "r1"), await leases.list_leases(db)
            alone = original == "is gone"
            assert (await engine_facts.installation(db) == before) == alone
            assert (new.database.parent / "installation").read_text().strip() == await engine_facts.installation(db)
            assert (found.state, run.state) == (("live", "preparing") if alone else ("released", "failed"))
            assert alone or (run.failure and "copy of" in run.failure.cause and "copy of" in found.note)
            live = await endpoints.list_endpoints(db, live_only=True)
            assert bool(live) == alone and run.directory == str(new.run_directory("r1"))
    if original == "stays":
        async with open_database(old.database) as db:
            assert await engine_facts.installation(db) == before
            assert (await runs.get(db, "r1")).state == "preparing"
