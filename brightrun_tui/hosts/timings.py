"""How patient we are with a machine. Apart from `hosts.connection`, so that knowing it loads no SSH."""

from __future__ import annotations

from pydantic import Field

from brightrun_tui.config import Section


class SshTimings(Section):
    """``[ssh]`` in ``config.toml``. All in seconds."""

    connect_seconds: float = Field(15.0, gt=0, description="For one attempt to connect and log in.")
    keepalive_seconds: float = Field(
        10.0, gt=0, description="Three unanswered signs of life in a row end a connection."
    )
    retry_seconds: float = Field(1.0, gt=0, description="Between two attempts to reconnect.")
    patience_seconds: float = Field(120.0, gt=0, description="A task gives up after this long without any progress.")
