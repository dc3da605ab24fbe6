"""How many tokens a dataset has: measured with the model's tokenizer if it is here, else guessed by its vocabulary."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.dataset import DatasetReport, Record
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.planning.architecture import BaseModelInfo

TURN_TOKENS = 5
"""What a chat template adds to each turn: role, begin, end."""

GUESSES = ((4_096, 2.6), (40_000, 3.3), (100_000, 3.6))
LARGE_VOCABULARY_GUESS = 3.9
SAMPLE_CHARACTERS = 20_000


class TokenCounts(BaseModel):
    """Tokens a record, template included. ``measured``: with the model's tokenizer, on the report's first records."""

    model_config = ConfigDict(frozen=True)

    mean: float
    longest: int
    answer_mean: float
    characters_per_token: float
    measured: bool


def count_tokens(base: BaseModelInfo, report: DatasetReport) -> TokenCounts:
    """From the characters that the report counted.

    Raises:
        BaseModelError: the model's tokenizer is damaged.
    """
    ratio = _measure(base, report.preview)
    measured = ratio is not None
    if ratio is None:
        ratio = next((guess for limit, guess in GUESSES if base.architecture.vocab <= limit), LARGE_VOCABULARY_GUESS)
    turns = max(2.0, report.turns / max(1, report.usable))
    return TokenCounts(
        mean=report.characters.mean / ratio + TURN_TOKENS * turns,
        longest=int(report.characters.longest / ratio + TURN_TOKENS * turns) + 1,
        answer_mean=report.answer_characters.mean / ratio + turns / 2,
        characters_per_token=ratio,
        measured=measured,
    )


def _measure(base: BaseModelInfo, preview: tuple[Record, ...]) -> float | None:
    path = Path(base.ref.path) / "tokenizer.json"
    if not base.present or not preview or not path.is_file() or find_spec("tokenizers") is None:
        return None
    text = "\n".join(message.said for record in preview for message in record.messages)[:SAMPLE_CHARACTERS]
    return _characters_per_token(path, path.stat().st_mtime_ns, text)


@lru_cache(maxsize=64)
def _characters_per_token(path: Path, modified: int, text: str) -> float | None:
    try:
        count = len(_tokenizer(path, modified).encode(text, add_special_tokens=False).ids)
    except BaseException as error:  # a panic of the library is not an Exception
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        raise BaseModelError(
            "tokenizer.json is damaged",
            where=str(path),
            fix="delete it and fetch the model again",
            kind=ErrorKind.BASE_DAMAGED,
        ) from None
    return len(text) / count if count and text.strip() else None


@lru_cache(maxsize=4)
def _tokenizer(path: Path, _modified: int):  # type: ignore[no-untyped-def]
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path))
