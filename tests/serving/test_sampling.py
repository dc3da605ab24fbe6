"""Penalties and stop strings inside the engine are OpenAI's."""

from __future__ import annotations

import pytest
import torch

from brightrun_tui.serving.process import environment
from brightrun_tui.serving.sampling import Penalties, StopTexts
from tests.serving.make_toy import make_tokenizer


def test_penalties_follow_openais_formula_and_the_prompt_does_not_count() -> None:
    """logit - frequency x (times said) - presence x (said at all)."""
    scores = torch.zeros(1, 6)
    penalties = Penalties(0.5, 0.25)
    prompt = torch.tensor([[5, 5, 4]])
    assert penalties(prompt, scores).tolist() == [[0.0] * 6]
    said = torch.cat([prompt, torch.tensor([[1, 1, 2]])], dim=1)
    assert penalties(said, scores).tolist() == [[0.0, -1.25, -0.75, 0.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("stop", "ends"), [("moon", True), ("oon i", True), ("full", False), ("tide", False), ("月", True)]
)
def test_an_answer_ends_where_a_stop_string_is_complete_and_the_prompt_does_not_count(stop: str, ends: bool) -> None:
    tokenizer = make_tokenizer()
    prompt = tokenizer("at low tide", return_tensors="pt")["input_ids"]
    answer = tokenizer("the moon 月 is" if stop == "月" else "the moon is", return_tensors="pt")["input_ids"]
    stops = StopTexts([stop, "zzz"], tokenizer)
    seen = [bool(stops(torch.cat([prompt, answer[:, :n]], dim=1), None)) for n in range(1, answer.shape[1] + 1)]
    assert any(seen) == ends


def test_no_process_of_an_endpoint_loads_torchs_compiler_unless_the_user_wants_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes seconds to load, and nothing here is compiled by it."""
    monkeypatch.delenv("TORCHDYNAMO_DISABLE", raising=False)
    assert environment()["TORCHDYNAMO_DISABLE"] == "1"
    monkeypatch.setenv("TORCHDYNAMO_DISABLE", "0")
    assert environment()["TORCHDYNAMO_DISABLE"] == "0"
