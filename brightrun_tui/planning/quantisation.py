"""Whether a run holds its frozen base in 4 bits, where the setting leaves it to the plan.

NF4 where it lets the run fit, or leaves noticeably more of a GPU; 16 bits (32 on a CPU) where it saves nothing: there it would
cost quality for nothing.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain import humanize
from brightrun_tui.domain.money import Hardware
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.planning.architecture import Architecture
from brightrun_tui.planning.memory import SAFE, available, memory_need

Method = Literal["nf4", "none"]
SETTING = "quantisation.method"
WORTH = 0.05
"""Of a GPU's memory, which 4-bit weights must save to be chosen where the run fits without them."""


class QuantisationChoice(BaseModel):
    """How the base is held, and why, in words that go on from “NF4:” or “16-bit:”."""

    model_config = ConfigDict(frozen=True)

    method: Method
    why: str


def choose_quantisation(
    model: Architecture, settings: RunSettings, machine: Hardware, longest: int, supervised_share: float
) -> QuantisationChoice:
    """Return what the setting says; where it says ``auto``, what this machine asks for."""
    method = settings.quantisation.method
    if method != "auto":
        return QuantisationChoice(method=method, why="as set")
    packed, whole = (
        memory_need(model, settings.with_overrides({SETTING: one}), machine, longest, supervised_share).total
        for one in ("nf4", "none")
    )
    saved = humanize.sizes(max(0, whole - packed), available(machine))
    room = (
        available(machine) if machine.gpu_count or not machine.free_memory else min(machine.memory, machine.free_memory)
    )
    if packed >= whole:
        return QuantisationChoice(method="none", why="4-bit weights would save nothing on this CPU, which unpacks them")
    if whole * SAFE > room:
        return QuantisationChoice(method="nf4", why=f"without it the run takes {humanize.sizes(whole, room)}")
    if not machine.gpu_count:
        return QuantisationChoice(method="none", why="it fits, and is faster and more exact on a CPU than 4 bits")
    if whole - packed < WORTH * available(machine):
        return QuantisationChoice(method="none", why=f"4-bit weights would save no more than {saved}")
    return QuantisationChoice(method="nf4", why=f"it saves {saved}")


def held_as(method: Method, machine: Hardware) -> str:
    """Return ``NF4``, or the width of unquantised weights on such a machine."""
    return "NF4" if method == "nf4" else "16-bit" if machine.gpu_count else "32-bit"
