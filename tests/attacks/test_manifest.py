"""A manifest from a machine names files of a run directory or is refused: nothing else ever comes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brightrun_tui.domain.manifest import files_of_checkpoint, files_of_run
from brightrun_tui.domain.run_directory import ADAPTER_WEIGHTS, REPORT, arrival_limit

FACTS = {"sha256": "0" * 64, "bytes": 5}
NEEDED = ("adapter_config.json", "adapter_model.safetensors", "optimizer.safetensors", "state.json")
names = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["adapter/", "checkpoints/step-1/", "", "/", "./"]).flatmap(
        lambda folder: st.sampled_from(
            [ADAPTER_WEIGHTS, REPORT, "..", "../x", "x\0y", "état.json", "e\u0301.json"]
        ).map(lambda name: folder + name)
    ),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(names, st.just(FACTS) | values, max_size=6))
def test_whatever_it_lists_only_results_come_of_it(files: dict[str, Any]) -> None:
    try:
        arriving = files_of_run(json.dumps({"files": files}).encode())
    except ValueError:
        return
    assert all(arrival_limit(path) and (path == REPORT or path.startswith("adapter/")) for path in arriving)


@given(st.dictionaries(names, st.just(FACTS) | values, max_size=6))
def test_whatever_it_lists_only_the_files_of_that_checkpoint_come_of_it(files: dict[str, Any]) -> None:
    try:
        arriving = files_of_checkpoint(json.dumps(files | dict.fromkeys(NEEDED, FACTS)).encode(), 7)
    except ValueError:
        return
    assert all(arrival_limit(path) and path.startswith("checkpoints/step-7/") for path in arriving)


@given(st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()))
def test_noise_is_refused_in_words(document: bytes) -> None:
    for read in (files_of_run, lambda data: files_of_checkpoint(data, 1)):
        with pytest.raises(ValueError):
            read(document)
