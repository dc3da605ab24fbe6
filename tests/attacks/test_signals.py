"""Signals at awkward moments: nothing of a person's data or keys stays behind, and Ctrl-C is never an error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine, brightrun

__all__ = ["brightrun"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_terminal_that_closes_leaves_no_copy_of_the_data(
    brightrun: CommandLine, tmp_path: Path, number: signal.Signals
) -> None:
    """What a packed file held stayed in /tmp for good."""
    import gzip

    data, copies = tmp_path / "d.jsonl.gz", tmp_path / "copies"
    copies.mkdir()
    lines = b"".join(b'{"prompt": "How many are on cart %d?", "completion": "%d."}\n' % (n, n) for n in range(40_000))
    data.write_bytes(gzip.compress(lines, 1))
    verb = subprocess.Popen(
        [sys.executable, "-m", "brightrun_tui", "datasets", "check", str(data)],
        env=brightrun.environment(TMPDIR=str(copies)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # the tests may run under nohup
    )
    while not any(copy.stat().st_size for copy in copies.glob("brightrun-dataset-*")):
        assert verb.poll() is None
        time.sleep(0.01)
    verb.send_signal(number)
    _, said = verb.communicate(timeout=120)
    assert verb.returncode == 128 + number and b"Traceback" not in said and b"foresaw" not in said
    assert not os.listdir(copies)


@pytest.mark.parametrize("module", ["brightrun_tui.cli", "brightrun_tui.verbs", "brightrun_tui.commands.runs"])
def test_ctrl_c_while_it_is_still_loading_is_no_traceback(brightrun: CommandLine, tmp_path: Path, module: str) -> None:
    """It was, in the first third of a second."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Awkward:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Awkward())\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "brightrun_tui", "runs"],
        env=brightrun.environment(PYTHONPATH=str(tmp_path)),
        capture_output=True,
        timeout=120,
    )
    assert done.returncode in (130, -signal.SIGINT) and not done.stdout and not done.stderr


def test_ctrl_c_that_meets_python_tidying_up_comes_again() -> None:
    """It was lost, and an error that nobody foresaw."""
    program = (
        "import signal, sys, time\n"
        "from brightrun_tui.logs import guard_process\n"
        "guard_process(watched=True)\n"
        "class Late:\n"
        "    def __del__(self): signal.raise_signal(signal.SIGINT)\n"
        "try:\n"
        "    late = Late()\n"
        "    del late\n"
        "    time.sleep(20)\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, timeout=50)
    assert done.returncode == 130 and not done.stderr
