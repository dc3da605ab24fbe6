"""One damaged record is one damaged record: everything else is read, it is shown as what it is, and can be put right."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.errors import DamagedRecordError
from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.requests import SweepLeases
from brightrun_tui.paths import Paths
from brightrun_tui.store import (
    Database,
    datasets,
    endpoints,
    engine,
    events,
    leases,
    metrics,
    open_database,
    requests,
    runs,
)
from brightrun_tui.tui.snapshot import SnapshotReader
from tests.store.test_ingest import spec

DAMAGE: dict[str, Any] = {
    "empty": "",
    "not JSON": "{",
    "another object": "{}",
    "an array": "[]",
    "null": "null",
    "a number": 5,
    "deep": "[" * 100_000,
    "bytes": b"\xff\x00\xfe",
    "NUL": "\0",
}
TABLES = {
    "runs": "id = 'a'",
    "leases": "name = 'br-0a1b2c3d-a-1'",
    "endpoints": "id = 'm-1-aa'",
    "datasets": "name = 'a'",
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Database]:
    """Two of everything."""
    async with open_database(tmp_path / "data" / "brightrun.db") as db:
        for name in ("a", "b"):
            await runs.create(db, spec(name), str(tmp_path / "data" / "runs" / name))
            await leases.save(
                db,
                Lease(
                    name=f"br-0a1b2c3d-{name}-1",
                    run_id=name,
                    provider="p",
                    state="live",
                    provider_id="m",
                    price_per_hour=2.0,
                    created_at=5.0,
                ),
            )
            endpoint = f"m-1-{name * 2}"
            await endpoints.save(
                db,
                Endpoint(
                    id=endpoint,
                    model="m",
                    model_version=1,
                    state="ready",
                    created_at=1.0,
                    updated_at=1.0,
                    directory=str(tmp_path / "data" / "endpoints" / endpoint),
                ),
            )
            await datasets.add(
                db,
                DatasetReport(
                    path=f"/{name}.jsonl", name=name, format="messages", fingerprint="f", records=1, bytes=1, usable=1
                ),
            )
        yield db


async def damage(db: Database, table: str, document: object) -> None:
    async with db.transaction():
        value = document if not isinstance(document, bytes) else document.decode("latin-1")
        await db.execute(f"UPDATE {table} SET doc = ? WHERE {TABLES[table]}", (value,))
        if isinstance(document, bytes):
            await db.execute(f"UPDATE {table} SET doc = CAST(X'{document.hex()}' AS TEXT) WHERE {TABLES[table]}")


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("table", TABLES)
async def test_whatever_is_damaged_the_rest_is_read_and_the_app_sees_it(store: Database, table: str, how: str) -> None:
    await damage(store, table, DAMAGE[how])
    data = store.path.parent
    snapshot = await SnapshotReader(store, Paths(data, data, data, data)).read("a")
    assert [run.id for run in snapshot.runs] == (["b"] if table == "runs" else ["a", "b"])
    assert [run.id for run in snapshot.damaged] == (["a"] if table == "runs" else [])
    assert {lease.name for lease in snapshot.leases} == {"br-0a1b2c3d-a-1", "br-0a1b2c3d-b-1"}
    assert len(snapshot.endpoints) == 2
    assert [one.name for one in snapshot.datasets] == (["b"] if table == "datasets" else ["b", "a"])


async def test_a_damaged_run_is_found_by_name_refused_in_words_and_can_be_deleted(store: Database) -> None:
    await damage(store, "runs", "{}")
    assert await runs.locate(store, "a") == "a" and await runs.names(store) == {"a": "demo", "b": "demo"}
    for ask in (runs.find(store, "a"), runs.update(store, "a", cost_usd=1.0), runs.transition(store, "a", "preparing")):
        with pytest.raises(DamagedRecordError) as refused:
            await ask
        assert refused.value.fix == "brightrun runs delete a"
    await runs.delete(store, "a")
    assert [run.id for run in (await runs.list_all(store))[0]] == ["b"] and not (await runs.list_all(store))[1]


async def test_a_record_that_contradicts_its_columns_is_damaged(store: Database) -> None:
    await store.execute("UPDATE runs SET state = 'completed' WHERE id = 'a'")
    await store.execute("UPDATE runs SET state = 'no such state' WHERE id = 'b'")
    whole, damaged = await runs.list_all(store)
    assert not whole and {run.id for run in damaged} == {"a", "b"}


async def test_the_machine_of_a_damaged_lease_is_still_looked_for(store: Database) -> None:
    """Its name and its provider are enough; whatever is found is put on record in full again."""
    await damage(store, "leases", "{}")
    lease = (await leases.list_leases(store, run_id="a", open_only=True))[0]
    assert (lease.name, lease.provider, lease.state, lease.created_at) == ("br-0a1b2c3d-a-1", "p", "unclear", 5.0)
    await leases.save(store, lease, state="releasing", provider_id="m", price_per_hour=2.0)
    assert (await leases.list_leases(store, run_id="a"))[0].provider_id == "m"


async def test_a_damaged_endpoint_can_be_ended_like_any_other(store: Database) -> None:
    await damage(store, "endpoints", "{}")
    found = await endpoints.find(store, "m-1-aa")
    assert found.state == "ready" and found.directory.endswith("data/endpoints/m-1-aa") and "damaged" in found.error
    await endpoints.save(store, found, state="stopped", error="")
    assert (await endpoints.find(store, "m-1-aa")).state == "stopped"


async def test_a_damaged_dataset_is_named_with_how_to_mend_it(store: Database) -> None:
    await damage(store, "datasets", "{}")
    assert await datasets.list_damaged(store) == [("a", "/a.jsonl")]
    with pytest.raises(DamagedRecordError) as refused:
        await datasets.get(store, "a")
    assert refused.value.fix == "brightrun datasets add /a.jsonl --name a"


@pytest.mark.parametrize("column", ["kind = 'explode'", "payload = '{'", "payload = '[1]'", "result = ''"])
async def test_a_damaged_request_is_refused_and_keeps_no_other_from_its_turn(store: Database, column: str) -> None:
    bad, good = await requests.add(store, SweepLeases()), await requests.add(store, SweepLeases())
    await store.execute(f"UPDATE requests SET {column} WHERE id = {bad.id}")
    assert [request.id for request in await requests.pending(store)] == [good.id]
    row = await store.one("SELECT state, result FROM requests WHERE id = ?", (bad.id,))
    assert row is not None and row["state"] == "failed" and "damaged_record" in row["result"]
    assert [request.id for request in await requests.pending(store)] == [good.id]


async def test_a_damaged_event_is_shown_as_that(store: Database) -> None:
    async with store.transaction():
        for seq, document in enumerate(
            ["{", "5", '{"data": {"level": 5}}', '{"data": {"level": "info", "message": "fine"}}']
        ):
            await store.execute(
                "INSERT INTO events (run_id, seq, time, kind, doc) VALUES ('a', ?, 1.0, 'alert', ?)", (seq, document)
            )
    said = [event.as_dict()["data"] for event in await events.read(store, "a")]
    assert ["damaged" in data for data in said] == [True, True, True, False]


async def test_the_name_of_this_installation_survives_because_machines_carry_it(store: Database) -> None:
    """A new one would make every machine that is rented now a stranger."""
    for value in ("{", "5", '""', '"not hex!"'):
        await store.execute("INSERT OR REPLACE INTO facts (name, value) VALUES ('installation', ?)", (value,))
        assert await engine.installation(store) == "0a1b2c3d"


@pytest.mark.parametrize(
    "changes",
    [
        {"step": "seven"},
        {"step": 1.5},
        {"step": True},
        {"step": -1},
        {"epoch": float("nan")},
        {"notices": [1]},
        {"hardware": {"memory_used": "much"}},
        {"stpe": 7},
        {"model_version": "2"},
    ],
)
async def test_a_change_that_does_not_fit_is_refused_and_nothing_is_stored(
    store: Database, changes: dict[str, Any]
) -> None:
    with pytest.raises((ValidationError, TypeError)):
        await runs.update(store, "b", **changes)
    with pytest.raises((ValidationError, TypeError)):
        await runs.transition(store, "b", "preparing", **changes)
    run = await runs.get(store, "b")
    assert (run.state, run.step) == ("queued", 0)


async def test_changes_of_leases_and_endpoints_are_checked_as_well(store: Database) -> None:
    lease, endpoint = (await leases.list_leases(store))[0], await endpoints.find(store, "m-1-bb")
    wrong: list[tuple[Callable[..., Awaitable[object]], Lease | Endpoint, dict[str, object]]] = [
        (leases.save, lease, {"price_per_hour": "much"}),
        (leases.save, lease, {"colour": "red"}),
        (endpoints.save, endpoint, {"state": "gone"}),
        (endpoints.save, endpoint, {"size": 1}),
    ]
    for save, record, changes in wrong:
        with pytest.raises((ValidationError, TypeError)):
            await save(store, record, **changes)


async def test_a_damaged_point_is_a_gap_and_the_curve_goes_on(store: Database) -> None:
    """A value that is no number is a gap, a moment that is none is unknown, a step that is none is left out; all else is read,
    whether Monitor opens the run then or follows it."""
    rows: list[tuple[object, object, object]] = [(step, 1.0, float(step)) for step in range(1, 7)]
    rows += [(7, "text", 7.0), (8, b"\x00\xff", 8.0), (9, 1.0, "never"), ("no step", 1.0, 10.0)]
    for step, value, moment in rows:
        await store.execute(
            "INSERT INTO metrics (run_id, name, step, value, time) VALUES ('a', 'train_loss', ?, ?, ?)",
            (step, value, moment),
        )
    _, curves = await metrics.overview(store, "a")
    assert not curves, "what `ingest` did not bring in has no buckets"
    await metrics.refresh_buckets(store, "a", [("train_loss", 1)])
    _, curves = await metrics.overview(store, "a")
    read = [(step, None if math.isnan(mean) else mean) for step, _, _, mean, _, _ in curves["train_loss"]]
    followed = [(point.step, point.value) for point in (await metrics.changes(store, "a")).points]
    assert read == followed == [*((step, 1.0) for step in range(1, 7)), (7, None), (8, None), (9, 1.0)]
    assert [point.value for point in await metrics.newest(store, "a", "train_loss", 3, 9)] == [None, None, 1.0]
