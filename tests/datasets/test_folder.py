"""A folder of files of one kind is a dataset; anything else in it is refused by name."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from brightrun_tui import datasets
from brightrun_tui.domain.errors import DatasetError
from brightrun_tui.domain.setting_groups import DataSettings
from tests.datasets.conftest import chat, lines, pairs


def test_the_files_of_a_folder_are_one_dataset(tmp_path: Path) -> None:
    """All records in the order of names, packed ones too; places name the file, copies are found across files."""
    (tmp_path / "part-2.jsonl.gz").write_bytes(gzip.compress(lines(*pairs(20, 20), chat("hello", "you")).encode()))
    (tmp_path / "part-1.jsonl").write_text(lines(*pairs(20), {"prompt": "x", "completion": ""}, *pairs(1)))
    (tmp_path / "README.md").write_text("about")
    (tmp_path / ".hidden.csv").write_text("a")
    report = datasets.check(tmp_path)
    assert (report.records, report.usable, report.name, report.format) == (43, 42, tmp_path.name, "prompt-completion")
    assert {p.kind: p.places for p in report.problems} == {
        "no_answer": ("part-1.jsonl line 21",),
        "duplicate": ("part-1.jsonl line 22 as part-1.jsonl line 1",),
    }
    assert len({record.id for record in datasets.read(tmp_path)}) == 42
    prepared = datasets.prepare(tmp_path, tmp_path / "out" / "data", DataSettings())
    assert prepared.train_records + prepared.eval_records == 42
    assert prepared.source_fingerprint == report.fingerprint == datasets.fingerprint(tmp_path)
    (tmp_path / "part-3.jsonl").write_text(lines(*pairs(1, 90)))
    assert datasets.fingerprint(tmp_path) != report.fingerprint


def test_what_is_for_testing_is_not_learnt(tmp_path: Path) -> None:
    """Beside files named after training those named after testing are left out, and the check says which."""
    for name, start in (
        ("train-00000.jsonl", 0),
        ("train-00001.jsonl", 30),
        ("validation.jsonl", 60),
        ("my_test.jsonl", 90),
    ):
        (tmp_path / name).write_text(lines(*pairs(30, start)))
    report = datasets.check(tmp_path)
    assert report.usable == 60 and report.statement.endswith(
        "2 files that were not read, as their names say that they are for testing (“my_test.jsonl”, “validation.jsonl”)."
    )
    for file in tmp_path.glob("train*"):
        file.unlink()
    assert datasets.check(tmp_path).usable == 60


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("a.jsonl", "b.csv"), "CSV (b.csv) and JSONL (a.jsonl)"),
        (("a.jsonl", "model.safetensors"), "not a dataset, model.safetensors"),
        (("README.md", "sub/a.jsonl"), "holds no dataset file"),
    ],
)
def test_other_folders_are_refused_by_name(tmp_path: Path, names: tuple[str, ...], said: str) -> None:
    """Kinds that are mixed, files of unknown kinds, and nothing at all: said with the names and what to do."""
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(lines(*pairs(30)))
    with pytest.raises(DatasetError) as refused:
        datasets.check(tmp_path)
    assert said in refused.value.what and refused.value.fix


def test_a_file_of_a_folder_that_is_broken_or_a_preference_file_is_named(tmp_path: Path) -> None:
    """Every file is looked at as if it were given alone."""
    (tmp_path / "a.jsonl").write_text(lines(*pairs(30)))
    for content in (lines(*({"prompt": "a", "chosen": "b", "rejected": "c"} for _ in range(5))), "{"):
        (tmp_path / "b.jsonl").write_text(content)
        with pytest.raises(DatasetError) as refused:
            datasets.check(tmp_path)
        assert "b.jsonl" in refused.value.where
