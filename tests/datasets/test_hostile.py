"""Datasets that mean no good, or are none: one sentence each, in bounded time and memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from brightrun_tui import datasets
from brightrun_tui.domain.errors import DatasetError
from tests.fuzz.datasets import odd_things

LONG = 6_000_000


@pytest.mark.parametrize(
    ("end", "column", "kind"),
    [('\n"}]', 1, "dataset_broken_json"), ('" "b"}]', 5, "dataset_broken_json"), ("", 1, "dataset_truncated")],
)
def test_the_place_of_an_error_is_found_behind_a_text_of_megabytes(
    tmp_path: Path, end: str, column: int, kind: str
) -> None:
    """The parser begins a long text anew with every piece it is fed; looked for byte by byte this took hours."""
    path = tmp_path / "a.json"
    start = '[{"prompt": "a", "completion": "'
    path.write_text(start + "x" * LONG + end)
    with pytest.raises(DatasetError) as refused:
        datasets.check(path)
    assert refused.value.kind == kind
    assert refused.value.where == f"{path}:1:{len(start) + LONG + column}"


def test_a_long_text_that_is_whole_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"prompt": "a", "completion": "' + "x" * LONG + '"}, {"prompt": "b", "completion": "c"}]')
    assert datasets.check(path).usable == 2


def test_names_that_stand_for_no_file_of_data_are_refused(tmp_path: Path) -> None:
    """Pipes, devices, loops, a terabyte of nothing, names that are too long or of nobody: a sentence with a place."""
    for label, path in odd_things(tmp_path):
        with pytest.raises(DatasetError) as refused:
            datasets.check(path)
        assert refused.value.what and refused.value.fix, label
