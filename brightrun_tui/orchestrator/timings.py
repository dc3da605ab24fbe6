"""How often the engine looks, how long it waits (in seconds), and how much it does at once."""

from __future__ import annotations

from pydantic import Field

from brightrun_tui.config import Section, load_section
from brightrun_tui.paths import Paths


class EngineTimings(Section):
    """``[engine]`` in ``config.toml``."""

    local_slots: int = Field(
        0, ge=0, le=64, description="Runs that train on this machine at the same time. 0: one on each GPU, else one."
    )
    poll_seconds: float = Field(0.3, gt=0, description="Between two looks at a worker on this machine.")
    request_seconds: float = Field(0.2, gt=0, description="Between two looks for requests.")
    beat_seconds: float = Field(5.0, gt=0, description="Between two signs of life.")
    idle_seconds: float = Field(60.0, ge=0, description="The engine ends after this long without work.")
    endpoint_ready_seconds: float = Field(
        900.0,
        gt=0,
        description="An endpoint that does not answer within this time has failed; making a model's GGUF is part of it.",
    )
    endpoint_poll_seconds: float = Field(3.0, gt=0, description="Between two looks at an endpoint that serves.")
    stop_seconds: float = Field(15.0, gt=0, description="Between asking a process to end and killing it.")
    answer_seconds: float = Field(
        20.0, gt=0, description="A worker that is to end and shows no life for this long is pressed."
    )
    orderly_seconds: float = Field(900.0, gt=0, description="What a worker that lives may take for ending in order.")
    stuck_seconds: float = Field(
        300.0, gt=0, description="A worker without any sign of life for this long is called stuck."
    )
    spare_seconds: float = Field(
        300.0, ge=0, description="How long a worker waits, ready, for a run to come; 0: none does."
    )
    remote_poll_seconds: float = Field(2.0, gt=0, description="Between two looks at a worker on another machine.")
    lease_poll_seconds: float = Field(5.0, gt=0, description="Between two looks at a rented machine.")
    adopt_seconds: float = Field(60.0, gt=0, description="After an unclear create: how long to look for the machine.")
    unclear_seconds: float = Field(
        1800.0, gt=0, description="How long a machine that never showed up is still looked for."
    )
    ready_seconds: float = Field(
        1200.0, gt=0, description="A rented machine that is not usable within this time is replaced."
    )
    silent_seconds: float = Field(
        300.0, gt=0, description="A rented machine that cannot be reached for this long is given up."
    )
    provider_seconds: float = Field(3600.0, ge=0, description="How long a provider that is down is asked again.")
    capacity_seconds: float = Field(300.0, ge=0, description="How long machines that are sold out are asked for again.")
    finish_seconds: float = Field(
        180.0, gt=0, description="Before the budget is spent: for saving, bringing home, releasing."
    )
    release_seconds: float = Field(
        30.0, gt=0, description="From the decision to let a machine go to the end of its bill."
    )
    verify_seconds: float = Field(10.0, gt=0, description="Between the two looks that prove a machine gone.")
    sweep_seconds: float = Field(300.0, gt=0, description="Between two sweeps over everything that carries our name.")
    remote_python: str = Field(
        "", description="An interpreter on rented machines to try first, where the image has everything."
    )
    guard_tick_seconds: float = Field(5.0, gt=0, description="Between two looks of the guard.")
    keep_seconds: float = Field(
        43200.0, gt=0, description="How long a machine is kept at least whose results nobody fetches."
    )
    guard_silence_seconds: float = Field(
        900.0, gt=0, description="The guard acts when it has heard nothing for this long and nothing trains."
    )


def load_timings(paths: Paths) -> EngineTimings:
    """Load the timings from the environment and ``config.toml``. Raises `UsageError` when a value does not fit."""
    return load_section(paths, "engine", EngineTimings)
