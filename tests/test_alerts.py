"""Alerts: what the numbers of a run show is said in plain words, with what to do; a healthy run is left alone."""

from __future__ import annotations

import math
from typing import Any

import pytest

from brightrun_tui.domain.alerts import Numbers, find_alerts
from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, Run, RunSpec

NOW = 1_000_000.0
STEPS = range(1, 61)


def run(**facts: Any) -> Run:
    spec = RunSpec(
        run_id="r-1",
        name="faq",
        created_at=0,
        base=BaseModelRef(id="starter"),
        dataset=DatasetRef(path="/d", name="d", format="messages", fingerprint="0", records=9, usable=9),
        limits={"budget_usd": 2.0},
    )
    known: dict[str, Any] = {
        "state": "running",
        "phase": "training",
        "step": 60,
        "total_steps": 400,
        "eta_seconds": 340.0,
    }
    return Run(id="r-1", name="faq", spec=spec, directory="/r", created_at=0, updated_at=0, **{**known, **facts})


FALLING = [(step, 3 * math.exp(-step / 30)) for step in STEPS]
HEALTHY: dict[str, Any] = {"heard_at": NOW - 2, "train": FALLING, "gradient": [(step, 1.0) for step in STEPS]}
RENTED = Lease(name="br-1", run_id="r-1", provider="runpod", state="live", provider_id="p", price_per_hour=1.0)


@pytest.mark.parametrize(
    ("code", "facts", "numbers"),
    [
        ("", {}, {}),
        ("silent", {}, {"heard_at": NOW - 600}),
        ("diverging", {}, {"train": [(step, 1 + 0.05 * step) for step in STEPS]}),
        ("flat", {}, {"train": [(step, 1.0) for step in STEPS]}),
        ("overfitting", {}, {"held_out": [(10, 1.0), (20, 0.8), (40, 1.0), (60, 1.2)]}),
        ("gradient_zero", {}, {"gradient": [(step, 0.0) for step in STEPS]}),
        ("gradient_exploding", {}, {"gradient": [(step, 1.0 if step < 55 else 500.0) for step in STEPS]}),
        ("budget", {"cost_usd": 1.7}, {}),
        ("budget_short", {"cost_usd": 1.0, "eta_seconds": 7200.0}, {"leases": [RENTED]}),
        ("starving", {"hardware": {"power": 90.0}}, {"load": [0.3] * 30}),
        ("", {"hardware": {"power": 90.0}}, {"load": [*[0.3] * 20, 0.9, 0.3]}),
        ("idle", {"cost_usd": 0.1}, {"load": [0.01] * 30}),
        ("memory_full", {"hardware": {"memory_used": 99, "memory_total": 100}}, {}),
        ("hot", {"hardware": {"temperature": 88.0, "temperature_limit": 90.0}}, {}),
        ("throttled", {"hardware": {"temperature": 70.0, "power": 300.0, "throttled": True}}, {}),
        ("disk_filling", {"hardware": {"disk_free": 1 << 30, "disk_total": 100 << 30}}, {}),
    ],
)
def test_each_trouble_is_said_and_nothing_else(code: str, facts: dict[str, Any], numbers: dict[str, Any]) -> None:
    """One alert for one trouble, with its evidence and advice; none for a run that learns well."""
    found = find_alerts(run(**facts), Numbers(now=NOW, **{**HEALTHY, **numbers}))
    assert [alert.code for alert in found] == ([code] if code else [])
    assert all(alert.what and alert.evidence and alert.advice for alert in found)


def test_a_run_that_has_ended_is_left_alone() -> None:
    """Its curves are history; nobody is told to stop it."""
    assert (
        find_alerts(run(state="completed"), Numbers(now=NOW, heard_at=0.0, train=[(step, 1.0) for step in STEPS])) == ()
    )
