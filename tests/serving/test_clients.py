"""The programs that people point at an endpoint get what they ask it for. (The ``openai`` package is everywhere else here.)"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from tests.serving.conftest import Served
from tests.serving.toy import Toy

pytestmark = pytest.mark.slow


DEPARTURE = {
    "title": "go",
    "type": "object",
    "properties": {"at": {"const": 6}},
    "required": ["at"],
    "additionalProperties": False,
}


def chat(served: Served, **more: Any) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model="harbour", base_url=served.url, api_key=served.key, temperature=0, max_retries=0, **more)


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_langchain_gets_an_object_of_the_form_it_asks_for(served: Served, method: str) -> None:
    asked = chat(served).with_structured_output(DEPARTURE, method=method)
    assert asked.invoke("Six?") == {"at": 6}


def test_langchain_gets_json_where_it_asks_for_no_more(served: Served, toy: Toy) -> None:
    closing = Tokenizer.from_file(str(toy.base / "tokenizer.json")).encode("}").ids
    soon = chat(served, logit_bias={str(token): 100 for token in closing})
    assert soon.with_structured_output(None, method="json_mode").invoke("Six?") == {}


def test_langchain_streams_the_very_answer(served: Served, toy: Toy) -> None:
    question = toy.sample.question
    assert "".join(piece.content for piece in chat(served).stream(question)) == toy.sample.tuned


def test_llm_asks_it_from_the_shell(served: Served, toy: Toy, tmp_path: Path) -> None:
    """As docs/endpoints.md says it."""
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: harbour\n  model_name: harbour\n  api_base: {served.url}\n  api_key_name: harbour\n"
    )
    (tmp_path / "keys.json").write_text(json.dumps({"harbour": served.key}))
    command = [str(Path(sys.executable).with_name("llm")), "-m", "harbour", "-o", "temperature", "0", "--no-log"]
    done = subprocess.run(
        [*command, toy.sample.question],
        env=os.environ | {"LLM_USER_PATH": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == toy.sample.tuned


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_asks_it_from_the_shell(served: Served, toy: Toy) -> None:
    question = {"model": "harbour", "messages": [{"role": "user", "content": toy.sample.question}]}
    done = subprocess.run(
        ["curl", "-sS", "--fail", "--config", "-", f"{served.url}/chat/completions"],
        input=f'header = "Authorization: Bearer {served.key}"\njson = {json.dumps(json.dumps(question))}\n',
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["choices"][0]["message"]["content"] == toy.sample.tuned
