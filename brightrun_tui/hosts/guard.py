"""The dead man's switch of a rented machine. Runs there, from before SSH is up, and ends the lease from inside.

It acts when its time is up, or when the engine has not been heard of for too long and nothing is training. A machine with
something on it that training made and nobody has brought home is kept then: stopped where the disk is kept for little money,
else left as it is, for ``keep`` seconds at most. It holds no secret of ours: it uses the key that the provider gave to this
one machine. Standard library only, Python 3.7 and
later, so that any image will do. It travels inside the create call, so it must stay small.

It knows no provider: what is particular to one comes in ``OPTIONS`` (or its argument), from that provider's spec: JSON with
``id`` and ``key`` (names of the variables that hold them), ``look`` (the address of this machine), ``ways`` (how to end it, best
way first: each a request with ``method``, ``url`` and ``body``, or a ``command``; ``last`` marks one that does not end all
cost, ``keeps`` one that stops the machine and keeps its disk for little money), ``seconds`` (the lease ends so long from now),
``until`` (the same as a time by the engine's clock), ``silence`` (longest time without a heartbeat when nothing trains),
``keep``, ``stall`` (a worker that says nothing for so long is not at work), ``tick`` (between two looks), ``home``. ``{id}`` in a
way or an address stands for the machine's id.

Below ``home``: ``heartbeat`` is written by the engine, and may hold the seconds left from then, and ``collected`` once
everything is home; ``guard.json`` says how the guard is; ``run/`` is the run directory, whose ``worker.pid``, ``worker.rc``
and ``events.jsonl`` tell whether the worker is at work, ``manifest.json`` and ``checkpoints`` what it has made.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

OPTIONS: str  # `boot.guard_source` gives it its value, in front of this file
CLOCK_TRUST = 1800
PATIENT_ROUNDS = 20


def read(*parts: str) -> str:
    try:
        with open(os.path.join(*parts)) as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return ""


def modified(*parts: str) -> float:
    try:
        return os.stat(os.path.join(*parts)).st_mtime
    except OSError:
        return 0.0


def injected(name: str) -> str:
    """Return what the provider put into the container's environment, which a login over SSH does not see."""
    if os.environ.get(name):
        return os.environ[name]
    for line in read("/proc/1/environ").split("\0") + read("/etc/rp_environment").split("\n"):
        key, _, value = line.replace("export ", "", 1).partition("=")
        if key.strip() == name:
            return value.strip().strip("\"'")
    return ""


class Guard:
    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.home: str = options["home"]
        self.heard = self.busy = self.spoke_at = time.monotonic()
        self.beat = self.spoke = 0.0
        # a container that starts anew does not get its whole time again, as far as its clock can be trusted
        self.ends = self.heard + min(options["seconds"], max(0, options["until"] - time.time()) + CLOCK_TRUST)
        self.id = injected(options["id"])
        self.key = injected(options["key"])
        self.state: dict[str, Any] = {"id": self.id, "pid": os.getpid(), "state": "watching", "tries": 0}

    def write(self, **changes: Any) -> None:
        self.state.update(changes, written_at=time.time(), ends_at=time.time() + self.ends - time.monotonic())
        path = os.path.join(self.home, "guard.json")
        with open(path + ".part", "w") as file:
            json.dump(self.state, file)
        os.rename(path + ".part", path)

    def call(self, method: str, url: str, body: str = "") -> tuple[int, str]:
        """Return HTTP status, or 0 and the reason when there was no answer."""
        url, body = url.replace("{id}", self.id), body.replace("{id}", self.id)
        headers = {
            "Authorization": "Bearer " + self.key,
            "User-Agent": "bright-run/guard",
            "Content-Type": "application/json",
        }
        try:
            request = urllib.request.Request(url, body.encode() if body else None, headers, method=method)
            with urllib.request.urlopen(request, timeout=30, context=trust()) as answer:
                text = answer.read(65536).decode("utf-8", "replace").replace(" ", "")
                return (400 if '"errors":[' in text or '"success":false' in text else answer.status), text
        except urllib.error.HTTPError as error:
            return error.code, str(error.reason)
        except (OSError, ValueError) as error:
            return 0, str(error)

    def self_test(self) -> str:
        """Look at this machine, authenticated, through the very way that will end it; returns ``ok`` or what went
        wrong.
        """
        if not self.id or not self.key:
            return "no key of this machine in its environment"
        status, reason = self.call("GET", self.options["look"])
        return "ok" if status == 200 else f"{status} {reason[:80]}"

    def ways(self, give_up: bool) -> Iterator[tuple[str, tuple[int, str]]]:
        """End this lease, best way first, each tried as the next one is asked for.

        A machine that cannot be deleted is only stopped, which may leave its disk to be paid: when the key may not
        delete, or when nothing else has worked for long (``give_up``).
        """
        for number, way in enumerate(self.options["ways"]):
            if way.get("last") and not give_up:
                continue
            said = self.take(way)
            give_up = give_up or (number == 0 and said[0] in (401, 403))
            yield way["name"], said

    def take(self, way: dict[str, Any]) -> tuple[int, str]:
        if "command" in way:
            return run([word.replace("{id}", self.id) for word in way["command"]])
        return self.call(way["method"], way["url"], way.get("body", ""))

    def training(self) -> bool:
        run = os.path.join(self.home, "run")
        pid = read(run, "worker.pid").split()
        if not pid or os.path.exists(os.path.join(run, "worker.rc")):
            return False
        process = read("/proc", pid[0], "stat").rpartition(")")[2].split()
        spoke = max(modified(run, "events.jsonl"), modified(run, "worker.pid"))
        if spoke != self.spoke:  # how long ago is told by no clock that can be set
            self.spoke, self.spoke_at = spoke, time.monotonic()
        return bool(process) and process[0] != "Z" and time.monotonic() - self.spoke_at < self.options["stall"]

    def listen(self) -> None:
        """Take a heartbeat, and the new deadline that it may hold."""
        beat = modified(self.home, "heartbeat")
        if beat == self.beat:
            return
        old = 0 if self.beat else max(0, time.time() - beat)  # one from before a restart of the container may be
        self.beat, self.heard = beat, time.monotonic() - old
        with contextlib.suppress(ValueError):
            self.ends = self.heard + float(read(self.home, "heartbeat"))
        self.write(state="watching")

    def uncollected(self) -> bool:
        run = self.home + "/run/"
        made = glob.glob(run + "manifest.json") or glob.glob(run + "checkpoints/step-*")
        return bool(made) and not modified(self.home, "collected")

    def due(self) -> str:
        now = time.monotonic()
        if now >= self.ends:
            return "deadline"
        if self.training():
            self.busy = now
        left = max(self.heard, self.busy) + self.options["keep"] - now
        if now - self.heard < self.options["silence"] or self.busy == now:
            return ""
        if left <= 0 or not self.uncollected():
            return "silence"
        self.keep(left)
        return ""

    def keep(self, left: float) -> None:
        if self.state["state"] != "keeping":
            self.write(state="keeping", reason="uncollected", keeps_seconds=left)
            for way in self.options["ways"]:
                if way.get("keeps"):
                    self.take(way)

    def end(self, reason: str) -> None:
        """Try every way, and go on until this machine is no more."""
        wait, rounds = self.options["tick"], 0
        while True:
            rounds += 1
            for name, (status, text) in self.ways(rounds > PATIENT_ROUNDS):
                self.write(
                    state="ending", reason=reason, tries=self.state["tries"] + 1, last=f"{name}: {status} {text[:80]}"
                )
                if 200 <= status < 300:
                    break
            time.sleep(wait)
            wait = min(wait * 2, 60)

    def watch(self) -> None:
        self.write(self_test=self.self_test())
        while not self.due():
            time.sleep(self.options["tick"])
            self.listen()
        self.end(self.due())


def run(command: list[str]) -> tuple[int, str]:
    """Do as `Guard.call`, of a program of the provider's on this machine."""
    try:
        code = subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        return (200 if code == 0 else 500), f"exit {code}"
    except (OSError, subprocess.SubprocessError) as error:
        return 0, str(error)


def trust() -> ssl.SSLContext:
    """Return a context with the machine's certificates, or with pip's, as small images have none."""
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"]:
        try:
            from pip._vendor import certifi

            context.load_verify_locations(certifi.where())
        except (ImportError, OSError):
            pass
    return context


def main() -> None:
    options = json.loads(OPTIONS or sys.argv[1])  # noqa: F821
    options["home"] = os.path.expanduser(options["home"])
    os.makedirs(options["home"], exist_ok=True)
    with open(os.path.join(options["home"], "guard.lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return  # another guard is at its post
        Guard(options).watch()


if __name__ == "__main__":
    main()
