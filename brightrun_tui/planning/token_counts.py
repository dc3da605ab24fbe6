"""How many tokens a dataset has: measured with the model's tokenizer if it is here, else guessed by its vocabulary."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.dataset import DatasetReport, LengthStats, Record
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.foreign_files import ForeignFileError, read_model
from brightrun_tui.planning.architecture import BaseModelInfo
from brightrun_tui.planning.base_directory import MAX_DESCRIBING_BYTES

TURN_TOKENS = 5
"""What a chat template adds to each turn: role, begin, end."""

GUESSES = ((4_096, 2.6), (40_000, 3.3), (100_000, 3.6))
LARGE_VOCABULARY_GUESS = 3.9
SAMPLE_CHARACTERS = 20_000
MOST_GROWTH = 1000.0


class TokenCounts(BaseModel):
    """Tokens a record, template included. ``measured``: with the model's tokenizer, on pieces from the whole of the dataset."""

    model_config = ConfigDict(frozen=True)

    mean: float
    longest: int
    answer_mean: float
    characters_per_token: float
    measured: bool


def count_tokens(base: BaseModelInfo, report: DatasetReport) -> TokenCounts:
    """Estimate tokens from the characters that the report counted.

    Raises:
        BaseModelError: the model's tokenizer is damaged.
    """
    ratio = _measure(base, report.texts or _texts_of(report.preview))
    measured = ratio is not None
    if ratio is None:
        ratio = next((guess for limit, guess in GUESSES if base.architecture.vocab <= limit), LARGE_VOCABULARY_GUESS)
    turns = max(2.0, report.turns / max(1, report.usable))
    tools = LengthStats() if base.traits.tools is False else report.tool_characters
    return TokenCounts(
        mean=(report.characters.mean + tools.mean) / ratio + TURN_TOKENS * turns,
        longest=int((report.characters.longest + tools.longest) / ratio + TURN_TOKENS * turns) + 1,
        answer_mean=report.answer_characters.mean / ratio + turns / 2,
        characters_per_token=ratio,
        measured=measured,
    )


def _texts_of(records: tuple[Record, ...]) -> tuple[str, ...]:
    """Return the texts of a report that was made by an older version."""
    return tuple(message.said for record in records for message in record.messages)


def _measure(base: BaseModelInfo, texts: tuple[str, ...]) -> float | None:
    path = Path(base.ref.path) / "tokenizer.json"
    if not base.present or not texts or not path.is_file() or find_spec("tokenizers") is None:
        return None
    text = "\n".join(texts)[:SAMPLE_CHARACTERS]
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
    """Load the file's tokenizer without padding and truncation: neither tells how many tokens a text has, and padding
    has no limit.
    """
    from tokenizers import Tokenizer

    steps = read_model(path, _Steps, MAX_DESCRIBING_BYTES)
    if _growth(steps.normalizer) * _growth(steps.pre_tokenizer) > MOST_GROWTH:
        raise ForeignFileError("makes texts too long", where=str(path), kind=ErrorKind.FILE_DAMAGED)
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


class _Steps(BaseModel):
    """Of a ``tokenizer.json``, what becomes of a text before it is cut into tokens."""

    normalizer: dict[str, Any] | None = None
    pre_tokenizer: dict[str, Any] | None = None


def _growth(step: Any) -> float:
    """Return how many times longer a step, or a sequence of steps, may make a text. The library does it, whatever
    memory it takes.
    """
    if not isinstance(step, dict):
        return 1.0
    inner = [*(step.get("normalizers") or ()), *(step.get("pretokenizers") or ())]
    content, pattern = str(step.get("content") or ""), step.get("pattern")
    own = 1.0 + len(str(step.get("prepend") or step.get("prefix") or "")) / 100
    if isinstance(pattern, dict) and content:
        replaced = pattern.get("String")
        own *= max(1.0, len(content) / len(replaced)) if isinstance(replaced, str) and replaced else 1.0 + len(content)
    for each in inner:
        own = min(own * _growth(each), 2.0 * MOST_GROWTH)
    return own
