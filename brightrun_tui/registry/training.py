"""How a version was trained, in words: in what the base was held."""

from __future__ import annotations

from brightrun_tui.domain.model import Report
from brightrun_tui.domain.settings import QuantisationSettings


def held_in(report: Report) -> str:
    """In what numbers the frozen base was held: ``NF4 (4 bits, double quantisation)``, or how wide the unquantised ones are."""
    settings = QuantisationSettings.model_validate(report.lineage.settings.get("quantisation", {}))
    if settings.method != "none":
        return "NF4 (4 bits, double quantisation)" if settings.double_quant else "NF4 (4 bits)"
    return "32-bit numbers" if report.training.device in ("", "cpu") else "16-bit numbers"
