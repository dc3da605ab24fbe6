"""Any GGUF file that can be trained is a base model; every other is refused in one sentence, before anything starts."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.integrations.packages import missing_packages
from brightrun_tui.paths import Paths
from brightrun_tui.planning.bases import describe_base, fetch_base, list_bases
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.gguf_bases import MODEL_TYPES
from brightrun_tui.planning.plan import make_plan, make_spec

pytestmark = pytest.mark.skipif(bool(missing_packages()), reason="needs the training packages")
if not missing_packages():
    from tests.planning.tiny_gguf import HIDDEN, INNER, LAYERS, write_gguf

NOT_TRAINED = {"general", "tokenizer", "t5", "umt5", "mamba", "deci"}
"""In transformers' table, but no architectures, or none that generates text with attention and code of its own."""


class Stop(Exception):
    pass


def silent(_what: str, _fraction: float) -> None:
    return None


def test_a_plan_knows_size_memory_and_quantisation_before_unpacking(data: Path, tmp_path: Path, paths: Paths) -> None:
    file = write_gguf(tmp_path / "tiny-q8_0.gguf")
    plan = make_plan(Draft(data=str(data), base=str(file)), paths)
    assert plan.ready and plan.base and plan.estimate and plan.estimate.memory > 0
    assert not plan.base.present and plan.base.title == "Tiny" and plan.base.has_chat_template
    shape = plan.base.architecture
    assert (shape.model_type, shape.hidden, shape.layers, shape.intermediate) == ("llama", HIDDEN, LAYERS, INNER)
    assert (shape.kv_width, shape.vocab, shape.tied, shape.context) == (32, 261, True, 256)
    assert plan.base.parameters == pytest.approx(shape.parameters, rel=0.01)
    said = next(check for check in plan.checks if check.name == "base model")
    assert said.state == "pending" and "Q8_0" in said.what and "unpacked" in said.what
    assert make_spec(plan).base.quantisation == "Q8_0"
    assert not paths.bases.exists()


@pytest.mark.slow
def test_it_is_unpacked_once_into_a_model_like_any_other_with_the_very_weights(tmp_path: Path, paths: Paths) -> None:
    import gguf
    from transformers import AutoTokenizer

    file = write_gguf(tmp_path / "tiny.gguf", values={"tokenizer.ggml.eot_token_id": 0})
    told: list[str] = []
    ref = fetch_base(str(file), paths, lambda what, _fraction: told.append(what))
    made = Path(ref.path)
    assert ref.id == str(file) and ref.quantisation == "Q8_0" and any("unpacking" in what for what in told)
    config = (made / "config.json").read_text()
    assert "quantization" not in config and '"tie_word_embeddings": true' in config and "bfloat16" in config
    assert '"eos_token_id": [\n    2,\n    0\n  ]' in (made / "generation_config.json").read_text(), (
        "what ends a turn ends it"
    )
    tensor = next(one for one in gguf.GGUFReader(file).tensors if one.name == "blk.1.ffn_down.weight")
    expected = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    found = read_tensor(made / "model.safetensors", "model.layers.1.mlp.down_proj.weight")
    np.testing.assert_allclose(found, expected, rtol=2**-8)
    tokenizer = AutoTokenizer.from_pretrained(made)
    text = "the Thé 🌱\n  tabs\t"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    asked = [{"role": "user", "content": "hi"}]
    assert tokenizer.apply_chat_template(asked, tokenize=False) == "<|im_start|>user\nhi<|im_end|>\n"

    copy = tmp_path / "elsewhere.gguf"
    copy.write_bytes(file.read_bytes())
    before = (made / "model.safetensors").stat().st_mtime_ns
    assert fetch_base(str(copy), paths, silent).path == str(made), "the same content is not unpacked twice"
    assert (made / "model.safetensors").stat().st_mtime_ns == before
    info = describe_base(str(file), paths)
    assert info.present and info.ref.fingerprint == ref.fingerprint
    listed = {choice.id: choice for choice in list_bases(paths)}
    assert listed[str(file)].present and listed[str(file)].quantisation == "Q8_0"

    (made / "model.safetensors").write_bytes(b"cut short")
    assert not describe_base(str(file), paths).present, "a damaged copy is made again rather than trained"


def read_tensor(path: Path, name: str) -> np.ndarray[Any, Any]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return np.asarray(file.get_tensor(name).float().numpy())


def cut(file: Path, end: int) -> Path:
    file.write_bytes(file.read_bytes()[:end])
    return file


def written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


REFUSED: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "weights that are not all there": (
        lambda d: cut(write_gguf(d / "m.gguf"), -5000),
        "base_damaged",
        "bytes are there",
    ),
    "a header that is not all there": (lambda d: cut(write_gguf(d / "m.gguf"), 900), "base_damaged", "ends before"),
    "something else of that name": (lambda d: written(d / "m.gguf", "hello"), "base_damaged", "begin"),
    "an empty file": (lambda d: written(d / "m.gguf", ""), "base_damaged", "begin"),
    "no file": (lambda d: d / "none.gguf", "base_missing", "cannot be read"),
    "a part, by what it says": (
        lambda d: write_gguf(d / "m.gguf", values={"split.count": 3}),
        "gguf_split",
        "one part",
    ),
    "a part, by its name": (lambda d: write_gguf(d / "m-00001-of-00003.gguf"), "gguf_split", "one part"),
    "the part that sees": (lambda d: write_gguf(d / "m.gguf", architecture="clip"), "gguf_no_model", "pictures"),
    "a vocabulary": (lambda d: write_gguf(d / "m.gguf", tensors=False), "gguf_no_model", "no weights"),
    "an adapter": (
        lambda d: write_gguf(d / "m.gguf", values={"general.type": "adapter"}),
        "base_is_adapter",
        "adapter",
    ),
    "weights without a tokenizer": (
        lambda d: write_gguf(d / "m.gguf", tokenizer=False),
        "base_no_tokenizer",
        "no tokenizer",
    ),
    "another architecture": (lambda d: write_gguf(d / "m.gguf", architecture="mamba"), "gguf_architecture", "mamba"),
    "numbers nobody unpacks": (
        lambda d: write_gguf(d / "m.gguf", more_tensors={"table": np.zeros(32, np.int32)}),
        "gguf_quantisation",
        "I32",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_trained_is_refused_by_name_with_what_to_do(
    what: str, tmp_path: Path, paths: Paths, data: Path
) -> None:
    make, kind, words = REFUSED[what]
    file = make(tmp_path)
    with pytest.raises(BaseModelError) as refused:
        describe_base(str(file), paths)
    error = refused.value
    assert (error.kind, error.where) == (kind, str(file)) and words in error.what and error.fix
    plan = make_plan(Draft(data=str(data), base=str(file)), paths)
    assert [check.name for check in plan.checks if check.state == "failed"] == ["base model"]
    assert not paths.bases.exists()


def test_a_directory_of_gguf_files_says_how_to_give_one(tmp_path: Path, paths: Paths) -> None:
    write_gguf(tmp_path / "m.gguf")
    with pytest.raises(BaseModelError) as refused:
        describe_base(str(tmp_path), paths)
    assert refused.value.kind == "base_is_gguf" and ".gguf" in refused.value.fix


def test_no_damage_to_the_header_is_ever_more_than_a_refusal(tmp_path: Path, paths: Paths) -> None:
    content = write_gguf(tmp_path / "whole.gguf").read_bytes()
    dice = random.Random(5)
    for number in range(150):
        broken = bytearray(content)
        for _ in range(dice.choice((1, 3, 20))):
            broken[dice.randrange(4, 6000)] = dice.choice((0, 1, 127, 255, dice.randrange(256)))
        file = tmp_path / f"{number}.gguf"
        file.write_bytes(broken)
        try:
            describe_base(str(file), paths)
        except BaseModelError as error:
            assert error.fix and error.where == str(file)


@pytest.mark.slow
def test_a_caller_that_stops_waiting_leaves_neither_process_nor_half_a_model(tmp_path: Path, paths: Paths) -> None:
    file = write_gguf(tmp_path / "tiny.gguf")

    def stop(what: str, fraction: float) -> None:
        raise Stop

    with pytest.raises(Stop):
        fetch_base(str(file), paths, stop)
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(file) in (one.info["cmdline"] or [])]
    assert not [path for path in paths.bases.iterdir() if path.is_dir()]


def test_what_a_killed_unpacking_left_behind_is_removed_by_the_next(tmp_path: Path, paths: Paths) -> None:
    from brightrun_tui.planning.unpacked import BaseOrigin, make_directory, read_origin

    left = paths.bases / ".m.abc.making"
    left.mkdir(parents=True)
    (left / "model.safetensors").write_bytes(b"half")

    def fill(aside: Path) -> BaseOrigin:
        (aside / "model.safetensors").write_bytes(b"whole")
        return BaseOrigin(source="a test")

    make_directory(paths.bases / "m", silent, fill)
    origin = read_origin(paths.bases / "m")
    assert origin and origin.files == {"model.safetensors": 5}
    assert {path.name for path in paths.bases.iterdir()} == {"m", ".m.lock"}


def test_exactly_what_transformers_reads_is_taken() -> None:
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    ours = {name.replace("moe", "_moe").replace("-", "_") for name in MODEL_TYPES}
    assert ours == set(GGUF_SUPPORTED_ARCHITECTURES) - NOT_TRAINED


def test_a_header_that_claims_more_than_any_has_is_not_read(tmp_path: Path, paths: Paths) -> None:
    """A text of 30 GB in a file that is mostly nothing took all the memory there is."""
    file = tmp_path / "hollow.gguf"
    name = b"general.name"
    with file.open("wb") as out:
        out.write(b"GGUF" + struct.pack("<IQQ", 3, 0, 1))
        out.write(struct.pack("<Q", len(name)) + name + struct.pack("<IQ", 8, 30 << 30))
        out.truncate(40 << 30)
    with pytest.raises(BaseModelError, match="ends before its description does"):
        describe_base(str(file), paths)
