"""One message over one address of apprise, in a process of its own: what answers there may never end, or unpack to any size.

Run as ``python -m brightrun_tui.notify.apprise_process``. One JSON request on stdin (the address is a secret), one line on
stdout::

    {"url", "title", "body", "type"}  →  {"arrived": true or false, "why": "…"}
"""

from __future__ import annotations

import json
import resource
import sys

from brightrun_tui.notify.apprise_channel import Listening, hide, opened
from brightrun_tui.process import begin_privately

MOST_MEMORY_BYTES = 1 << 30


def main() -> None:
    begin_privately()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    asked = json.load(sys.stdin)
    hide(asked["url"])
    with Listening() as said:
        arrived = opened(asked["url"]).notify(body=asked["body"], title=asked["title"], notify_type=asked["type"])
    print(json.dumps({"arrived": bool(arrived), "why": said.words()}), flush=True)


if __name__ == "__main__":
    main()
