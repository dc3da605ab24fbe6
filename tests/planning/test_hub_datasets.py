"""Datasets of the Hub: found by configuration and split, kept at a revision, and every refusal in plain words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.paths import Paths
from brightrun_tui.planning import hub_datasets
from brightrun_tui.planning.dataset_reports import report_of
from brightrun_tui.planning.hub_dataset_files import configurations, converted
from brightrun_tui.planning.hub_dataset_names import parse
from tests.planning.hub_stand_in import COMMIT, StandIn

TOKEN = "hf_abcdefghijklmnop"


def records(start: int, count: int) -> list[dict[str, str]]:
    return [
        {"question": f"How heavy is parcel {i}?", "answer": f"It weighs {i * 3} grams."}
        for i in range(start, start + count)
    ]


def jsonl(rows: list[dict[str, str]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def parquet(rows: list[dict[str, str]]) -> bytes:
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), sink)
    return bytes(sink.getvalue())


@pytest.fixture
def shop(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A Hub with one dataset: two shards to learn from, one for testing, and a README."""
    hub_datasets._remembered.clear()
    stand_in = StandIn(
        {
            "README.md": b"---\n---\n",
            "data/train-00000-of-00002.parquet": parquet(records(0, 30)),
            "data/train-00001-of-00002.parquet": parquet(records(30, 30)),
            "data/test-00000-of-00001.parquet": parquet(records(60, 25)),
        },
        repository="acme/faq",
        kind="datasets",
    ).start()
    monkeypatch.setenv("HF_ENDPOINT", stand_in.url)
    yield stand_in
    stand_in.stop()


def test_a_split_is_fetched_checked_and_kept_at_its_revision(shop: StandIn, paths: Paths) -> None:
    """The training split by default; only its files are fetched, once; without a network what is here is used."""
    told: list[str] = []
    report = report_of("hf:acme/faq", {}, paths, lambda what, share: told.append(what))
    assert (report.usable, report.name, report.source) == (60, "faq-train", f"hf:acme/faq@train#{COMMIT}")
    assert any("downloading" in what for what in told) and not shop.fetched("data/test-00000-of-00001.parquet")
    assert report_of("hf:acme/faq@test", {}, paths).usable == 25
    hub_datasets._remembered.clear()
    shop.requests.clear()
    assert report_of("hf:acme/faq@train", {}, paths).fingerprint == report.fingerprint
    assert not [path for _, path, _ in shop.requests if path.endswith(".parquet")], "what is here is not fetched again"
    hub_datasets._remembered.clear()
    shop.stop()
    again = report_of("hf:acme/faq", {}, paths)
    assert (again.usable, again.fingerprint, again.path) == (60, report.fingerprint, report.path)
    assert COMMIT in again.source


def test_data_of_the_hub_is_fetched_again_where_it_is_gone(shop: StandIn, paths: Paths) -> None:
    """The full name that is kept with a run, revision included, brings the same content; nobody is asked while it is here."""
    report = report_of("hf:acme/faq@test", {}, paths)
    shop.requests.clear()
    assert report_of(report.source, {}, paths).fingerprint == report.fingerprint and not shop.requests
    hub_datasets._remembered.clear()
    for file in Path(report.path).iterdir():
        file.unlink()
    Path(report.path).rmdir()
    again = report_of(report.source, {}, paths)
    assert again.fingerprint == report.fingerprint and again.source == report.source


@pytest.mark.parametrize(
    ("word", "spoil", "kind", "said"),
    [
        ("hf:acme/faq@prod", None, "hub_split", "there are test, train"),
        ("hf:acme/faq:small", None, "hub_configuration", "there are default"),
        ("hf:acme faq", None, "bad_hub_dataset", "does not name a dataset"),
        ("hf:acme/typo", None, "dataset_unknown", "no dataset"),
        ("hf:acme/faq", lambda hub: setattr(hub, "gated", True), "dataset_gated", "licence"),
        ("hf:acme/faq", lambda hub: hub.stop(), "hub_unreachable", "cannot be reached"),
        ("hf:acme/faq", lambda hub: hub.faults.update({"/api/datasets/": 500}), "hub_failing", "HTTP 500"),
        ("hf:acme/faq", lambda hub: hub.files.update({"data/train-2.parquet": Huge()}), "dataset_too_large", "9.1 TiB"),
        ("hf:acme/faq", lambda hub: hub.files.clear(), "dataset_hub_files", "no Parquet"),
    ],
)
def test_a_refusal_is_one_sentence_with_its_fix(
    word: str, spoil: Callable[[StandIn], object] | None, kind: str, said: str, shop: StandIn, paths: Paths
) -> None:
    if spoil:
        spoil(shop)
    with pytest.raises(BrightrunError) as refused:
        report_of(word, {}, paths)
    assert refused.value.kind == kind and said in refused.value.what and refused.value.fix
    assert "model" not in str(refused.value)


class Huge(bytes):
    def __len__(self) -> int:
        return 10**13


def test_a_token_opens_a_gated_dataset(shop: StandIn, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.gated, shop.tokens, shop.allowed = True, {TOKEN: "ada"}, {TOKEN}
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert report_of("hf:acme/faq", {}, paths).usable == 60


def test_files_belong_to_splits_as_the_card_or_their_names_say() -> None:
    """Globs of the card, one path or many, folders; without a card the names; one kind where there are copies."""
    card = [
        {
            "config_name": "en",
            "data_files": [{"split": "train", "path": "en/train-*"}, {"split": "test", "path": ["en/**/t.jsonl"]}],
        },
        {"config_name": "de", "data_dir": "de"},
        {"config_name": "all", "data_files": "*/train-*.jsonl"},
        {"broken": 1, "data_files": 3},
    ]
    files = [
        "en/train-1.jsonl",
        "en/train-2.jsonl",
        "en/a/t.jsonl",
        "de/train.jsonl",
        "de/validation.jsonl",
        "README.md",
        ".x/train.csv",
    ]
    assert configurations(files, card) == {
        "en": {"train": ["en/train-1.jsonl", "en/train-2.jsonl"], "test": ["en/a/t.jsonl"]},
        "de": {"train": ["de/train.jsonl"], "validation": ["de/validation.jsonl"]},
        "all": {"train": ["en/train-1.jsonl", "en/train-2.jsonl"]},
    }
    assert configurations(["a.csv", "a.jsonl", "dev/b.jsonl", "dataset_infos.json"], None) == {
        "default": {"train": ["a.jsonl"], "validation": ["dev/b.jsonl"]}
    }
    assert converted(["en/train/0000.parquet", "en/partial-test/0000.parquet", "README.md"]) == {
        "en": {"train": ["en/train/0000.parquet"], "test": ["en/partial-test/0000.parquet"]}
    }
    assert str(parse("hf:a/b:c@d#e")) == "hf:a/b:c@d#e" and parse("hf:squad").repository == "squad"
