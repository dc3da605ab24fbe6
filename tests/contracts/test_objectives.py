"""What every training objective keeps, on a real tiny model."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the training packages are not installed")

import torch

from brightrun_tui import plugins
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.plugins import Door
from brightrun_tui.trainer.compute.forward import Forward
from brightrun_tui.trainer.compute.row_parallel import RowParallel
from brightrun_tui.trainer.data.template import chat_template
from brightrun_tui.trainer.evaluation.evaluate import evaluate
from brightrun_tui.trainer.loop.gradients import accumulate
from brightrun_tui.trainer.model.adapter import attach_adapter, trainable
from brightrun_tui.trainer.model.base_model import load_tokenizer
from brightrun_tui.trainer.model.loading import choose_machine, load_base
from brightrun_tui.trainer.objectives import load_objective
from tests.trainer.conftest import base, denormals, make_records  # noqa: F401

SETTINGS = RunSettings().with_overrides({"quantisation.method": "none", "lora.r": 4})


@pytest.mark.parametrize("name", plugins.names(Door.OBJECTIVES))
def test_a_step_does_not_depend_on_how_it_is_cut_and_scores_are_one_a_target(name: str, base: Path) -> None:
    """The loss is a sum over targets with a gradient; it and the scores are finite, and metrics are numbers."""
    objective = load_objective(name)
    tokenizer = load_tokenizer(str(base), "")
    prepared = objective.examples(tokenizer, chat_template(tokenizer), make_records(12))
    examples = prepared.examples[:6]
    assert examples and all(example.targets for example in examples)
    machine = choose_machine(SETTINGS.quantisation)
    model = attach_adapter(load_base(str(base), "", SETTINGS.quantisation, machine), SETTINGS.lora, machine, 1)
    forward = Forward(model, machine, pad_id=tokenizer.pad_token_id)
    forward.select_implementation(examples, packing="auto", longest=max(example.length for example in examples))

    def step(rows: list[list[int]]) -> tuple[float, torch.Tensor]:
        loss = accumulate(forward, [[examples[i] for i in row] for row in rows], RowParallel(), objective=objective)
        found = torch.cat([p.grad.flatten() for p in trainable(model).values() if p.grad is not None])
        model.zero_grad(set_to_none=True)
        return float(loss), found

    whole, gradient = step([[0, 1, 2, 3, 4, 5]])
    pieces, other = step([[0], [1, 2], [3, 4, 5]])
    assert math.isfinite(whole) and gradient.abs().sum() > 0
    assert pieces == pytest.approx(whole, rel=1e-4)
    assert torch.nn.functional.cosine_similarity(gradient, other, dim=0) > 0.9999
    scores = evaluate(forward, examples, 512, lambda: None, RowParallel(), None, objective)
    assert scores.tokens.tolist() == [example.measured.targets for example in examples]
    assert np.isfinite(scores.losses).all() and (scores.right <= scores.tokens).all()
    for metric, value in objective.metrics(scores).items():
        assert metric.startswith("eval_") and metric != "eval_loss" and math.isfinite(value)
