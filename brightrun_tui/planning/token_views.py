"""Records as the tokens of a base model, made by the trainer's own code in a process of its own. Needs its tokenizer only."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

from pydantic import ValidationError

from brightrun_tui.domain.chat_template import damaged_template
from brightrun_tui.domain.dataset import Record
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError, BrightrunError
from brightrun_tui.domain.objective import DEFAULT_OBJECTIVE
from brightrun_tui.domain.token_view import TokenRequest, TokenView
from brightrun_tui.paths import Paths, typed_path
from brightrun_tui.planning.bases import describe_base, fetch_tokenizer, is_hub_id
from brightrun_tui.process import ENDED_AS_ENDLESS, environment_without_secrets, python

TOKENIZER = "tokenizer.json"
_END_SECONDS = 5.0


class TokenViews:
    """Tokenises one record after the other; the process begins with the first one and ends with `close`, or with this process."""

    def __init__(self, base: str, paths: Paths) -> None:
        self._base, self._paths = base, paths
        self._process: subprocess.Popen[str] | None = None
        self._lock = Lock()

    def of(self, record: Record, objective: str = DEFAULT_OBJECTIVE) -> TokenView:
        """Return a record as tokens. Blocking: some seconds the first time, else milliseconds.

        Raises:
            BaseModelError: the base has no tokenizer here, or one that cannot be used.
            NotConnectedError: it is to come from the Hub, which does not answer.
            BrightrunError: the process ended.
        """
        return self._ask(TokenRequest(record=record, objective=objective))

    def lengths_of(self, record: Record, objective: str = DEFAULT_OBJECTIVE) -> tuple[tuple[int, ...], int]:
        """Return tokens of each example that the record makes, and of the context (0: not known). Blocking; raises as `of`."""
        view = self._ask(TokenRequest(record=record, objective=objective, only_lengths=True))
        return view.lengths, view.context

    def _ask(self, request: TokenRequest) -> TokenView:
        with self._lock:
            process = self._process or self._start()
            assert process.stdin and process.stdout, "both are pipes"
            try:
                process.stdin.write(request.model_dump_json() + "\n")
                process.stdin.flush()
                view = TokenView.model_validate_json(process.stdout.readline())
            except (OSError, ValueError, ValidationError):
                self._end()
                if process.returncode == -ENDED_AS_ENDLESS:
                    raise damaged_template(where=self._base) from None
                raise BrightrunError(
                    "the record could not be tokenised: the process for it ended",
                    where=self._base,
                    fix="try again; brightrun doctor says whether the training packages work",
                    kind=ErrorKind.BASE_TOKENIZER,
                ) from None
        if view.error:
            raise BaseModelError(
                view.error["what"], where=view.error["where"], fix=view.error["fix"], kind=view.error[ErrorKind.KIND]
            )
        return view

    def close(self) -> None:
        """End the process, also while a record is waited for."""
        if process := self._process:
            process.kill()
        with self._lock:
            self._end()

    def _start(self) -> subprocess.Popen[str]:
        if find_spec("transformers") is None:
            raise BaseModelError(
                "tokens are made by the training packages, which are not installed here",
                where=self._base,
                fix="pip install 'brightrun[train]'",
                kind=ErrorKind.BASE_TOKENIZER,
            )
        directory = tokenizer_directory(self._base, self._paths)
        self._process = subprocess.Popen(
            python("-m", "brightrun_tui.trainer.show_tokens", str(directory)),
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=environment_without_secrets(),
        )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                if pipe:
                    pipe.close()
        process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)


def has_tokenizer(base: str, paths: Paths) -> bool:
    """Say whether the tokenizer of a base can be used without asking the network. Blocking."""
    if find_spec("transformers") is None:
        return False
    if os.path.isfile(typed_path(base) / TOKENIZER):
        return True
    try:
        return describe_base(base, paths, network=False).present
    except BrightrunError:
        return False


def tokenizer_directory(base: str, paths: Paths) -> Path:
    """Say where the tokenizer of a base lies: a directory that has one is enough; of a base of the Hub only that is fetched.

    Raises:
        BaseModelError: there is none here.
        NotConnectedError: it is to come from the Hub, which does not answer.
    """
    path = typed_path(base)
    if os.path.isdir(path) and (path / TOKENIZER).is_file():
        return path.absolute()
    found = describe_base(base, paths)
    if found.present and found.ref.path:
        return Path(found.ref.path)
    if is_hub_id(base):
        return fetch_tokenizer(found.ref.model_copy(update={"path": ""}), paths)
    raise BaseModelError(
        "its tokenizer is not on this machine yet",
        where=base,
        fix=f"fetch it: brightrun bases fetch {base}",
        kind=ErrorKind.BASE_TOKENIZER,
    )
