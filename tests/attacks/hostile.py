"""A worker on a machine whose owner means ill: it does its work as a worker does, but for one thing.

``python hostile.py TEMPLATE RUN_DIRECTORY``; the name of the run says which. Standard library only, so that it starts at once.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.clouds import fast_worker

fast_worker.STEPS, fast_worker.SAVE_EVERY, fast_worker.STEP_SECONDS = 6, 3, 0.05
ESCAPE = "../../../../"
"""From a run directory at home to what lies beside the installation."""
MB = 1 << 20


class Hostile(fast_worker.Worker):
    """Honest; each attack changes what it needs to."""

    def hand_in(self, step: int, change: Callable[[dict[str, Any]], object] = lambda files: None) -> None:
        """The results, with a manifest that was changed before the last word."""
        for name in ("report.json", "manifest.json"):
            shutil.copy(self.template / name, self.run / name)
        shutil.copytree(self.template / "adapter", self.run / "adapter", dirs_exist_ok=True)
        document = json.loads((self.run / "manifest.json").read_text())
        change(document["files"])
        (self.run / "manifest.json").write_text(json.dumps(document))

    def end(self, step: int) -> None:
        self.tell("done", outcome="completed", step=step)

    def lie_about(self, name: str, content: bytes) -> None:
        """A file of another name among the results, listed with its true size and digest."""
        (self.run / "planted").write_bytes(content)
        facts = fast_worker.digest(self.run / "planted")
        self.hand_in(6, lambda files: files.update({name: facts}))


def results(change: Callable[[dict[str, Any]], object]) -> Callable[[Hostile], None]:
    def attack(worker: Hostile) -> None:
        def finish(outcome: str, step: int) -> None:
            worker.hand_in(step, change)
            worker.end(step)

        worker.finish = finish  # type: ignore[method-assign]  # the attack takes the place of the honest end
        worker.work()

    return attack


def after_results(spoil: Callable[[Path], object]) -> Callable[[Hostile], None]:
    def attack(worker: Hostile) -> None:
        def finish(outcome: str, step: int) -> None:
            worker.hand_in(step)
            spoil(worker.run)
            worker.end(step)

        worker.finish = finish  # type: ignore[method-assign]  # the attack takes the place of the honest end
        worker.work()

    return attack


def work_on(worker: Hostile) -> None:
    """For so long that the engine has the time to fetch what was saved, on the busiest machine."""
    finish = worker.finish

    def later(outcome: str, step: int) -> None:
        time.sleep(60)
        finish(outcome, step)

    worker.finish = later  # type: ignore[method-assign]
    fast_worker.STEPS = 200
    worker.work()


def in_a_checkpoint(spoil: Callable[[Path], object]) -> Callable[[Hostile], None]:

    def attack(worker: Hostile) -> None:
        honest = worker.tell

        def tell(kind: str, **data: object) -> None:
            if kind == "checkpoint":
                spoil(worker.run / str(data["path"]))
            honest(kind, **data)

        worker.tell = tell  # type: ignore[method-assign]  # the attack takes the place of the honest one
        work_on(worker)

    return attack


def while_training(act: Callable[[Path], object]) -> Callable[[Hostile], None]:
    def attack(worker: Hostile) -> None:
        act(worker.run)
        fast_worker.STEPS = 200
        worker.work()

    return attack


def planted(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda files: files.update({name: files["report.json"]})


def replace(path: Path, make: Callable[[Path], object]) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    make(path)


def append(path: Path, data: bytes, times: int = 1) -> None:
    with path.open("ab") as file:
        for _ in range(times):
            file.write(data)


def flood(worker: Hostile) -> None:
    """Gigabytes are promised; the log is long before it ends in order."""
    append(worker.run / "worker.log", b"".join(b"noise %08d\n" % n for n in range(60_000)), 60)
    worker.work()


def endless_event(worker: Hostile) -> None:
    worker.log.write(b"x" * (5 * MB))
    worker.log.flush()
    time.sleep(30)


def endless_flood(worker: Hostile) -> None:
    worker.tell("phase", phase="training")
    until = time.monotonic() + 120
    while time.monotonic() < until and not worker.asked("stop"):
        append(worker.run / "worker.log", b"x" * 99 + b"\n", 20_000)
        worker.tell("progress", step=1, total_steps=6)
        time.sleep(0.02)
    worker.finish("stopped", 1)


def manifest_of(path: Path, text: str) -> None:
    (path / "manifest.json").write_text(text)


def listing(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads((path / "manifest.json").read_text())
    change(document)
    manifest_of(path, json.dumps(document))


ATTACKS: dict[str, Callable[[Hostile], None]] = {
    "honest": lambda worker: worker.work(),
    "name-climbs-out": results(planted(f"{ESCAPE}bashrc")),
    "name-climbs-out-of-adapter": results(planted(f"adapter/../{ESCAPE}bashrc")),
    "name-is-absolute": results(planted("/tmp/brightrun-attack-absolute")),
    "name-has-an-escape": results(planted("adapter/\x1b]0;pwned\x07.json")),
    "name-has-a-newline": results(planted("adapter/x\ny.json")),
    "name-looks-like-a-slash": results(planted("adapter\u2215tokenizer.json")),
    "name-overwrites-our-key": results(planted("ssh.json")),
    "pickle-among-the-results": results(planted("adapter/pytorch_model.bin")),
    "files-that-nobody-listed": after_results(
        lambda run: ((run / "adapter" / "sitecustomize.py").write_text("evil"), (run / ".bashrc").write_text("evil"))
    ),
    "ten-thousand-files": results(
        lambda files: files.update({f"adapter/f{n}.json": files["report.json"] for n in range(9000)})
    ),
    "report-of-one-pebibyte": results(lambda files: files["report.json"].update(bytes=1 << 50)),
    "size-is-no-number": results(lambda files: files["report.json"].update(bytes="many")),
    "another-file-than-listed": after_results(
        lambda run: (run / "report.json").write_bytes((run / "report.json").read_bytes().replace(b"honest", b"better"))
    ),
    "file-grows-after-listing": after_results(lambda run: append(run / "report.json", b" ")),
    "listed-file-is-missing": after_results(lambda run: (run / "adapter" / "adapter_model.safetensors").unlink()),
    "result-is-a-link": after_results(
        lambda run: replace(run / "report.json", lambda path: path.symlink_to("/etc/passwd"))
    ),
    "result-is-a-pipe": after_results(lambda run: replace(run / "report.json", os.mkfifo)),
    "result-is-a-directory": after_results(lambda run: replace(run / "adapter" / "adapter_config.json", Path.mkdir)),
    "adapter-is-a-file": after_results(lambda run: replace(run / "adapter", Path.touch)),
    "manifest-nests-deeply": after_results(lambda run: manifest_of(run, '{"files":' + "[" * 200_000)),
    "manifest-is-endless": after_results(lambda run: manifest_of(run, '{"files":{' + " " * (3 * MB) + "}}")),
    "manifest-is-noise": after_results(lambda run: (run / "manifest.json").write_bytes(bytes(range(256)) * 9)),
    "report-is-no-report": results(lambda files: None),
    "checkpoint-name-climbs-out": in_a_checkpoint(
        lambda path: listing(path, lambda files: files.update({f"{ESCAPE}../../bashrc": files["state.json"]}))
    ),
    "checkpoint-is-another": in_a_checkpoint(
        lambda path: (path / "state.json").write_bytes(b"x" * (path / "state.json").stat().st_size)
    ),
    "checkpoint-of-one-pebibyte": in_a_checkpoint(
        lambda path: listing(path, lambda files: files["optimizer.safetensors"].update(bytes=1 << 50))
    ),
    "checkpoint-without-weights": in_a_checkpoint(
        lambda path: listing(path, lambda files: files.pop("adapter_model.safetensors"))
    ),
    "event-without-an-end": endless_event,
    "exit-code-is-noise": while_training(lambda run: (run / "worker.rc").write_bytes(b"\xff\x00seven")),
    "process-is-noise": while_training(lambda run: (run / "worker.pid").write_text("-1 ; rm -rf /")),
    "log-is-a-pipe": while_training(lambda run: replace(run / "worker.log", os.mkfifo)),
    "log-is-a-link": while_training(lambda run: replace(run / "worker.log", lambda path: path.symlink_to("/dev/zero"))),
    "log-of-sixty-megabytes": flood,
    "log-without-an-end": endless_flood,
}


def no_report(worker: Hostile) -> None:
    def finish(outcome: str, step: int) -> None:
        worker.hand_in(step)
        (worker.run / "report.json").write_text('{"name": 5}')
        listing_of = json.loads((worker.run / "manifest.json").read_text())
        listing_of["files"]["report.json"] = fast_worker.digest(worker.run / "report.json")
        manifest_of(worker.run, json.dumps(listing_of))
        worker.end(step)

    worker.finish = finish  # type: ignore[method-assign]  # the attack takes the place of the honest one
    worker.work()


ATTACKS["report-is-no-report"] = no_report


if __name__ == "__main__":
    directory = Path(sys.argv[2])
    ATTACKS[json.loads((directory / "spec.json").read_text())["name"]](Hostile(Path(sys.argv[1]), directory))
