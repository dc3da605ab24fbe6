"""What is typed or pasted at ``brightrun chat`` is one message, however many lines it has."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import pytest

PASTED = "\x1b[200~{}\x1b[201~"
"""As terminals wrap what is pasted, where a program has asked for that."""
ASKED = b"\x1b[?2004h"
PROGRAM = (
    "import json; from brightrun_tui.commands.shared.typed import typed_message; "
    "print('=', json.dumps(typed_message('? ')))"
)


def message(keys: str) -> str:
    """What became of the keys at a real terminal."""
    leader, follower = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "INPUTRC": "/dev/null"}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=follower, stdout=follower, stderr=follower, env=environment
    )
    os.close(follower)
    screen = b""
    try:
        while b"\r\n= " not in screen or not screen.endswith(b"\n"):
            if b"? " in screen and keys:
                os.write(leader, keys.encode())
                keys = ""
            screen += os.read(leader, 4096)
    except OSError:
        pass  # it has ended
    finally:
        os.close(leader)
        process.wait(60)
    assert ASKED in screen, "the terminal is asked to say what is pasted"
    said: str = json.loads(screen.decode().rpartition("= ")[2].splitlines()[0])
    return said


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ("When do you deliver?\r", "When do you deliver?"),
        (PASTED.format("Hello,\r\rwhen do you deliver?\rAda") + "\r", "Hello,\n\nwhen do you deliver?\nAda"),
        ('"""Hello,\r\rwhen do you deliver?"""\r', "Hello,\n\nwhen do you deliver?"),
        ('"""\rone\rtwo\r"""\r', "one\ntwo"),
        ('"""all on one line"""\r', "all on one line"),
        ("\r", ""),
    ],
    ids=["a line", "pasted", "between quotes", "quotes alone", "quotes on one line", "nothing"],
)
def test_several_lines_are_one_message(keys: str, text: str) -> None:
    """Each line of a paste was asked for itself, and an empty one among them ended the talk."""
    assert message(keys) == text
