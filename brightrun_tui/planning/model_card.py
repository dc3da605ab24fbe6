"""What the card of a model on the Hub says of it, in the head of its README.md or in the Hub's own answer."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any, NamedTuple

from brightrun_tui.foreign_files import ForeignFileError, read_bytes

log = logging.getLogger(__name__)

CARD = "README.md"
MAX_CARD_BYTES = 1 << 20
MOST_LANGUAGES = 200
_CODE = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,8})?")
_LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{1,40}")


class CardFacts(NamedTuple):
    """What a model's card says: languages as codes, and the license as the Hub names it; empty where it says nothing."""

    languages: tuple[str, ...] = ()
    license: str = ""


def card_facts(directory: Path) -> CardFacts:
    """Return what the card in ``directory`` says; nothing where there is none, or it cannot be read."""
    try:
        text = read_bytes(directory / CARD, MAX_CARD_BYTES).decode("utf-8", "replace")
    except ForeignFileError:
        return CardFacts()
    from huggingface_hub import ModelCard

    try:
        said = ModelCard(text, ignore_metadata_errors=True).data
        return CardFacts(languages(said.get("language")), license_name(said.get("license")))
    except Exception as error:  # of whatever class: it is somebody's YAML, and nothing depends on it
        log.debug("%s cannot be read: %s", directory / CARD, error)
        return CardFacts()


def languages(said: Any) -> tuple[str, ...]:
    """Return codes such as ``en`` from a card, which holds one or a list; what is not a code is left out."""
    listed = said if isinstance(said, list) else [said]
    return tuple(one for one in listed if isinstance(one, str) and _CODE.fullmatch(one))[:MOST_LANGUAGES]


def license_name(said: Any) -> str:
    """Return ``apache-2.0`` and the like from a card; empty where it is not a name."""
    return said if isinstance(said, str) and _LICENSE.fullmatch(said) else ""
