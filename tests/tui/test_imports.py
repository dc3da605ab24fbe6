"""Opening is quick: the app loads drawing, network and SSH libraries only when they are used."""

from __future__ import annotations

import subprocess
import sys

LATER = (
    "torch", "transformers", "plotext", "httpx", "asyncssh", "huggingface_hub", "openai", "keyring", "typer", "psutil",
    "packaging", "brightrun_tui.verbs", "brightrun_tui.providers", "brightrun_tui.registry", "brightrun_tui.serving",
    "brightrun_tui.tui.screens.monitor", "brightrun_tui.tui.screens.new_run",
)  # fmt: skip
"""What is not needed for the first picture, or only where the screen is another one."""


def test_the_app_opens_without_what_it_does_not_need_yet() -> None:
    """From the command without a verb to the app: no reader of arguments, no library of another room, no screen."""
    code = f"import sys, brightrun_tui.cli, brightrun_tui.tui.app; print([name for name in {LATER} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
