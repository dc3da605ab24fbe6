"""Services that are always there, by the words under which they are stored, typed and configured. Others come through a door."""

from __future__ import annotations

from typing import Literal

HERE = "local"
OWN_BOXES = "ssh"
"""The provider of machines that nobody rents: those of the person, reached over SSH."""
HUGGINGFACE = "huggingface"
JUDGE = "judge"
NEWS = "news"

ServiceState = Literal["ok", "failed", "off"]
"""How a service was when it was last tested; ``off``: not set up, and nothing wrong."""
