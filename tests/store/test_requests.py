"""What is asked of the engine is read back as it was meant, by this version and from what an older one left."""

from __future__ import annotations

import json
from pathlib import Path

from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.requests import Deploy, DeployAnswer, MoveRun, RetryRun, StopRun
from brightrun_tui.store import open_database, requests

LEFT_BY_0_1 = (
    ("stop_run", "r1", "{}", StopRun(target="r1")),
    (
        "retry_run",
        "r2",
        '{"overrides": {"lora.r": 8}, "apply_suggestion": true}',
        RetryRun(target="r2", overrides={"lora.r": 8}, apply_suggestion=True),
    ),
    ("move_run", "r3", '{"to": "up"}', MoveRun(target="r3", to="up")),
    ("deploy", "m:1", '{"name": "shop", "port": 0, "engine": "auto", "newer": 1}', Deploy(target="m:1", name="shop")),
)


async def test_requests_that_wait_since_an_older_version_are_carried_out(tmp_path: Path) -> None:
    """Each kind with what it had beside it; a field that nobody knows any more is passed over."""
    async with open_database(tmp_path / "brightrun.db") as db:
        for kind, target, payload, _ in LEFT_BY_0_1:
            await db.execute(
                "INSERT INTO requests (kind, target, payload, created_at) VALUES (?, ?, ?, 1.0)",
                (kind, target, payload),
            )
        assert [request.ask for request in await requests.pending(db)] == [ask for *_, ask in LEFT_BY_0_1]


async def test_a_request_and_its_answer_stand_in_the_row_under_their_old_names(tmp_path: Path) -> None:
    """An engine of the version before understands what is asked, and its answer is understood."""
    async with open_database(tmp_path / "brightrun.db") as db:
        asked = await requests.add(db, Deploy(target="m:1", name="shop", keeps_key=True))
        row = await db.one("SELECT * FROM requests WHERE id = ?", (asked.id,))
        assert row is not None and (row["kind"], row["target"]) == ("deploy", "m:1")
        assert json.loads(row["payload"]) == {
            "name": "shop",
            "port": 0,
            "host": "",
            "engine": "auto",
            "key_file": "",
            "keeps_key": True,
            "follows": "",
            "idle_unload": 0.0,
            "rental": None,
            "base_alone": False,
        }
        await requests.answer(db, asked.id, DeployAnswer(endpoint="shop", already=False))
        row = await db.one("SELECT result FROM requests WHERE id = ?", (asked.id,))
        assert row is not None and json.loads(row["result"]) == {"endpoint": "shop", "already": False}
        assert Deploy.read_answer(json.loads(row["result"])).takes == 0
        refused = await requests.add(db, StopRun(target="r1"))
        await requests.refuse(db, refused.id, UsageError("it has ended", fix="look"))
        found = await requests.get(db, refused.id)
        assert found is not None and found.refusal is not None
        assert (found.refusal.what, found.refusal.fix) == ("it has ended", "look")
