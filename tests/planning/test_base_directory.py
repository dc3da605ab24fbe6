"""A base model's directory is accepted when it can be trained, and else refused in one sentence with the fix."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.paths import Paths
from brightrun_tui.planning.bases import describe_base, fetch_base
from tests.planning.tiny_model import WEIGHTS, safetensors, write_model


def test_a_complete_directory_is_described_from_its_own_files(tmp_path: Path, paths: Paths) -> None:
    info = describe_base(str(write_model(tmp_path / "m")), paths)
    assert (info.architecture.hidden, info.architecture.kv_width, info.architecture.context) == (64, 32, 512)
    assert info.parameters == 256 * 64 + 64 * 64
    assert info.present and info.has_chat_template and not info.warnings
    assert info.ref.path == str((tmp_path / "m").resolve()) and info.ref.fingerprint.startswith("sha256:")
    assert fetch_base(str(tmp_path / "m"), paths, lambda what, fraction: None) == info.ref


def _only_pickle(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")


def _truncate(model: Path) -> None:
    os.truncate(model / "model.safetensors", 5_000)


def _lose_a_shard(model: Path) -> None:
    (model / "model.safetensors").rename(model / "model-00001-of-00002.safetensors")
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


def _turn_into_an_adapter(model: Path) -> None:
    (model / "config.json").rename(model / "adapter_config.json")


def _turn_into_bert(model: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"architectures": ["BertForMaskedLM"]}))


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lambda model: (model / "model.safetensors").unlink(), "base_no_weights"),
        (_only_pickle, "base_pickle"),
        (_truncate, "base_damaged"),
        (lambda model: (model / "model.safetensors").write_bytes(b"<html>not found</html>"), "base_damaged"),
        (_lose_a_shard, "base_incomplete"),
        (_turn_into_an_adapter, "base_is_adapter"),
        (_turn_into_bert, "base_not_causal"),
        (lambda model: (model / "config.json").write_text("{"), "base_damaged"),
        (lambda model: (model / "config.json").unlink(), "base_no_config"),
        (lambda model: (model / "tokenizer.json").unlink(), "base_no_tokenizer"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_place_and_fix(
    spoil: Callable[[Path], object], kind: str, tmp_path: Path, paths: Paths
) -> None:
    model = write_model(tmp_path / "m")
    spoil(model)
    with pytest.raises(BaseModelError) as refused:
        describe_base(str(model), paths)
    assert refused.value.kind == kind
    assert str(model) in refused.value.where and refused.value.fix


def test_a_model_without_chat_template_comes_with_a_warning(tmp_path: Path, paths: Paths) -> None:
    model = write_model(tmp_path / "m")
    (model / "tokenizer_config.json").write_text("{}")
    assert "chat template" in describe_base(str(model), paths).warnings[0]


@pytest.mark.parametrize(
    ("template", "card", "tools", "thinks", "languages"),
    [
        ("{% if tools %}{{ tools }}{% endif %}<think>", "---\nlanguage:\n- en\n- 7\n---\n", True, True, ("en",)),
        ("{{ messages }}", "---\nlanguage: fr\n---\n", False, False, ("fr",)),
        ("{{ messages }}", "---\nlanguage: [en\n: :\n---\n", False, False, ()),
        ("", "no head", None, None, ()),
    ],
)
def test_template_and_card_say_what_a_model_can(
    tmp_path: Path,
    paths: Paths,
    template: str,
    card: str,
    tools: bool | None,
    thinks: bool | None,
    languages: tuple[str, ...],
) -> None:
    """Tools, thoughts, languages; what nobody says is not known, and a broken card is no reason to refuse a model."""
    directory = write_model(tmp_path / "m")
    (directory / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    (directory / "README.md").write_text(card)
    traits = describe_base(str(directory), paths).traits
    assert (traits.tools, traits.thinks, traits.languages) == (tools, thinks, languages)


def test_the_license_of_a_base_is_the_one_that_its_card_names(tmp_path: Path, paths: Paths) -> None:
    directory = write_model(tmp_path / "m")
    for said, known in (("apache-2.0", "apache-2.0"), ("[mit, gpl]", ""), ("do\u202ewhat: you <like>", "")):
        (directory / "README.md").write_text(f"---\nlicense: {said}\n---\n")
        assert describe_base(str(directory), paths).license == known


def test_the_fingerprint_follows_content_and_nothing_else(tmp_path: Path, paths: Paths) -> None:
    def fingerprint(model: Path) -> str:
        return describe_base(str(model), paths).ref.fingerprint

    one, two = write_model(tmp_path / "one"), write_model(tmp_path / "two")
    assert fingerprint(one) == fingerprint(two)
    before = fingerprint(one)
    (one / "model.safetensors").write_bytes(safetensors(WEIGHTS, fill=1))
    after_weights = fingerprint(one)
    assert after_weights != before
    (one / "tokenizer.json").write_text((one / "tokenizer.json").read_text().replace('"?"', '"!"'))
    assert fingerprint(one) not in {before, after_weights}


def test_an_untied_output_layer_is_recognised_where_the_config_is_silent(tmp_path: Path, paths: Paths) -> None:
    model = write_model(tmp_path / "m")
    config = json.loads((model / "config.json").read_text())
    del config["tie_word_embeddings"]
    (model / "config.json").write_text(json.dumps(config))
    assert describe_base(str(model), paths).architecture.tied
    (model / "model.safetensors").write_bytes(safetensors(WEIGHTS | {"lm_head.weight": (256, 64)}))
    assert not describe_base(str(model), paths).architecture.tied
