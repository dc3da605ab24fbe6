"""Chat templates that mean no good, wherever records are written with them before there is an endpoint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from brightrun_tui.domain.dataset import Message, Record
from brightrun_tui.domain.errors import BaseModelError, BrightrunError
from brightrun_tui.paths import get_paths
from brightrun_tui.planning.token_views import TokenViews
from tests.toy_base import toy_base

template = pytest.importorskip("brightrun_tui.trainer.data.template", reason="the training packages are not installed")
RECORD = Record(id="r", messages=(Message(role="user", content="Hi?"), Message(role="assistant", content="Yes.")))
ROUNDS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
FAILS = {
    "divides by nothing": "{{ 1 / 0 }}",
    "finds nothing": "{{ 'a'.index('z') }}",
    "looks behind the end": "{{ messages[99].content }}",
    "calls itself": "{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}",
    "is no template": "{% if %}",
    "reaches for attributes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "counts too far": "{% for a in range(10 ** 9) %}{% endfor %}",
}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from brightrun_tui.trainer.model.base_model import load_tokenizer

    return load_tokenizer(str(toy_base()), "")


@pytest.mark.parametrize("source", FAILS.values(), ids=FAILS)
def test_a_template_that_fails_in_any_way_leaves_its_records_out_with_the_reason(tokenizer: Any, source: str) -> None:
    """Some ended the worker with an error that nobody foresaw."""
    from brightrun_tui.trainer.data.examples import tokenise

    tokenizer.chat_template = source
    prepared = tokenise(tokenizer, template.chat_template(tokenizer), [RECORD])
    assert not prepared.examples and prepared.unusable == 1 and next(iter(prepared.unrenderable))


def test_a_template_that_never_ends_is_a_damaged_base_model(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The preparation of a run hung for ever, and took no stop."""
    monkeypatch.setattr(template, "RENDER_SECONDS", 0.2)
    tokenizer.chat_template = ROUNDS
    with pytest.raises(BaseModelError, match="never ends"):
        template.chat_template(tokenizer)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "said"),
    [("{{ 10 ** (10 ** 9) }}", "never ends"), ("{{ 'x' * 10 ** 15 }}", "memory")],
    ids=["reckons", "grows"],
)
def test_looking_at_records_with_it_ends_in_a_sentence(
    source: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``datasets show --base`` and the form of a new run waited for ever, or took all the memory there is."""
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path / "home"))
    base = tmp_path / "base"
    shutil.copytree(toy_base(), base)
    settings = json.loads((base / "tokenizer_config.json").read_text())
    (base / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": source}))
    (base / "chat_template.jinja").write_text(source)
    views = TokenViews(str(base), get_paths())
    try:
        with pytest.raises(BrightrunError, match=said):
            views.of(RECORD)
    finally:
        views.close()
