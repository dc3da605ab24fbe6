"""How hard a run learns: one choice on top of what template and base say, below what the person sets."""

from __future__ import annotations

from enum import StrEnum

from brightrun_tui.domain.settings import Overrides, RunSettings


class Intensity(StrEnum):
    """Conservative keeps close to what the base can do already, aggressive learns the data harder."""

    CONSERVATIVE = "conservative"
    BALANCED = "balanced"
    AGGRESSIVE = "aggressive"

    @property
    def purpose(self) -> str:
        """For whom it is, in a sentence."""
        return _PURPOSE[self]


_PURPOSE = {
    Intensity.CONSERVATIVE: "learns less and forgets less: for few records, or where the model must stay as able as it was",
    Intensity.BALANCED: "what template and base suggest",
    Intensity.AGGRESSIVE: "learns harder, and may forget more: for much new knowledge, or where balanced learnt too little",
}
RATE, EPOCHS, RANK, ALPHA = "training.learning_rate", "training.epochs", "lora.r", "lora.lora_alpha"
DROPOUT, PATIENCE = "lora.lora_dropout", "evaluation.early_stopping_patience"
LEAST_RANK, MOST_RANK, LEAST_EPOCHS = 4, 256, 1.0


def layer(intensity: Intensity, settings: RunSettings) -> Overrides:
    """Return what it makes of the settings that template and base have come to; nothing if it is balanced."""
    training, lora = settings.training, settings.lora
    if intensity == Intensity.CONSERVATIVE:
        rank = max(LEAST_RANK, lora.r // 2)
        return {
            RATE: float(f"{training.learning_rate / 2:.3g}"),
            EPOCHS: max(min(LEAST_EPOCHS, training.epochs), _halves(0.7 * training.epochs)),
            RANK: rank,
            ALPHA: max(1, lora.lora_alpha * rank // lora.r),
            DROPOUT: max(0.05, lora.lora_dropout),
            PATIENCE: min(2, settings.evaluation.early_stopping_patience),
        }
    if intensity == Intensity.AGGRESSIVE:
        rank = max(lora.r, min(MOST_RANK, lora.r * 2))
        return {
            RATE: float(f"{min(0.5, training.learning_rate * 2):.3g}"),
            EPOCHS: min(1000.0, _halves(1.5 * training.epochs)),
            RANK: rank,
            ALPHA: max(1, lora.lora_alpha * rank // lora.r),
        }
    return {}


def _halves(epochs: float) -> float:
    return max(0.5, round(2 * epochs) / 2)
