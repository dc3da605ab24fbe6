"""A machine of one's own, as it is configured."""

from __future__ import annotations

from pydantic import Field, RootModel

from brightrun_tui.config import Section


class SshBox(Section):
    """``[boxes.<name>]`` in ``config.toml``. Without ``key`` the person's own keys and agent are used."""

    host: str
    port: int = Field(22, ge=1, le=65535)
    user: str = "root"
    key: str = ""
    host_key: str = ""
    slots: int = Field(0, ge=0, le=64, description="Runs at the same time. 0: one on each GPU, else one.")
    price_per_hour: float = Field(0.0, ge=0, description="What an hour of it costs you; 0 when nothing.")


class SshBoxes(RootModel[dict[str, SshBox]]):
    """``[boxes]``: every box by name."""

    root: dict[str, SshBox] = Field(default_factory=dict)
