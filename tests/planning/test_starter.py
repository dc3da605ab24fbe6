"""The starter model as planning sees it: made by the trainer's own program, whose words and errors reach the caller."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.integrations.packages import missing_packages
from brightrun_tui.paths import Paths
from brightrun_tui.planning.bases import describe_base, fetch_base, starter_directory

pytestmark = pytest.mark.skipif(bool(missing_packages("train")), reason="needs the training packages")


class Stop(Exception):
    pass


def making(directory: Path) -> list[psutil.Process]:
    """Processes that work on the starter in ``directory``."""
    return [
        process for process in psutil.process_iter(["cmdline"]) if str(directory) in (process.info["cmdline"] or [])
    ]


def test_what_the_program_refuses_reaches_the_caller_with_its_fix(paths: Paths) -> None:
    starter_directory(paths).mkdir(parents=True)
    (starter_directory(paths) / "thesis.txt").write_text("do not touch")
    with pytest.raises(BaseModelError) as refused:
        fetch_base("starter", paths, lambda what, fraction: None)
    assert refused.value.kind == "starter_target_taken" and refused.value.fix
    assert (starter_directory(paths) / "thesis.txt").read_text() == "do not touch"


@pytest.mark.slow
def test_a_caller_that_stops_waiting_leaves_neither_process_nor_half_a_model(paths: Paths) -> None:
    told: list[tuple[str, float]] = []

    def stop_once_it_works(what: str, fraction: float) -> None:
        told.append((what, fraction))
        if fraction > 0:
            raise Stop

    with pytest.raises(Stop):
        fetch_base("starter", paths, stop_once_it_works)
    assert told[0][1] == 0.0 and all(what for what, _ in told)
    assert not making(starter_directory(paths))
    info = describe_base("starter", paths)
    assert not info.present and info.buildable
    assert not [path for path in paths.bases.iterdir() if path.is_dir()]


def test_the_catalogue_knows_the_starter_as_it_will_be_made(paths: Paths) -> None:
    """The estimate that is shown before the starter exists is that of the model which is then trained."""
    from brightrun_tui.trainer.starter.recipe import StarterRecipe

    shape, known = StarterRecipe().shape, describe_base("starter", paths).architecture
    assert (known.hidden, known.layers, known.vocab) == (shape.hidden_size, shape.num_hidden_layers, shape.vocab_size)
    assert (known.query_width, known.kv_width) == (
        shape.num_attention_heads * shape.head_dim,
        shape.num_key_value_heads * shape.head_dim,
    )
    assert (known.intermediate, known.context) == (shape.intermediate_size, shape.max_position_embeddings)
