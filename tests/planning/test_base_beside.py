"""What a base takes that is to be asked beside its model is said in words, before it is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.domain.money import GIB, Hardware
from brightrun_tui.paths import Paths
from brightrun_tui.planning import serving_machine
from brightrun_tui.planning.serving_machine import base_beside
from tests.orchestrator.test_deploy_base import version
from tests.planning.tiny_model import write_model


def test_memory_and_a_chat_template_that_is_lacking_are_said(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = write_model(tmp_path / "m")
    here = version().model_copy(update={"base_path": str(base)})
    assert "chat template" not in base_beside(here, paths).words
    (base / "tokenizer_config.json").write_text("{}")
    assert "the one that was saved with the model is used" in base_beside(here, paths).words

    machine = Hardware(device="cpu", memory=16 * GIB, cores=2, free_memory=12 * GIB)
    monkeypatch.setattr(serving_machine, "hardware", lambda _: machine)
    roomy = base_beside(here, paths)
    assert roomy.fits and "12.0 GiB are free." in roomy.words
    monkeypatch.setattr(serving_machine, "hardware", lambda _: machine.model_copy(update={"free_memory": GIB // 4}))
    tight = base_beside(here, paths)
    assert not tight.fits and "256 MiB are free: other programs may be pushed out of memory" in tight.words


def test_a_base_that_is_nowhere_is_refused_with_the_way_out(tmp_path: Path, paths: Paths) -> None:
    gone = version().model_copy(update={"base_id": str(tmp_path / "gone"), "base_path": str(tmp_path / "gone")})
    with pytest.raises(BaseModelError) as caught:
        base_beside(gone, paths)
    assert "can no longer be had" in caught.value.what and "set-base toy:1" in caught.value.fix
