"""How a base model was held while an adapter was trained on it."""

from __future__ import annotations

from enum import StrEnum


class HeldBase(StrEnum):
    """In what form a base model was held while an adapter was trained on it; as processes tell one another."""

    WHOLE = "none"
    NF4 = "nf4"
    NF4_DOUBLE = "nf4-double"


def held_base(method: str, *, double_quant: bool) -> HeldBase:
    """Name the form that these settings come to."""
    if method == "none":
        return HeldBase.WHOLE
    return HeldBase.NF4_DOUBLE if double_quant else HeldBase.NF4
