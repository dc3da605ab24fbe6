"""A record as the tokens of a base model: what the trainer makes of it, with nothing but the tokenizer here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from brightrun_tui.domain.dataset import Message, Record
from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.paths import get_paths
from brightrun_tui.planning.token_views import TokenViews
from tests.toy_base import toy_base


def record(*texts: str, train: tuple[bool, ...] = ()) -> Record:
    turns = [
        Message(
            role="user" if i % 2 == 0 else "assistant", content=text, train=i % 2 == 0 or (train or (True,) * 9)[i // 2]
        )
        for i, text in enumerate(texts)
    ]
    return Record(id="r", messages=tuple(turns))


def test_tokens_are_the_trainers_own_and_learnt_ones_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers that are context only are not learnt; letters of several tokens stay whole; what cannot be learnt is said."""
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path / "home"))
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (toy_base() / name).is_file():
            shutil.copy(toy_base() / name, tmp_path)
    views = TokenViews(str(tmp_path), get_paths())
    try:
        view = views.of(record("Hi, who is it?", "It is the cat 😀.", "And?", "No more.", train=(False, True)))
        (example,) = view.examples
        text = "".join(piece.text for piece in example.pieces)
        learnt = "".join(said for said, is_learnt, _ in example.runs() if is_learnt)
        assert "It is the cat 😀." in text and "Hi, who is it?" in text
        assert "No more." in learnt and "cat" not in learnt and "And?" not in learnt
        assert example.learnt == sum(piece.learnt for piece in example.pieces) > 0
        beyond = [is_beyond for _, _, is_beyond in example.runs(limit=3)]
        assert beyond[0] is False and beyond[-1] is True
        nothing = views.of(record("Hi?", "Never learnt.", train=(False,)))
        assert not nothing.examples and "no answer to learn" in nothing.left_out
    finally:
        views.close()


def test_a_base_without_a_tokenizer_here_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a process is started for it."""
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path / "home"))
    with pytest.raises(BaseModelError, match="not on this machine yet") as refused:
        TokenViews("starter", get_paths()).of(record("a", "b"))
    assert "bases fetch starter" in refused.value.fix
