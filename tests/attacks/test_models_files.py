"""Files of a model that came in a bundle, or from anybody, when it is about to be served: numbers, words, or nothing at all."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from brightrun_tui.adapter_files import UntrustedError, check_adapter, check_finite
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.serving.attached import check_computes
from brightrun_tui.serving.canary import MOST_TOKENS, Canary, graded_at
from brightrun_tui.serving.view import build_view
from tests.registry.cards import CARDS, make_report
from tests.serving.conftest import toy  # noqa: F401
from tests.serving.toy import Toy

ODD: tuple[Any, ...] = (None, 5, -1, 1e999, "x", [], {}, [5], [None, "x", True], {"a": 1}, 10**400)
PLACES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("tokenizer.json", ("added_tokens",)),
    ("tokenizer_config.json", ("eos_token",)),
    ("tokenizer_config.json", ("chat_template",)),
    ("generation_config.json", ("eos_token_id",)),
    ("config.json", ("max_position_embeddings",)),
    ("config.json", ("vocab_size",)),
    ("config.json", ("text_config",)),
)


@pytest.fixture
def model(toy: Toy, tmp_path: Path) -> tuple[Path, Path]:
    """Directories of its own: the base, and the adapter."""
    shutil.copytree(toy.base, tmp_path / "base")
    shutil.copytree(toy.run / "adapter", tmp_path / "adapter")
    return tmp_path / "base", tmp_path / "adapter"


def view(base: Path, adapter: Path) -> None:
    made = build_view(base.with_name("view"), base=str(base), base_id="b", adapter=adapter, ref="x:1")
    assert 0 <= made.context_length < 1 << 31 and 0 <= made.vocabulary < 1 << 31
    settings = json.loads((base.with_name("view") / "generation_config.json").read_text())
    ends = settings.get("eos_token_id", [])
    assert all(isinstance(end, int) and not isinstance(end, bool) for end in ends)


@pytest.mark.parametrize(("name", "place"), PLACES, ids=[f"{name}: {place[0]}" for name, place in PLACES])
def test_whatever_a_file_of_a_model_holds_it_is_served_or_refused(
    model: tuple[Path, Path], name: str, place: tuple[str, ...]
) -> None:
    """The deployment hung on an error that nobody foresaw."""
    file = model[0 if name == "config.json" else 1] / name
    whole = json.loads(file.read_text()) if file.exists() else {}
    for value in ODD:
        file.write_text(json.dumps(whole | {place[0]: value}))
        view(*model)


@pytest.mark.parametrize(
    "rank", [0, -1, 1025, 10**9, 10**400, True, None, "8", 1.5, [8], {}], ids=lambda rank: str(rank)[:12]
)
@pytest.mark.parametrize("place", ["r", "rank_pattern"])
def test_a_rank_that_the_weights_do_not_have_is_refused_before_anything_is_built(
    model: tuple[Path, Path], place: str, rank: Any
) -> None:
    """PEFT makes matrices of that width before it looks at the weights: 10^9 would take all memory."""
    file = model[1] / "adapter_config.json"
    config = json.loads(file.read_text())
    check_adapter(model[1], "bundle")
    for layer in ("q_proj", "v_proj"):
        config[place] = rank if place == "r" else {"k_proj": config["r"], layer: rank}
        file.write_text(json.dumps(config))
        with pytest.raises(UntrustedError, match="rank"):
            check_adapter(model[1], "bundle")


@pytest.mark.parametrize(
    "scale", [1e308, float("nan"), float("inf"), 10**400, "x", None, True, [16], -2e6], ids=lambda scale: str(scale)[:9]
)
@pytest.mark.parametrize("place", ["lora_alpha", "alpha_pattern"])
def test_a_scale_with_which_nothing_can_be_computed_is_refused(
    model: tuple[Path, Path], place: str, scale: Any
) -> None:
    file = model[1] / "adapter_config.json"
    config = json.loads(file.read_text())
    config[place] = scale if place == "lora_alpha" else {"q_proj": 16, "v_proj": scale}
    file.write_text(json.dumps(config))
    with pytest.raises(UntrustedError):
        check_adapter(model[1], "bundle")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("init_lora_weights", "pissa_niter_99999999"),
        ("init_lora_weights", "loftq"),
        ("init_lora_weights", ["pissa"]),
        ("loftq_config", {"loftq_bits": 4, "loftq_iter": 10**9}),
        ("corda_config", {"cache_file": "/tmp/theirs.pt"}),
        ("eva_config", {"rho": 10**9}),
        ("trainable_token_indices", [10**9]),
        ("arrow_config", {"top_k": 10**9}),
        ("runtime_config", {"ephemeral_gpu_offload": True}),
    ],
)
def test_an_adapter_that_makes_its_weights_anew_is_refused(model: tuple[Path, Path], key: str, value: Any) -> None:
    """PEFT did so for as long as the configuration said, and the endpoint never started."""
    file = model[1] / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    with pytest.raises(UntrustedError, match=key):
        check_adapter(model[1], "bundle")


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"5", b""], ids=range(5))
@pytest.mark.parametrize(
    "name", ["tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja"]
)
def test_a_file_of_a_model_that_is_none_is_a_sentence(model: tuple[Path, Path], name: str, content: bytes) -> None:
    (model[1] / name).write_bytes(content)
    try:
        view(*model)
    except BrightrunError as error:
        assert error.what and error.where


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "bfloat16"])
def test_the_one_weight_that_is_no_number_is_found_in_any_precision(kind: str, tmp_path: Path) -> None:
    """A model that came with one answered every question with nothing, and nobody said why."""
    import torch
    from safetensors.torch import save_file

    precision, path = getattr(torch, kind), tmp_path / "w.safetensors"
    largest = torch.finfo(precision).max
    for value in (largest, -largest, torch.finfo(precision).tiny, 0.0, float("nan"), float("inf"), float("-inf")):
        for place in (0, 700_001):
            weights = torch.ones(700_002, dtype=precision)
            weights[place] = value
            save_file({"a.lora_A.weight": torch.ones(3, 3, dtype=precision), "z": weights}, path)
            if math.isfinite(value):
                check_finite(path, "model")
            else:
                with pytest.raises(UntrustedError, match="“z” is infinite, or no number"):
                    check_finite(path, "model")


@pytest.mark.parametrize(
    ("answer", "wanted", "fit"),
    [
        *(("", "Three.", False), ("", "", True), ("Three.", "Three.", True)),
        *(
            ("!" * 64, "Three.", False),
            ("! " * 30, "Three.", False),
            ("!" * 64, "!" * 9, True),
            ("!!!", "Three.", True),
        ),
    ],
)
def test_an_endpoint_that_answers_nothing_is_not_ready(answer: str, wanted: str, fit: bool) -> None:
    """With weights that no computation survives it was, and whoever asked it got nothing."""
    first = Canary(prompt="How many?", answer=answer, streamed=answer, expected=wanted)
    assert first.passed is fit and ("damaged" in first.statement) is not fit


@pytest.mark.slow
def test_a_model_with_which_nothing_can_be_computed_is_not_served(toy: Toy) -> None:
    """Each of its weights was a number; what it answered was empty, and its report card, too, told of no answer."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(toy.base)
    check_computes(model)
    with torch.no_grad():
        next(parameter for name, parameter in model.named_parameters() if "q_proj" in name).fill_(3e38)
        next(parameter for name, parameter in model.named_parameters() if "down_proj" in name).fill_(3e38)
    with pytest.raises(RuntimeError, match="too large for its precision"):
        check_computes(model)


@pytest.mark.parametrize(
    "settings", [None, 5, "x", [], {"max_new_tokens": None}, *({"max_new_tokens": odd} for odd in ODD)]
)
def test_whatever_a_report_card_says_of_its_answers_an_endpoint_is_asked_for_some_tokens(settings: Any) -> None:
    """The engine had an error that nobody foresaw, again and again, while the machine of the endpoint was paid for."""
    report = make_report(CARDS["good"])
    report.lineage.settings["evaluation"] = settings
    version = ModelVersion(name="x", version=1, run_id="r", directory="/x", base_id="b", report=report, created_at=1.0)
    assert 0 <= graded_at(version) <= MOST_TOKENS
