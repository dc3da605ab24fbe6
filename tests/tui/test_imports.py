"""Opening is quick: the app loads drawing, network and SSH libraries only when they are used."""

from __future__ import annotations

import subprocess
import sys


def test_the_app_opens_without_what_it_does_not_need_yet() -> None:
    """Importing the app loads neither torch nor plotext, httpx, asyncssh, huggingface_hub or a screen."""
    code = (
        "import sys, brightrun_tui.tui.app\n"
        "heavy = ('torch', 'transformers', 'plotext', 'httpx', 'asyncssh', 'huggingface_hub', 'openai', 'keyring')\n"
        "screens = ('brightrun_tui.tui.screens.monitor', 'brightrun_tui.tui.screens.new_run')\n"
        "print([name for name in heavy if name in sys.modules], [name for name in screens if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[] []"
