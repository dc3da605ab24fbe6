"""``python -m brightrun_tui.trainer.show_tokens TOKENIZER``: records as tokens, to look at.

A `TokenRequest` comes on every line of standard input, and a `TokenView` goes out for each; the end of the input ends it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.token_view import TokenExample, TokenPiece, TokenRequest, TokenView
from brightrun_tui.importing import without_garbage_collection, without_torch


def main(tokenizer_directory: str) -> int:
    """Return the exit code."""
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", TRANSFORMERS_VERBOSITY="error")
    answer, sys.stdout = sys.stdout, sys.stderr  # libraries print what they like
    view: _Viewer | None = None
    for line in sys.stdin:
        try:
            view = view or _Viewer(tokenizer_directory)
            said = view.of(TokenRequest.model_validate_json(line))
        except BrightrunError as error:
            said = TokenView(error=error.as_dict())
        print(said.model_dump_json(), file=answer, flush=True)
    return 0


class _Viewer:
    """A tokenizer with its template, and the objectives that were asked for."""

    def __init__(self, directory: str) -> None:
        with without_garbage_collection(), without_torch():
            from brightrun_tui.trainer import objectives  # noqa: F401  also what it imports, while nothing is collected
            from brightrun_tui.trainer.data.examples import require_offsets
            from brightrun_tui.trainer.data.template import chat_template
            from brightrun_tui.trainer.model.base_model import load_config, load_tokenizer, longest_context
            from brightrun_tui.trainer.runtime.limits import leave_others_memory

        leave_others_memory()
        self._tokenizer = load_tokenizer(directory, "")
        require_offsets(self._tokenizer)
        self._template = chat_template(self._tokenizer)
        self._context = 0
        if (Path(directory) / "config.json").is_file():
            longest = longest_context(load_config(directory, ""), self._tokenizer)
            self._context = longest if longest < 10**9 else 0

    def of(self, request: TokenRequest) -> TokenView:
        """Return the record as the worker would train it, whatever its length."""
        from brightrun_tui.trainer.objectives import load_objective

        record = request.record
        prepared = load_objective(request.objective).examples(self._tokenizer, self._template, [record])
        lengths = tuple(example.length for example in prepared.examples)
        if request.only_lengths:
            return TokenView(lengths=lengths, context=self._context)
        known = self._places(request)
        examples = []
        for example in prepared.examples:
            ids = [int(token) for token in example.ids]
            texts = known.get(tuple(ids)) or [self._tokenizer.decode([token]) for token in ids]
            pieces = (
                TokenPiece(text=text, learnt=bool(learnt))
                for text, learnt in zip(texts, example.supervised, strict=True)
            )
            examples.append(TokenExample(pieces=tuple(pieces)))
        left_out = next(iter(prepared.unrenderable), "")
        if left_out:
            left_out = f"the chat template cannot write it: {left_out}"
        elif not examples:
            left_out = "it has no answer to learn from"
        return TokenView(
            examples=tuple(examples),
            lengths=lengths,
            left_out=left_out,
            context=self._context,
            notice=self._template.notice,
        )

    def _places(self, request: TokenRequest) -> dict[tuple[int, ...], list[str]]:
        """Return, by the tokens of each text that the template makes of the record, the piece of it that each token
        covers.
        """
        from brightrun_tui.trainer.data.template import UnrenderableError

        try:
            renderings = self._template.renderings(request.record.messages, request.record.tools)
        except UnrenderableError:
            return {}
        found: dict[tuple[int, ...], list[str]] = {}
        for rendering in renderings:
            encoded: Any = self._tokenizer(
                rendering.text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
            )
            pieces, done = [], 0
            for _begin, end in encoded["offset_mapping"]:
                pieces.append(rendering.text[done : max(end, done)])
                done = max(end, done)
            if pieces:
                pieces[-1] += rendering.text[done:]
            found[tuple(encoded["input_ids"])] = pieces
        return found


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
