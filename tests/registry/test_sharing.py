"""Out to other programs and machines, and in from strangers."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from brightrun_tui.domain.errors import BaseModelError, BrightrunError, UsageError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.run import Run
from brightrun_tui.files import sha256
from brightrun_tui.paths import Paths
from brightrun_tui.registry import UntrustedError, export, import_bundle, register
from brightrun_tui.store import Database, models, open_database
from tests.serving.toy import Toy

Finished = Callable[..., Run]
Files = dict[str, bytes]
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
async def version(db: Database, paths: Paths, finished: Finished, source: Path) -> ModelVersion:
    return await register(db, paths, finished(), source)


def elsewhere(tmp_path: Path) -> Paths:
    """Another machine."""
    return Paths(*(tmp_path / "elsewhere" / name for name in ("config", "data", "cache", "logs")))


async def test_a_bundle_is_the_same_bytes_each_time_and_arrives_whole(version: ModelVersion, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    bundle = await export(version, tmp_path / "out", form="bundle")
    again = await export(version, tmp_path / "again.tar", form="bundle")
    assert bundle.name == "harbour-v1.brightrun.tar" and sha256(bundle) == sha256(again)
    there = elsewhere(tmp_path)
    async with open_database(there.database) as db:
        arrived = await import_bundle(db, there, bundle)
        assert await import_bundle(db, there, bundle) == arrived, "the same bundle twice made two versions"
        assert [v.ref for v in await models.list_models(db)] == ["harbour:1"]
    assert (
        arrived.report.samples == version.report.samples and arrived.base_path == "" and arrived.tags == ("imported",)
    )
    for name in ("adapter_model.safetensors", "tokenizer.json", "chat_template.jinja"):
        assert (Path(arrived.directory) / name).read_bytes() == (Path(version.directory) / name).read_bytes()
    assert await export(arrived, tmp_path / "onward", form="adapter")
    assert not [p for p in there.models.iterdir() if p.name.startswith(".")]


async def test_importing_ones_own_bundle_gives_the_version_one_has(
    version: ModelVersion, db: Database, paths: Paths, tmp_path: Path
) -> None:
    bundle = await export(version, tmp_path / "own.tar", form="bundle")
    assert (await import_bundle(db, paths, bundle)).ref == version.ref


@pytest.mark.slow
async def test_merged_and_adapter_answer_alike_without_us(version: ModelVersion, toy: Toy, tmp_path: Path) -> None:
    adapter = await export(version, tmp_path / "adapter")
    merged = await export(version, tmp_path / "merged", form="merged")
    assert len({path.stat().st_mode for path in merged.iterdir()}) == 1, "some of it is private and some is not"
    assert json.loads((merged / "generation_config.json").read_bytes())["eos_token_id"] == [1, 3], (
        "it does not know when to end"
    )
    facts = json.loads((merged / "merge.json").read_bytes())
    assert facts["logit_deviation"] < 0.01 * facts["adapter_effect"]
    assert (
        facts["measured"]
        and facts["same"] == facts["answers"] > 0
        and "sample answers" in (merged / "README.md").read_text()
    )
    with pytest.raises(BrightrunError, match="GGUF"):  # llama.cpp does not know how the toy's tokenizer cuts text
        await export(version, tmp_path / "gguf", form="gguf")
    assert not (tmp_path / "gguf").exists()

    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    whole = AutoModelForCausalLM.from_pretrained(merged)
    parts = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(toy.base), adapter)
    assert not [name for name, _ in whole.named_parameters() if "lora" in name]
    answers = []
    for model, place in ((whole, merged), (parts, adapter)):
        tokenizer = AutoTokenizer.from_pretrained(place)
        prompt = tokenizer.apply_chat_template(
            [dict(m) for m in toy.sample.prompt], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        with torch.inference_mode():
            out = model.generate(**prompt, do_sample=False, max_new_tokens=80)[0, prompt["input_ids"].shape[1] :]
        answers.append(tokenizer.decode(out, skip_special_tokens=True))
    # The merged one is the model that was graded, dequantised; the plain snippet's base is not in 4 bits.
    assert answers[0] == toy.sample.tuned
    assert answers[1][:20] == toy.sample.tuned[:20] != toy.sample.base[:20]
    for text in [*adapter.glob("*.json"), *merged.glob("*.json"), adapter / "README.md", merged / "README.md"]:
        assert str(toy.base) not in text.read_text(), text


async def test_nothing_is_overwritten_or_exported_damaged(version: ModelVersion, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "thesis.txt").write_text("mine")
    for form in ("adapter", "merged"):
        with pytest.raises(UsageError, match="already"):
            await export(version, taken, form=form)
    with pytest.raises(UsageError, match="already"):
        await export(version, taken / "thesis.txt", form="bundle")
    with pytest.raises(BaseModelError):
        await export(version.model_copy(update={"base_path": ""}), tmp_path / "merged", form="merged")
    (Path(version.directory) / "tokenizer.json").write_text("{}")
    for form in ("adapter", "bundle"):
        with pytest.raises(UntrustedError, match="digest differs"):
            await export(version, tmp_path / "out", form=form)
    assert sorted(p.name for p in taken.iterdir()) == ["thesis.txt"] and not (tmp_path / "out").exists()


# What a stranger may send. Each takes the files of a good bundle and returns the members of a bad one.


def entry(name: str, content: bytes = b"", **changes: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in changes.items():
        setattr(info, field, value)
    return info, content


def good(files: Files) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [entry(f"m/{name}", content) for name, content in files.items()]


def signed(files: Files, **changes: object) -> Files:
    """The files with a manifest that agrees with them."""
    import hashlib

    manifest = json.loads(files["manifest.json"]) | changes
    manifest["files"] = {
        n: {"sha256": hashlib.sha256(c).hexdigest(), "bytes": len(c)} for n, c in files.items() if n != "manifest.json"
    }
    return files | {"manifest.json": json.dumps(manifest).encode()}


def with_json(files: Files, name: str, /, **changes: object) -> Files:
    return signed(files | {name: json.dumps(json.loads(files[name]) | changes).encode()})


def with_header(files: Files, header: bytes, rest: bytes = b"") -> Files:
    return signed(files | {"adapter_model.safetensors": len(header).to_bytes(8, "little") + header + rest})


HOSTILE: dict[str, Callable[[Files], list[tuple[tarfile.TarInfo, bytes]]]] = {
    "climbs out": lambda f: [*good(f), entry("m/../../../evil.json", b"{}")],
    "absolute": lambda f: [*good(f), entry("/tmp/evil.json", b"{}")],
    "two tops": lambda f: [*good(f), entry("n/tokenizer.json", b"{}")],
    "nested": lambda f: [*good(f), entry("m/sub/tokenizer.json", b"{}")],
    "symlink": lambda f: [*good(f), entry("m/vocab.json", type=tarfile.SYMTYPE, linkname="/etc/passwd")],
    "symlink inside": lambda f: [*good(f), entry("m/vocab.json", type=tarfile.SYMTYPE, linkname="tokenizer.json")],
    "hard link": lambda f: [*good(f), entry("m/vocab.json", type=tarfile.LNKTYPE, linkname="m/tokenizer.json")],
    "device": lambda f: [*good(f), entry("m/vocab.json", type=tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "fifo": lambda f: [*good(f), entry("m/vocab.json", type=tarfile.FIFOTYPE)],
    "pickle": lambda f: good(signed(f | {"training_args.bin": b"\x80\x04."})),
    "code": lambda f: good(signed(f | {"modeling_x.py": b"import os"})),
    "twice": lambda f: [*good(f), entry("m/tokenizer.json", b"{}")],
    "not in manifest": lambda f: good(f | {"vocab.json": b"{}"}),
    "changed": lambda f: good(f | {"tokenizer.json": b"{}"}),
    "missing": lambda f: good({n: c for n, c in f.items() if n != "tokenizer.json"}),
    "no weights": lambda f: good(signed({n: c for n, c in f.items() if n != "adapter_model.safetensors"})),
    "no manifest": lambda f: good({n: c for n, c in f.items() if n != "manifest.json"}),
    "name climbs": lambda f: good(signed(f, model="../../evil")),
    "name empty": lambda f: good(signed(f, model="")),
    "base with code": lambda f: good(signed(f, base='x"); import os; os.system("')),
    "imports code": lambda f: good(with_json(f, "adapter_config.json", auto_mapping={"parent_library": "os"})),
    "megatron": lambda f: good(with_json(f, "adapter_config.json", megatron_config={"a": 1}, megatron_core="os")),
    "auto_map": lambda f: good(with_json(f, "tokenizer_config.json", auto_map={"AutoTokenizer": "evil.T"})),
    "not lora": lambda f: good(with_json(f, "adapter_config.json", peft_type="PROMPT_TUNING")),
    "no report": lambda f: good(with_json(f, "report.json", base="low")),
    "endless loss": lambda f: good(
        with_json(
            f,
            "report.json",
            base={"loss": 1, "perplexity": 3, "tokens": 9, "records": 1},
            tuned={"loss": float("inf"), "perplexity": 1, "tokens": 9, "records": 1},
        )
    ),
    "score is not a number": lambda f: good(
        with_json(f, "report.json", scores={"chrf": {"base": 1, "tuned": float("nan")}})
    ),
    "number too long": lambda f: good(with_json(f, "report.json", scores={"chrf": {"base": 1, "tuned": 10**400}})),
    "deep json": lambda f: good(signed(f | {"vocab.json": b"[" * 200_000})),
    "header too long": lambda f: good(signed(f | {"adapter_model.safetensors": b"\xff" * 8 + b"{}"})),
    "header no json": lambda f: good(with_header(f, b"cos\nsystem\n")),
    "tensors overlap": lambda f: good(
        with_header(
            f, json.dumps({n: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for n in "ab"}).encode(), b"\0" * 4
        )
    ),
    "tensors beyond": lambda f: good(
        with_header(f, json.dumps({"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}).encode(), b"\0" * 4)
    ),
    "layers never found": lambda f: good(with_json(f, "adapter_config.json", target_modules="((((.*)*)*)*)*!")),
    "ranks never found": lambda f: good(with_json(f, "adapter_config.json", rank_pattern={"((((.*)*)*)*)*!": 4})),
    "layers without end": lambda f: good(with_json(f, "adapter_config.json", layer_replication=[[0, 10**9]])),
    "layers of no kind": lambda f: good(with_json(f, "adapter_config.json", target_modules=5)),
    "a header of digits": lambda f: [entry("m/x", b"1" * 2_000_000, type=tarfile.XHDTYPE), *good(f)],
    "a header for all": lambda f: [entry("m/x", b"1" * 2_000_000, type=tarfile.XGLTYPE), *good(f)],
    "many headers": lambda f: [*(entry("m/x", b"1" * 20_000, type=tarfile.XHDTYPE) for _ in range(300)), *good(f)],
    "a name without end": lambda f: [entry("m/x", b"m/" * 1_000_000, type=tarfile.GNUTYPE_LONGNAME), *good(f)],
    "another name in its header": lambda f: [
        *good(f),
        entry("m/vocab.json", b"{}", pax_headers={"path": "../evil.json"}),
    ],
    "another size in its header": lambda f: [
        *good(f),
        entry("m/vocab.json", b"{}", pax_headers={"size": str(1 << 60)}),
    ],
    "a size below nothing": lambda f: [*good(f), entry("m/vocab.json", b"{}", pax_headers={"size": "-512"})],
    "sparse": lambda f: [*good(f), entry("m/vocab.json", type=tarfile.GNUTYPE_SPARSE)],
    "sparse by its header": lambda f: [
        *good(f),
        entry(
            "m/vocab.json",
            b"1\n0\n9\n",
            pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 50)},
        ),
    ],
    "a twin in capitals": lambda f: [*good(f), entry("m/Tokenizer.json", b"{}")],
    "a twin in other letters": lambda f: [*good(f), entry("m/to\u212aenizer.json", b"{}")],
    "a twin with a dot": lambda f: [*good(f), entry("m/./tokenizer.json", b"{}")],
    "a twin with a slash": lambda f: [*good(f), entry("m//tokenizer.json", b"{}")],
    "a name with a NUL": lambda f: [*good(f), entry("m/vocab.json", b"{}", pax_headers={"path": "m/vocab.json\0.py"})],
    "contiguous": lambda f: [*good(f), entry("m/tokenizer.json", b"{}", type=tarfile.CONTTYPE)],
    "a directory of a file's name": lambda f: [entry("m/tokenizer.json", type=tarfile.DIRTYPE), *good(f)],
    "weights that are no numbers": lambda f: good(signed(f | {WEIGHTS: f[WEIGHTS][:-4] + b"\0\0\xc0\x7f"})),
    "weights without end": lambda f: good(signed(f | {WEIGHTS: f[WEIGHTS][:-4] + b"\0\0\x80\xff"})),
    "empty tar": lambda f: [],
}


@pytest.fixture
def files(version: ModelVersion) -> Files:
    return {path.name: path.read_bytes() for path in Path(version.directory).iterdir()}


def write_tar(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], mode: Literal["w", "w:gz"] = "w") -> Path:
    with tarfile.open(path, mode) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("trick", HOSTILE)
async def test_a_hostile_bundle_leaves_nothing_behind(files: Files, tmp_path: Path, trick: str) -> None:
    there, bundle = elsewhere(tmp_path), write_tar(tmp_path / "in.tar", HOSTILE[trick](files))
    async with open_database(there.database) as db:
        with pytest.raises(UntrustedError) as refused:
            await import_bundle(db, there, bundle)
        assert await models.list_models(db) == []
    assert "in.tar" in str(refused.value)
    assert list(there.models.iterdir()) == [], "something was left over"
    assert not [*tmp_path.rglob("evil*"), *Path("/tmp").glob("evil.json")], "written outside"


async def test_the_hostile_bundles_are_refused_for_their_trick_alone(files: Files, tmp_path: Path) -> None:
    there = elsewhere(tmp_path)
    async with open_database(there.database) as db:
        assert (await import_bundle(db, there, write_tar(tmp_path / "in.tar", good(signed(files))))).version == 1


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\0" * 10240, b"x" * 5000])
async def test_what_is_no_bundle_is_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    there, bundle = elsewhere(tmp_path), tmp_path / "thing.tar"
    bundle.write_bytes(content)
    async with open_database(there.database) as db:
        with pytest.raises(BrightrunError):
            await import_bundle(db, there, bundle)
        with pytest.raises(UsageError, match="no such file"):
            await import_bundle(db, there, tmp_path / "nowhere.tar")


async def test_a_cut_or_compressed_bundle_is_refused(version: ModelVersion, files: Files, tmp_path: Path) -> None:
    there = elsewhere(tmp_path)
    whole = await export(version, tmp_path / "whole.tar", form="bundle")
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole.read_bytes()[:70_000])
    async with open_database(there.database) as db:
        for bundle in (cut, write_tar(tmp_path / "in.tar.gz", good(files), "w:gz")):
            with pytest.raises(UntrustedError):
                await import_bundle(db, there, bundle)


async def test_a_strangers_report_card_cannot_steer_the_terminal(files: Files, tmp_path: Path) -> None:
    report = json.loads(files["report.json"])
    report["verdict"]["summary"] = "nice\x1b[2J\x07\x9b31m \u202eledom model"
    there = elsewhere(tmp_path)
    bundle = write_tar(tmp_path / "in.tar", good(with_json(files, "report.json", **report)))
    async with open_database(there.database) as db:
        arrived = await import_bundle(db, there, bundle)
    assert arrived.report.verdict.summary == "nice [2J  31m  ledom model"
    assert "\x1b" not in (Path(arrived.directory) / "README.md").read_text()


async def test_a_bundle_finds_its_base_by_fingerprint(
    version: ModelVersion, files: Files, db: Database, paths: Paths, toy: Toy
) -> None:
    lineage = version.report.lineage.model_copy(update={"base_fingerprint": "abc"})
    known = version.model_copy(update={"report": version.report.model_copy(update={"lineage": lineage})})
    await models.complete(db, known)
    bundle = write_tar(paths.data / "in.tar", good(signed(files, run_id="other", base_fingerprint="abc")))
    assert (await import_bundle(db, paths, bundle)).base_path == str(toy.base)
    shutil.copy(bundle, bundle.with_name("two.tar"))
    bundle = write_tar(paths.data / "two.tar", good(signed(files, run_id="other", base_fingerprint="xyz")))
    assert (await import_bundle(db, paths, bundle)).base_path == ""
