"""Damaged models on this machine: what is wrong, where, how to mend it; and New Run goes on with any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from brightrun_tui import datasets
from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.paths import Paths
from brightrun_tui.planning.bases import describe_base, fetch_base, list_bases
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.plan import make_plan
from brightrun_tui.planning.starter import starter_directory
from brightrun_tui.planning.token_counts import count_tokens
from brightrun_tui.planning.unpacked import ORIGIN, BaseOrigin, make_directory
from tests.planning.tiny_model import word_tokenizer, write_model

BROKEN_HEADER = b"\x02\0\0\0\0\0\0\0[]"


class Stop(Exception):
    pass


def damaged_starter(paths: Paths) -> Path:
    """Every file as large as it should be, and the weights unreadable."""

    def fill(aside: Path) -> BaseOrigin:
        write_model(aside)
        (aside / "model.safetensors").write_bytes(BROKEN_HEADER)
        return BaseOrigin(source="a test")

    make_directory(starter_directory(paths), lambda what, fraction: None, fill)
    return starter_directory(paths)


def test_a_damaged_starter_is_named_with_the_verb_that_mends_it(paths: Paths, data: Path) -> None:
    directory = damaged_starter(paths)
    with pytest.raises(BaseModelError) as refused:
        describe_base("starter", paths)
    assert refused.value.kind == "base_damaged" and str(directory) in refused.value.where
    assert refused.value.fix == "fetch it again: brightrun bases fetch starter"
    plan = make_plan(Draft(data=str(data)), paths)
    assert [check.what for check in plan.checks if check.state == "failed" and "model.safetensors" in check.what]
    assert list_bases(paths)
    other = make_plan(Draft(data=str(data), base=str(write_model(directory.parent / "other"))), paths)
    assert other.base is not None and other.estimate is not None


def test_fetching_a_damaged_starter_moves_it_aside_before_it_is_made_again(paths: Paths) -> None:
    """Nothing is deleted: what is damaged may be all that is left of the model an adapter was trained on."""
    directory = damaged_starter(paths)

    def stop(what: str, fraction: float) -> None:
        raise Stop

    with pytest.raises((Stop, BaseModelError)):
        fetch_base("starter", paths, stop)
    (aside,) = directory.parent.glob(f"{directory.name}-damaged-*")
    assert (aside / "model.safetensors").read_bytes() == BROKEN_HEADER


def test_half_a_starter_counts_as_none(paths: Paths) -> None:
    (damaged_starter(paths) / ORIGIN).unlink()
    assert not describe_base("starter", paths).present


@pytest.mark.parametrize(
    "change",
    [
        {"architectures": 5},
        {"architectures": [None]},
        {"architectures": {"a": 1}},
        {"text_config": "x"},
        {"text_config": [1]},
        {"hidden_size": 10**400},
        {"hidden_size": -1},
        {"hidden_size": "64"},
        {"hidden_size": True},
        {"num_attention_heads": 0},
        {"num_hidden_layers": 10**9},
        {"vocab_size": 2**40},
        {"num_attention_heads": 65},
        {"head_dim": 10**9},
        {"num_local_experts": 10**9},
        {"max_position_embeddings": 2**60},
        {"intermediate_size": 2**40},
    ],
)
def test_a_config_that_describes_no_model_is_refused(tmp_path: Path, paths: Paths, change: dict[str, Any]) -> None:
    model = write_model(tmp_path / "m", config=change)
    with pytest.raises(BaseModelError) as refused:
        describe_base(str(model), paths)
    assert refused.value.kind == "base_config" and "config.json" in refused.value.what and refused.value.fix


@pytest.mark.parametrize(
    "change",
    [
        {"head_dim": "x"},
        {"num_key_value_heads": None},
        {"num_key_value_heads": []},
        {"num_experts": {}},
        {"max_position_embeddings": None},
        {"intermediate_size": [64, 64]},
        {"quantization_config": "odd"},
        {"quantization_config": ["odd"]},
        {"tie_word_embeddings": "yes"},
        {"model_type": ["x"]},
    ],
)
def test_a_value_that_is_not_needed_may_be_odd(tmp_path: Path, paths: Paths, change: dict[str, Any]) -> None:
    """Families write null, lists and words where a number does not apply; such models can be trained."""
    assert describe_base(str(write_model(tmp_path / "m", config=change)), paths).parameters


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", "{}"),
        ("tokenizer.json", "[]"),
        ("tokenizer.json", '{"model": {"type": "BPE", "vocab": 5, "merges": [1]}}'),
        ("tokenizer_config.json", "[" * 5000),
        ("tokenizer_config.json", "{"),
        ("model.safetensors.index.json", '{"weight_map": {"a": "../../etc/passwd"}}'),
        ("model.safetensors.index.json", '{"weight_map": 5}'),
        ("model.safetensors.index.json", '{"weight_map": {"a": 5}}'),
    ],
)
def test_any_other_damaged_file_of_a_model_is_a_failed_check(
    tmp_path: Path, paths: Paths, data: Path, name: str, content: str
) -> None:
    """The plan names the file and its mend; nothing is raised, and each reason stands there once."""
    model = write_model(tmp_path / "m")
    (model / name).write_text(content)
    plan = make_plan(Draft(data=str(data), base=str(model)), paths)
    said = [check for check in plan.checks if check.state == "failed" and name in f"{check.what} {check.error}"]
    assert len(said) == 1 and "fetch the model again" in said[0].fix


@pytest.mark.parametrize(
    "typed", ["~nobody/x", "x" * 300, "/" + "y" * 5000, "a\0b", "/dev/null/x", "/proc/self/mem", "/dev/zero", "~", "/"]
)
def test_whatever_is_typed_as_data_or_base_is_a_failed_check(paths: Paths, data: Path, typed: str) -> None:
    """Names that are too long, or of people who do not exist, are typed in the middle of typing another one."""
    for draft in (Draft(data=typed), Draft(data=str(data), base=typed)):
        assert make_plan(draft, paths).first_problem is not None


def test_a_tokenizer_that_is_whole_is_measured_with(tmp_path: Path, paths: Paths, data: Path) -> None:
    model = write_model(tmp_path / "m")
    assert make_plan(Draft(data=str(data), base=str(model)), paths).estimate is not None


def replacing(*steps: tuple[dict[str, str], str]) -> dict[str, Any]:
    return {
        "type": "Sequence",
        "normalizers": [{"type": "Replace", "pattern": pattern, "content": content} for pattern, content in steps],
    }


@pytest.mark.parametrize(
    "steps",
    [
        {"normalizer": replacing(({"String": "a"}, "a" * 5000))},
        {"normalizer": replacing(*[({"String": "a"}, "aa")] * 24)},
        {"normalizer": replacing(({"Regex": "."}, "b" * 5000))},
        {"normalizer": {"type": "Prepend", "prepend": "x" * 10_000_000}},
        {"normalizer": {"type": "Sequence", "normalizers": 5}},
    ],
)
def test_a_tokenizer_that_makes_texts_longer_without_end_is_damaged(
    tmp_path: Path, paths: Paths, data: Path, steps: dict[str, Any]
) -> None:
    """It took all memory, and the app with it, as soon as its base was chosen."""
    directory = write_model(tmp_path / "base")
    (directory / "tokenizer.json").write_text(json.dumps(word_tokenizer() | steps))
    info = describe_base(str(directory), paths, network=False)
    with pytest.raises(BaseModelError, match=r"tokenizer.json is damaged"):
        count_tokens(info, datasets.check(data))


def test_filling_up_and_cutting_are_no_tokens_of_a_text(tmp_path: Path, paths: Paths, data: Path) -> None:
    """A tokenizer may be saved with both; the first was another way to all memory."""
    plain, odd = write_model(tmp_path / "plain"), write_model(tmp_path / "odd")
    padding: dict[str, Any] = {"strategy": {"Fixed": 5000}, "direction": "Right", "pad_to_multiple_of": None}
    padding |= {"pad_id": 0, "pad_type_id": 0, "pad_token": "?"}
    truncation = {"max_length": 1, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    for change in ({"padding": padding}, {"truncation": truncation}):
        (odd / "tokenizer.json").write_text(json.dumps(word_tokenizer() | change))
        report = datasets.check(data)
        counts = [count_tokens(describe_base(str(each), paths, network=False), report) for each in (plain, odd)]
        assert counts[0] == counts[1] and counts[0].measured
