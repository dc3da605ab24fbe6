"""Lines that a hostile or broken worker may write into ``events.jsonl``, by name. Standard library only.

``python poison.py RUN_DIRECTORY`` is such a worker: it writes the lines that the name of its run says, and goes on as if nothing
were.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

TIMES = 7
"""How often each line is written; a reader bears with five."""
NOW = 1_700_000_000.0


def event(seq: object, kind: object, **fields: object) -> bytes:
    return json.dumps({"seq": seq, "time": NOW, "kind": kind, **fields}, separators=(",", ":")).encode()


def _fields(kind: str, **fields: object) -> Callable[[int], bytes]:
    return lambda seq: event(seq, kind, **fields)


def _progress(**fields: object) -> Callable[[int], bytes]:
    return _fields("progress", **{"step": 3, "total_steps": 10, **fields})


def _raw(text: bytes) -> Callable[[int], bytes]:
    return lambda seq: text.replace(b"SEQ", str(seq).encode())


BAD: dict[str, Callable[[int], bytes]] = {
    "step is a word": _progress(step="poison"),
    "step is a fraction": _progress(step=1.5),
    "step is true": _progress(step=True),
    "step is negative": _progress(step=-1),
    "step is 10^30": _progress(step=10**30),
    "step is null": _progress(step=None),
    "step is missing": _fields("metric", values={"train_loss": 1.0}),
    "epoch is NaN": _progress(epoch=float("nan")),
    "epoch is infinite": _progress(epoch=float("inf")),
    "epoch is null": _progress(epoch=None),
    "speed is a list": _progress(tokens_per_second=[1]),
    "speed is 10^400": _raw(b'{"seq":SEQ,"time":1.0,"kind":"progress","step":1,"tokens_per_second":1e400}'),
    "time left is negative": _progress(eta_seconds=-5),
    "time left is a word": _progress(eta_seconds="soon"),
    "loss is a word": _fields("metric", step=3, values={"train_loss": "abc"}),
    "loss is an object": _fields("metric", step=3, values={"train_loss": {"a": 1}}),
    "values are a list": _fields("metric", step=3, values=[1, 2]),
    "a thousand values": _fields("metric", step=3, values={f"curve{n}": 1.0 for n in range(1000)}),
    "phase is an object": _fields("phase", phase={}),
    "phase is missing": _fields("phase", detail="x"),
    "detail is a number": _fields("phase", phase="training", detail=5),
    "memory is a word": _fields("hardware", device="gpu", memory_used="much"),
    "memory is negative": _fields("hardware", device="gpu", memory_used=-1),
    "device is a list": _fields("hardware", device=["gpu"]),
    "prompt is a word": _fields("sample", step=3, answer="a", source="tuned", prompt="x"),
    "source is neither": _fields("sample", step=3, answer="a", source="elsewhere", prompt=[]),
    "answer is missing": _fields("sample", step=3, source="tuned"),
    "checkpoint of a word": _fields("checkpoint", step="ten", path="checkpoints/step-10"),
    "message is a list": _fields("alert", level="info", message=["\x1b[2J"]),
    "outcome is neither": _fields("done", outcome="exploded", step=3),
    "suggestion is a list": _fields("failed", error="x", cause="y", suggestion=[1]),
    "kind is a number": lambda seq: event(seq, 5),
    "kind is missing": lambda seq: json.dumps({"seq": seq, "time": NOW}).encode(),
    "kind is empty": lambda seq: event(seq, ""),
    "an unknown kind of 100 kB": _fields("novel", text="x" * 100_000),
    "seq is a word": lambda _: event("first", "alert", message="x"),
    "seq is missing": lambda _: json.dumps({"time": NOW, "kind": "alert"}).encode(),
    "seq is negative": lambda _: event(-7, "alert", message="x"),
    "seq is a fraction": lambda seq: event(seq + 0.5, "alert", message="x"),
    "seq is 10^18": lambda _: event(10**18, "alert", message="x"),
    "time is a word": _raw(b'{"seq":SEQ,"time":"noon","kind":"alert","message":"x"}'),
    "time is NaN": _raw(b'{"seq":SEQ,"time":NaN,"kind":"alert","message":"x"}'),
    "time is negative": _raw(b'{"seq":SEQ,"time":-1,"kind":"alert","message":"x"}'),
    "not JSON": _raw(b"Traceback (most recent call last): \x1b]52;c;cm0gLXJm\x07"),
    "an array": _raw(b'[{"seq":SEQ}]'),
    "a number": _raw(b"5"),
    "half of an event": _raw(b'{"seq":SEQ,"time":1.0,"kind":"al'),
    "a hundred thousand brackets": _raw(b'{"seq":SEQ,"time":1.0,"kind":"x","a":' + b"[" * 100_000),
    "a number of 100,000 digits": _raw(b'{"seq":SEQ,"time":1.0,"kind":"progress","step":' + b"9" * 100_000 + b"}"),
    "half of a surrogate pair": _raw(b'{"seq":SEQ,"time":1.0,"kind":"alert","message":"\\ud800"}'),
    "NUL bytes": _raw(b"\0" * 64),
    "not UTF-8": _raw(b'{"seq":SEQ,"time":1.0,"kind":"alert","message":"\xff\xfe"}'),
    "empty lines": _raw(b""),
    "ten megabytes": lambda seq: event(seq, "alert", message="x" * (10 << 20)),
}
"""Each of these lines is bad, and seven of them end a run."""

BREAKING: dict[str, Callable[[int], bytes]] = {
    "a number is left out": lambda seq: event(seq + 1, "alert", message="x"),
    "numbers begin at a million": lambda seq: event(seq + 1_000_000, "alert", message="x"),
}
"""The first of these ends a run."""

BORNE: dict[str, Callable[[int], bytes]] = {
    "the same number again": lambda _: event(0, "alert", message="x"),
    "loss is NaN": _fields("metric", step=3, values={"train_loss": float("nan")}),
    "an unknown kind": _fields("energy", joules=5, note={"a": [None, True]}),
    "a field twice": _raw(b'{"seq":SEQ,"time":1.0,"kind":"progress","step":"poison","step":3}'),
    "a text of two megabytes": _fields("alert", message="\x1b[31m" + "x" * (2 << 20)),
    "fields of a newer worker": _progress(joules=5),
}
"""These change nothing that matters; the run goes on."""

ALL = {**BAD, **BREAKING, **BORNE}


def beginning() -> list[bytes]:
    """What an honest worker writes first: two events."""
    return [event(0, "phase", phase="training", detail=""), event(1, "metric", step=1, values={"train_loss": 2.0})]


def lines(name: str) -> list[bytes]:
    """The bad part: it follows `beginning`."""
    return [ALL[name](2 + number) for number in range(TIMES)]


def next_number(name: str) -> int:
    """What a worker that wrote them would count on from."""
    if name == "the same number again":
        return 2
    return 2 + TIMES + {"a number is left out": 1, "numbers begin at a million": 1_000_000}.get(name, 0)


def work(name: str, run: Path) -> None:
    (run / "control").mkdir(exist_ok=True)
    with (run / "events.jsonl").open("ab") as log:
        log.write(b"".join(line + b"\n" for line in [*beginning(), *lines(name)]))
        log.flush()
        seq = next_number(name)
        while not (run / "control" / "stop").exists():
            log.write(event(seq, "progress", step=4, total_steps=1000) + b"\n")
            log.flush()
            seq += 1
            time.sleep(0.2)
        log.write(event(seq, "done", outcome="stopped", step=4) + b"\n")


if __name__ == "__main__":
    work(json.loads((Path(sys.argv[1]) / "spec.json").read_text())["name"], Path(sys.argv[1]))
