"""What the machine of a run does, in words."""

from __future__ import annotations

from brightrun_tui.domain import humanize
from brightrun_tui.domain.run import Run


def hardware_words(run: Run, *, whole: bool = False) -> str:
    """Describe the machine's hardware; ``whole``: with the limits, and the machine around the GPU."""
    facts = run.hardware
    used, total = facts.memory_used, facts.memory_total
    memory = f"{humanize.size(used)} of {humanize.size(total)}" if used and total else ""
    load = facts.utilisation
    heat = f"{facts.temperature:.0f} °C" if facts.temperature is not None else ""
    power = f"{facts.power:.0f} W" if facts.power is not None else ""
    share = humanize.percent(load) if load is not None else ""
    around: list[str] = []
    if whole:
        heat += f" (slows down at {facts.temperature_limit:.0f} °C)" if heat and facts.temperature_limit else ""
        power += f" of {facts.power_limit:.0f} W" if power and facts.power_limit else ""
        highest = f" of {facts.clock_limit:,.0f}" if facts.clock_limit else ""
        around += [f"{facts.clock:,.0f}{highest} MHz"] if facts.clock is not None else []
        around += ["throttling"] if facts.throttled else []
        around += [f"CPU {humanize.percent(facts.cpu_load)}"] if facts.cpu_load is not None else []
        if facts.ram_used is not None:
            around.append(f"main memory {humanize.size(facts.ram_used)} of {humanize.size(facts.ram_total)}")
        if facts.disk_free is not None:
            around.append(f"disk {humanize.size(facts.disk_free)} free of {humanize.size(facts.disk_total)}")
        if facts.received_rate is not None:
            around.append(f"network {humanize.size(facts.received_rate)}/s in, {humanize.size(facts.sent_rate)}/s out")
    return " · ".join(part for part in (facts.device, share, memory, heat, power, *around) if part)
