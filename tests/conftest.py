"""What every test process needs."""

from __future__ import annotations

import signal

# A shell starts what it puts into the background with Ctrl-C ignored, and a process hands that on to those it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
