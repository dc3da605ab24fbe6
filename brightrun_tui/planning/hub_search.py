"""Base models found on the Hugging Face Hub by words."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.service_names import HUGGINGFACE
from brightrun_tui.domain.text import one_line
from brightrun_tui.integrations import credentials, hub
from brightrun_tui.paths import Paths
from brightrun_tui.planning.model_card import languages

MOST_FOUND = 30


class FoundModel(BaseModel):
    """One model of the Hub. ``parameters`` and ``downloads`` (of the last month) are 0, ``license`` is empty where the Hub does
    not say.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    parameters: int = 0
    license: str = ""
    gated: bool = False
    downloads: int = 0
    languages: tuple[str, ...] = ()


def search_models(words: str, paths: Paths) -> list[FoundModel]:
    """Search for models that generate text and have safetensors, the most downloaded first. Blocking.

    Raises:
        NotConnectedError: the Hub cannot be reached, is switched off, or refuses the token.
    """
    hub.reach()  # the library would try to list for a minute where there is no network
    token = credentials.get(HUGGINGFACE, paths)
    with hub.plain_errors(words, has_token=token is not None):
        found = hub.api(token).list_models(
            search=words,
            pipeline_tag="text-generation",
            filter=["transformers", "safetensors"],
            sort="downloads",
            limit=MOST_FOUND,
            expand=["safetensors", "gated", "downloads", "tags", "cardData"],
        )
        return [
            FoundModel(
                id=one_line(str(model.id)),
                parameters=(model.safetensors.total or 0) if model.safetensors else 0,
                license=next((tag[8:] for tag in model.tags or [] if tag.startswith("license:")), ""),
                gated=bool(model.gated),
                downloads=model.downloads or 0,
                languages=languages(getattr(model.card_data, "language", None)),
            )
            for model in found
        ]
