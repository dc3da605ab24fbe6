"""4 bits where they save memory worth having, full numbers where they save nothing, and always what was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from brightrun_tui.domain.money import Hardware
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, RunSpec
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.paths import Paths
from brightrun_tui.planning.catalogue import catalogue
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.plan import make_plan, make_spec
from brightrun_tui.providers.gpus import GPUS
from tests.planning.test_estimate import GIB, gpu, reckon, report
from tests.planning.tiny_model import write_model

SMALL_CPU = Hardware(device="cpu", memory=16 * GIB, cores=4, flops=160e9, free_memory=12 * GIB)


@pytest.mark.parametrize(
    ("base", "machine", "method", "why"),
    [
        ("starter", SMALL_CPU, "none", "save nothing"),
        ("meta-llama/Llama-3.2-3B-Instruct", SMALL_CPU, "nf4", "without it"),
        ("starter", gpu("RTX 4090"), "none", "save no more than 0.1 of"),
        ("meta-llama/Llama-3.1-8B-Instruct", gpu("RTX 4090"), "nf4", "it saves 9.6 of 24.0 GiB"),
        ("Qwen/Qwen2.5-14B-Instruct", gpu("T4"), "nf4", "without it the run takes"),
    ],
)
def test_four_bits_are_chosen_where_they_save_something_and_the_plan_says_why(
    base: str, machine: Hardware, method: str, why: str
) -> None:
    found = reckon(base, {}, machine, report(500, 1500))
    assert found.quantisation == method and why in found.quantisation_why, found.quantisation_why
    for asked in ("nf4", "none"):
        assert reckon(base, {"quantisation.method": asked}, machine).quantisation == asked


@examples(max_examples=80, deadline=None)
@given(
    base=st.sampled_from([base.id for base in catalogue().base]),
    machine=st.sampled_from([SMALL_CPU, *(gpu(card.name) for card in GPUS)]),
    length=st.integers(200, 40_000),
)
def test_the_choice_never_keeps_a_run_from_fitting(base: str, machine: Hardware, length: int) -> None:
    data = report(200, length)
    chosen, packed, whole = (
        reckon(base, {"quantisation.method": method}, machine, data) for method in ("auto", "nf4", "none")
    )
    assert chosen.memory in (packed.memory, whole.memory)
    assert chosen.fits == "safe" or "safe" not in (packed.fits, whole.fits)


def test_a_run_is_told_what_was_chosen_and_one_without_a_plan_stays_in_four_bits(
    data: Path, paths: Paths, tmp_path: Path
) -> None:
    """A specification that an older version wrote says nf4, and one that says nothing was made when that was the default."""
    draft = Draft(name="x", data=str(data), base=str(write_model(tmp_path / "m")))
    plan = make_plan(draft, paths)
    assert plan.settings.quantisation.method == "auto"
    assert plan.estimate and plan.estimate.quantisation == make_spec(plan).settings.quantisation.method == "none"
    assert any(check.name == "quantisation" and "32-bit" in check.what for check in plan.checks)
    asked = make_plan(draft.model_copy(update={"overrides": {"quantisation.method": "nf4"}}), paths)
    assert make_spec(asked).settings.quantisation.method == "nf4"
    facts = DatasetRef(path="d", name="d", format="messages", fingerprint="f", records=2, usable=2)
    for settings in (RunSettings(), RunSettings().with_overrides({"quantisation.method": "nf4"})):
        spec = RunSpec(
            run_id="r", name="n", created_at=0.0, base=BaseModelRef(id="b"), dataset=facts, settings=settings
        )
        assert RunSpec.model_validate_json(spec.model_dump_json()).settings.quantisation.method == "nf4"
