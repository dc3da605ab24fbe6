"""A model that was trained on a rented machine can be deployed here: its base model is fetched first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.domain.model import Lineage, ModelVersion, Report, SplitScore, TrainingFacts, Verdict
from brightrun_tui.orchestrator.endpoints import EndpointWatcher
from brightrun_tui.orchestrator.new_endpoints import EndpointRequest, create, fetch_base
from brightrun_tui.orchestrator.remote_server import with_base
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.paths import Paths
from brightrun_tui.registry.base_places import has_base
from brightrun_tui.serving import read_plan, read_state
from brightrun_tui.serving.state import failed_state
from brightrun_tui.store import endpoints, models, notifications, open_database
from tests.planning.conftest import hub, paths  # noqa: F401
from tests.planning.hub_stand_in import COMMIT, StandIn
from tests.serving.toy import make_toy


def version(fingerprint: str = "") -> ModelVersion:
    """As `registry.register` leaves it after a run elsewhere: the base is known by name, and lies nowhere here."""
    lineage = Lineage(
        run_id="r",
        dataset_name="d",
        dataset_fingerprint="f",
        base_id="acme/tiny",
        base_revision=COMMIT,
        base_fingerprint=fingerprint,
    )
    score = SplitScore(loss=1.0, perplexity=2.7, tokens=9, records=1)
    report = Report(
        name="toy",
        created_at=1.0,
        base=score,
        tuned=score,
        lineage=lineage,
        training=TrainingFacts(steps=1, epochs=1, train_records=1, eval_records=1, supervised_tokens=9, seconds=1),
        verdict=Verdict(grade="good", summary="It learned."),
    )
    return ModelVersion(
        name="toy", version=1, run_id="r", directory="/d", base_id="acme/tiny", report=report, created_at=1.0
    )


async def test_the_base_is_fetched_once_and_noted(hub: StandIn, paths: Paths) -> None:
    """What people say about the model while it is fetched, which takes minutes, is not lost."""
    async with open_database(paths.database) as db:
        await models.reserve(db, "toy", "r")
        await models.complete(db, version())
        before = await models.get(db, "toy")
        await models.annotate(db, before, rating=4, note="good with fog", tags=("prod",))
        fetched = await fetch_base(db, paths, before)
        assert (fetched.rating, fetched.note, fetched.tags) == (4, "good with fog", ("prod",))
        await models.annotate(db, before, rating=5)
        assert await models.get(db, "toy") == fetched.model_copy(update={"rating": 5})
        assert has_base(fetched) and (Path(fetched.base_path) / "model.safetensors").is_file()
        hub.requests.clear()
        assert (await fetch_base(db, paths, fetched)).base_path == fetched.base_path
        assert not hub.requests


async def test_a_hub_that_cannot_be_reached_is_said_in_one_sentence(paths: Paths) -> None:
    async with open_database(paths.database) as db:
        with pytest.raises(BaseModelError) as caught:
            await fetch_base(db, paths, version())
    assert "acme/tiny" in caught.value.what and caught.value.fix and caught.value.kind == "base_missing"


async def test_another_base_than_the_adapters_is_not_served(hub: StandIn, paths: Paths) -> None:
    async with open_database(paths.database) as db:
        with pytest.raises(BaseModelError) as caught:
            await fetch_base(db, paths, version(fingerprint="0123456789abcdef"))
    assert caught.value.kind == "other_base"


async def test_where_another_machine_computes_only_what_prompts_need_is_fetched(hub: StandIn, paths: Paths) -> None:
    """Some megabytes, whatever the model weighs."""
    async with open_database(paths.database) as db:
        there = Path((await with_base(db, version(), paths)).base_path)
    assert (there / "config.json").is_file() and not (there / "model.safetensors").exists()
    assert not hub.fetched("model.safetensors")


def test_the_machine_fetches_the_very_base_that_the_adapter_was_trained_on(hub: StandIn, tmp_path: Path) -> None:
    """In one format only, and without a token."""
    hub.files["pytorch_model.bin"] = b"the same once more"
    words = {
        "id": "e",
        "model": "m",
        "version": 1,
        "base_id": "acme/tiny",
        "base": "",
        "adapter": "a",
        "quantisation": "none",
    }
    program = (
        "from brightrun_tui.serving.remote_worker import fetch_base; from brightrun_tui.serving.plan import EndpointPlan\n"
        f"print(fetch_base(EndpointPlan(**{words | {'base_revision': COMMIT}!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "HF_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = Path(done.stdout.strip())
    assert found.name == COMMIT and (found / "model.safetensors").is_file() and (found / "config.json").is_file()
    assert not hub.fetched("pytorch_model.bin")


async def test_an_endpoint_is_as_it_was_asked_for_where_its_base_is_here_already(paths: Paths) -> None:
    """The usual case: the model was trained here. Its address was forgotten, and so was what endpoints of one base share."""
    wanted = EndpointRequest(name="bay", port=8311, host="127.0.0.2", engine="transformers", idle_unload=60.0)
    async with open_database(paths.database) as db:
        made = await create(db, paths, make_toy().version(), wanted)
    plan = read_plan(Path(made.directory))
    assert plan.url(8311) == "http://127.0.0.2:8311/v1" and plan.shared == str(paths.endpoints)
    assert (plan.id, plan.port, plan.engine, plan.idle_unload) == ("bay", 8311, "transformers", 60.0)


async def test_an_endpoint_that_stops_answering_for_good_is_news(paths: Paths) -> None:
    """Its programs get no answer, and nobody may be looking. One that never came up is told by the verb that asked for it."""
    async with open_database(paths.database) as db:
        await models.reserve(db, "harbour", "run-toy")
        await models.complete(db, make_toy().version())
        for ready_at in (0.0, 1.0):
            made = await create(db, paths, make_toy().version(), EndpointRequest(name=f"bay-{ready_at:.0f}"))
            served = await endpoints.save(db, made, state="ready", ready_at=ready_at)
            failed_state("the model server was killed").write(Path(served.directory))
            state = read_state(Path(served.directory))
            assert state is not None
            state.model_copy(update={"pid": 1 << 22}).write(Path(served.directory))
            await EndpointWatcher(db, paths, EngineTimings(), served).keep()
            assert (await endpoints.as_stored(db, served)).state == "failed"
        (told,) = await notifications.latest(db)
    assert told.message == "endpoint bay-1: it answers nobody any more: the model server was killed"
    assert told.level == "error"
