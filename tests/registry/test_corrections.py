"""A wrong answer becomes a correction, the correction new data, and the data the next version."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from brightrun_tui import datasets
from brightrun_tui.domain.correction import correction_number
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.paths import Paths
from brightrun_tui.registry import correct, make_dataset, register
from brightrun_tui.store import Database, corrections, models, runs
from brightrun_tui.store import datasets as added

RECORDS = [(f"How warm is room {number}?", f"It has {number} degrees.") for number in range(30)]


@pytest.fixture
async def data(db: Database, paths: Paths, finished: Callable[..., Run], source: Path, tmp_path: Path) -> Path:
    """The data that the registered model “harbour” was made from."""
    file = tmp_path / "rooms.jsonl"
    file.write_text("".join(json.dumps({"prompt": ask, "completion": say}) + "\n" for ask, say in RECORDS))
    run = finished()
    dataset = run.spec.dataset.model_copy(update={"path": str(file), "name": "rooms"})
    run = run.model_copy(update={"spec": run.spec.model_copy(update={"dataset": dataset})})
    await runs.create(db, run.spec, str(source))
    await register(db, paths, run, source)
    return file


async def test_corrections_become_data_that_is_learnt_and_the_old_file_stays(
    db: Database, paths: Paths, data: Path, tmp_path: Path
) -> None:
    """One answers an old question anew and takes its record's place, one is new; both are trained on, whatever is held out."""
    before = data.read_bytes()
    asked = [{"role": "user", "content": "How warm is  room 7?"}]
    with pytest.raises(UsageError, match="already"):
        await correct(db, "harbour", asked, "It has 7 degrees.", answer="It has 7 degrees.")
    old = await correct(db, "harbour", asked, "It has 99 degrees.", answer="It has 7 degrees.", author="ida")
    await correct(db, "harbour:1", [{"role": "user", "content": "And the cellar?"}], "Four degrees.")
    assert old.author == "ida" and await corrections.waiting(db) == {"harbour": 2}
    made = await make_dataset(db, paths, "harbour")
    assert (made.new, made.replaced, made.report.name, made.draft.data) == (2, 1, "rooms-v2", "rooms-v2")
    assert data.read_bytes() == before and not await corrections.waiting(db)
    assert made.draft.overrides["data.correction_repeats"] == 4 and made.report.corrections == 2
    assert (await added.get(db, "rooms-v2")).usable == len(RECORDS) + 1
    said = {record.messages[-2].content: record.messages[-1].content for record in datasets.read(made.report.path)}
    assert said["How warm is  room 7?"] == "It has 99 degrees." and "How warm is room 7?" not in said
    for seed in range(3):
        settings = RunSettings().with_overrides({"data.eval_fraction": 0.5, "data.split_seed": seed}).data
        prepared = datasets.prepare(made.report.path, tmp_path / f"prepared-{seed}", settings)
        learnt = datasets.read_prepared(Path(prepared.directory) / "train.jsonl")
        assert sum(correction_number(record.id) is not None for record in learnt) == 2
    with pytest.raises(UsageError):
        await make_dataset(db, paths, "harbour", data=made.report.path)


async def test_the_data_is_that_of_the_newest_version_made_here_where_the_newest_came_from_elsewhere(
    db: Database, paths: Paths, data: Path
) -> None:
    own = await models.get(db, "harbour")
    number = await models.reserve(db, "harbour", "import-1")
    await models.complete(db, own.model_copy(update={"version": number, "run_id": "import-1"}))
    await correct(db, "harbour", [{"role": "user", "content": "And the cellar?"}], "Four degrees.")
    assert (await make_dataset(db, paths, "harbour")).before == str(data)
