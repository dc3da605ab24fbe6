"""What the served model is compared with is the graded model's own answer, however it was computed."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from brightrun_tui.serving.graded_gguf import ANSWER_TOKENS, greedy_answer

PROMPT = [3, 1, 4, 1, 5]


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=40, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4
    )
    return LlamaForCausalLM(config).eval()


def test_a_guess_changes_how_fast_the_answer_is_found_and_nothing_else(model: LlamaForCausalLM) -> None:
    plain: list[int] = []
    with torch.inference_mode():
        while len(plain) < ANSWER_TOKENS:
            plain.append(int(model(torch.tensor([[*PROMPT, *plain]]), use_cache=False).logits[0, -1].argmax()))
    unguessed = greedy_answer(model, PROMPT, [], set())
    wrong_from_the_middle = [*plain[:5], (plain[5] + 1) % 40, *plain[6:]]
    for guess in (plain, plain[:4], wrong_from_the_middle, [(plain[0] + 1) % 40], [*plain, 7]):
        found = greedy_answer(model, PROMPT, guess, set())
        assert found.tokens == unguessed.tokens == tuple(plain)
        assert found.logprobs == pytest.approx(unguessed.logprobs, abs=1e-4)
        assert found.margins == pytest.approx(unguessed.margins, abs=1e-4)
    end = plain[3]
    ended = tuple(plain[: plain.index(end) + 1])
    for guess in ([], plain, wrong_from_the_middle):
        assert greedy_answer(model, PROMPT, guess, {end}).tokens == ended
