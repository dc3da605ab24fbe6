"""Before a machine is paid for, its data is made into tokens here; what cannot be trained is found out for nothing."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from brightrun_tui import datasets
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, Run, RunSpec
from brightrun_tui.domain.run_directory import TOKENS
from brightrun_tui.domain.settings import RunSettings, SettingValue
from brightrun_tui.orchestrator.kept_tokens import bring_tokens
from brightrun_tui.orchestrator.prepare import prepare
from brightrun_tui.paths import Paths
from tests.planning.conftest import data, hub, paths  # noqa: F401
from tests.planning.hub_stand_in import COMMIT, StandIn


def rented_run(paths: Paths, data: Path, name: str, **settings: SettingValue) -> Run:
    checked = datasets.check(data)
    spec = RunSpec(
        run_id=name,
        name=name,
        created_at=time.time(),
        base=BaseModelRef(id="acme/tiny"),
        provider="runpod",
        dataset=DatasetRef(
            path=str(data),
            name="d",
            format=checked.format,
            fingerprint=checked.fingerprint,
            records=checked.records,
            usable=checked.usable,
        ),
        settings=RunSettings().with_overrides({key.replace("__", "."): value for key, value in settings.items()}),
    )
    return Run(
        id=name,
        name=name,
        state="preparing",
        spec=spec,
        directory=str(paths.run_directory(name)),
        created_at=1.0,
        updated_at=1.0,
    )


@pytest.mark.slow
def test_a_rented_machine_gets_its_data_as_tokens_and_the_next_run_too(hub: StandIn, paths: Paths, data: Path) -> None:
    """Only the tokenizer of the base model comes here, at the revision that the run is nailed to; and only once.

    Runs that start together do not each make them: both have the very same file.
    """
    first, beside = rented_run(paths, data, "first"), rented_run(paths, data, "beside")
    with ThreadPoolExecutor(2) as pool:
        spec, _ = pool.map(lambda run: prepare(run, paths, lambda said: None), (first, beside))
    made, others = (Path(run.directory) / "data" / TOKENS for run in (first, beside))
    assert spec.base.revision == COMMIT and made.stat().st_size > 1000 and made.samefile(others)
    assert not hub.fetched("model.safetensors")
    hub.stop()
    second = rented_run(paths, data, "second")
    directory = Path(second.directory)
    datasets.prepare(data, directory / "data", spec.settings.data)
    assert bring_tokens(directory, spec, paths)
    assert (directory / "data" / TOKENS).read_bytes() == (Path(first.directory) / "data" / TOKENS).read_bytes()


@pytest.mark.slow
def test_data_that_would_be_refused_there_is_refused_here(hub: StandIn, paths: Paths, data: Path) -> None:
    """The worker's own words, before anything is rented."""
    run = rented_run(paths, data, "long", data__max_length=8, data__over_length="refuse")
    with pytest.raises(BrightrunError) as caught:
        prepare(run, paths, lambda said: None)
    assert caught.value.kind == "over_length" and "more than 8" in caught.value.what and caught.value.fix
