"""Try the product against a pretend RunPod and a pretend Vast.ai, without an account and without paying.

scripts/sandbox-cloud                         start both and print what to export
scripts/sandbox-cloud -- brightrun            the same, and run a command in that environment
scripts/sandbox-cloud state                   machines, money and faults of the running clouds
scripts/sandbox-cloud fault runpod create_500 --count 1
scripts/sandbox-cloud happen vast MACHINE outbid
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

from brightrun_tui.hosts.connection import new_key_pair
from tests.clouds.core import Delays
from tests.clouds.faults import KNOWN
from tests.clouds.server import CloudServer, why_not

PORTS = {"runpod": 8701, "vast": 8702}


def main() -> int:
    words = sys.argv[1:]
    command = words[words.index("--") + 1 :] if "--" in words else []
    words = words[: words.index("--")] if "--" in words else words
    parser = argparse.ArgumentParser(
        prog="sandbox-cloud", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ports", type=int, nargs=2, default=list(PORTS.values()), metavar=("RUNPOD", "VAST"))
    verbs = parser.add_subparsers(dest="verb")
    start = verbs.add_parser("start", help="start both clouds (the default)")
    for each in (parser, start):
        each.add_argument("--balance", type=float, default=25.0, help="US dollars on each account")
        each.add_argument("--seconds", type=float, default=5.0, help="how long a new machine takes to start")
    verbs.add_parser("state", help="machines, money and faults")
    fault = verbs.add_parser("fault", help="make something go wrong; without a name: list what can")
    fault.add_argument("cloud", choices=PORTS, nargs="?")
    fault.add_argument("name", choices=[*KNOWN, "clear"], nargs="?", metavar="NAME")
    fault.add_argument("--count", type=int)
    fault.add_argument("--for", type=float, dest="seconds", help="seconds")
    fault.add_argument("--value")
    happen = verbs.add_parser("happen", help="let something happen to a machine")
    happen.add_argument("cloud", choices=PORTS)
    happen.add_argument("machine")
    happen.add_argument("what", choices=["die", "outbid", "stop", "vanish", "cut", "stall", "flow", "slow"])
    happen.add_argument("--value")
    options = parser.parse_args(words)
    ports = dict(zip(PORTS, options.ports, strict=True))
    if options.verb == "state":
        return max(_ask(port, "GET", "state") for port in ports.values())
    if options.verb == "fault":
        return _fault(options, ports)
    if options.verb == "happen":
        query = f"?value={options.value}" if options.value else ""
        return _ask(ports[options.cloud], "POST", f"machines/{options.machine}/{options.what}{query}")
    return _start(options, command)


def _start(options: argparse.Namespace, command: list[str]) -> int:
    if reason := why_not():
        print(f"sandbox-cloud: {reason}", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    delays = Delays(provision=options.seconds * 0.4, start=options.seconds * 0.6)
    try:
        clouds = CloudServer(delays=delays, balance=options.balance, ports=tuple(options.ports))
    except OSError as error:
        print(
            f"sandbox-cloud: ports {options.ports} are not free ({error.strerror}); choose others with --ports",
            file=sys.stderr,
        )
        return 1
    with clouds as server:
        variables = {k: v for k, v in server.environment.items() if not k.startswith("BRIGHTRUN_PROVIDERS_BACKOFF")}
        keys = new_key_pair("sandbox")
        box = server.do(server.make_box("studio"))
        box.authorise(keys.public)
        key = Path(server.directory) / "studio.key"
        key.touch(mode=0o600)
        key.write_text(keys.private)
        print(
            f'# in config.toml, for a box of your own:\n#   [boxes.studio]\n#   host = "127.0.0.1"\n'
            f'#   port = {box.links[0].port}\n#   user = "{box.user}"\n#   key = "{key}"',
            file=sys.stderr,
        )
        print("# to type the keys into the app instead: unset RUNPOD_API_KEY VAST_API_KEY", file=sys.stderr)
        print("\n".join(f"export {name}={value}" for name, value in variables.items()), flush=True)
        if command:
            return subprocess.call(command, env={**os.environ, **variables})
        print("# running; Ctrl-C ends both clouds and every machine in them", file=sys.stderr)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


def _fault(options: argparse.Namespace, ports: dict[str, int]) -> int:
    if not options.cloud or not options.name:
        print("\n".join(f"{name:28}{what}" for name, what in KNOWN.items()))
        return 0
    if options.name == "clear":
        return _ask(ports[options.cloud], "DELETE", "faults")
    body = {"name": options.name, "count": options.count, "seconds": options.seconds, "value": options.value}
    return _ask(ports[options.cloud], "POST", "faults", {k: v for k, v in body.items() if v is not None})


def _ask(port: int, method: str, path: str, body: object = None) -> int:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/_standin/{path}", data, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            document = json.load(answer)
    except urllib.error.HTTPError as error:
        print(f"sandbox-cloud: {error.read().decode()}", file=sys.stderr)
        return 1
    except OSError:
        print(f"sandbox-cloud: nothing answers on port {port}; start it with scripts/sandbox-cloud", file=sys.stderr)
        return 1
    document.pop("known_faults", None)
    print(json.dumps(document, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
