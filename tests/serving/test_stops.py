"""An endpoint ends its answers where the tuned model was taught to end them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import openai
import pytest
from tokenizers import Tokenizer

from brightrun_tui import serving
from tests.serving.toy import Toy, end, serve

pytestmark = pytest.mark.slow


def test_the_adapters_stop_tokens_end_the_answer(toy: Toy, tmp_path: Path) -> None:
    """``eos_token_id`` of the adapter's generation_config.json counts, beside those of base and tokenizer."""
    run = Path(shutil.copytree(toy.run, tmp_path / "run"))
    comma = Tokenizer.from_file(str(run / "adapter" / "tokenizer.json")).encode(",").ids
    (run / "adapter" / "generation_config.json").write_text(json.dumps({"eos_token_id": comma}))
    sample = next(s for s in toy.report.samples if "," in s.tuned)
    directory = tmp_path / "endpoint"
    try:
        state = serve(directory, toy.version(directory=str(run / "adapter")))
        client = openai.OpenAI(base_url=state.url, api_key=serving.read_key(directory), max_retries=0, timeout=60)
        reply = client.chat.completions.create(model="harbour", temperature=0, max_tokens=80,
                                               messages=[dict(turn) for turn in sample.prompt])  # type: ignore[misc]
    finally:
        end(directory)
    said = reply.choices[0].message.content or ""
    assert said.rstrip(",") == sample.tuned.split(",")[0] and reply.choices[0].finish_reason == "stop"
