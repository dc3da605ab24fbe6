"""How a dataset of the Hugging Face Hub is named: ``hf:owner/name``, with a configuration and a split where there are several."""

from __future__ import annotations

import re
from dataclasses import dataclass

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError

PREFIX = "hf:"
SYNTAX = "hf:OWNER/NAME, hf:OWNER/NAME@SPLIT, hf:OWNER/NAME:CONFIGURATION@SPLIT"
_FORM = re.compile(
    r"hf:(?P<repository>[\w.-]+(?:/[\w.-]+)?)(?::(?P<config>[^:@#]+))?(?:@(?P<split>[^:@#]+))?"
    r"(?:#(?P<revision>[^#]+))?"
)


@dataclass(frozen=True)
class HubDataset:
    """What a person named, as in `SYNTAX`, with ``#revision`` at the end. Empty: the only or default one, the newest."""

    repository: str
    config: str = ""
    split: str = ""
    revision: str = ""

    def __str__(self) -> str:
        parts = (("", self.repository), (":", self.config), ("@", self.split), ("#", self.revision))
        return PREFIX + "".join(mark + value for mark, value in parts if value)


def is_hub_dataset(word: str) -> bool:
    return word.strip().startswith(PREFIX)


def parse(word: str) -> HubDataset:
    """Parse a name of the form `SYNTAX`. Raises `UsageError` for any other."""
    match = _FORM.fullmatch(word.strip())
    if match is None:
        raise UsageError(
            f"“{word.strip()}” does not name a dataset of the Hugging Face Hub",
            fix=f"write {SYNTAX}",
            kind=ErrorKind.BAD_HUB_DATASET,
        )
    return HubDataset(**{name: value or "" for name, value in match.groupdict().items()})
