"""A probe of this machine with a base model corrects the first estimate, and is made where it says something."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from brightrun_tui.domain.money import Hardware
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.domain.sizing import PROBE_LENGTHS
from brightrun_tui.paths import Paths
from brightrun_tui.planning import probes
from brightrun_tui.planning.bases import describe_base
from brightrun_tui.planning.estimate import estimate
from brightrun_tui.planning.measured import measured_runs
from tests.planning.test_estimate import report

CPU = Hardware(device="cpu", memory=64 << 30, cores=2, flops=80e9)


def test_a_slow_probe_makes_the_estimate_longer_and_surer(tmp_path: Path) -> None:
    paths = Paths(*[tmp_path] * 4)
    base = describe_base("HuggingFaceTB/SmolLM2-135M-Instruct", paths)
    settings = RunSettings().with_overrides({"quantisation.method": "none"})
    file = probes._file(base, "none", CPU, paths)
    file.parent.mkdir()
    file.write_text("not a probe")
    assert measured_runs(CPU, paths, base) == []
    file.write_text(probes.Probe(training=(12, 2), measuring=(4.5, 0.9), answering=3).model_dump_json())
    known = measured_runs(CPU, paths, base)
    assert [one.mean_tokens for one in known] == list(PROBE_LENGTHS)
    assert known[0].reckoned.training < 1000 and known[0].reckoned.answering < 300, "a hundred times each"
    before = estimate(base, report(200, 1000), settings, CPU)
    after = estimate(base, report(200, 1000), settings, CPU, known=known)
    assert after.seconds > 1.2 * before.seconds and after.measured
    assert after.seconds_high / after.seconds_low < before.seconds_high / before.seconds_low
    other = Hardware(device="cpu", memory=64 << 30, cores=4, flops=160e9)
    assert measured_runs(other, paths, base) == [], "another machine's"


def test_a_probe_of_a_busy_machine_counts_for_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is better than a guess, and the machine is another one once the other program has ended."""
    paths = Paths(*[tmp_path] * 4)
    monkeypatch.setattr(probes, "missing_packages", lambda extra: [])
    base = describe_base("HuggingFaceTB/SmolLM2-135M-Instruct", paths).model_copy(update={"present": True})
    file = probes._file(base, "none", CPU, paths)
    file.parent.mkdir()
    now = time.time()
    for others, made_at, counts in ((1.3, now, True), (1.3, now - 7200, False), (0.1, now - 7200, True)):
        probe = probes.Probe(training=(12, 2), measuring=(4.5, 0.9), answering=3, others=others, made_at=made_at)
        file.write_text(probe.model_dump_json())
        assert bool(measured_runs(CPU, paths, base)) is counts
        assert probes.is_worth_it(base, "none", CPU, paths) is not counts
    file.write_text("not a probe")
    assert probes.is_worth_it(base, "none", CPU, paths)


async def test_only_a_model_that_is_here_and_takes_its_time_is_probed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = Paths(*[tmp_path] * 4)
    absent = describe_base("HuggingFaceTB/SmolLM2-135M-Instruct", paths)
    here = absent.model_copy(
        update={"present": True, "ref": absent.ref.model_copy(update={"path": str(tmp_path / "none")})}
    )
    small = here.model_copy(update={"parameters": 1_200_000})
    monkeypatch.setattr(probes, "missing_packages", lambda extra: [])
    assert [probes.is_worth_it(base, "none", CPU, paths) for base in (absent, here, small)] == [False, True, False]
    assert not await probes.measure(here, "none", CPU, paths), (
        "a model that cannot be loaded leaves the estimate as it was"
    )
