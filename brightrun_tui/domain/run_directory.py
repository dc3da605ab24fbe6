"""The run directory: every path, name and pattern in it, and what of it may come home from another machine.

One protocol for every place a run can be: the worker knows nothing but this directory, and nobody else spells a name of
it. The guard (``hosts/guard.py``) travels alone and repeats the few names that it reads; a test compares them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

WORKER = "worker"
"""The name under which a host starts the worker; its log, pid and exit code lie beside it."""
UrgentRequest = Literal["stop", "pause", "checkpoint"]
LaterStop = Literal["stop-after-evaluation", "stop-after-epoch"]
ControlRequest = UrgentRequest | LaterStop
CONTROL_REQUESTS: tuple[UrgentRequest, ...] = get_args(UrgentRequest)
LATER_STOPS: tuple[LaterStop, ...] = get_args(LaterStop)
CHANGES = "changes.json"
"""Within `CONTROL`: every change of the training that was asked for, see `domain/live_change.py`. It stays."""

SPEC = "spec.json"
DATA = "data"
TRAIN = "train.jsonl"
EVAL = "eval.jsonl"
TOKENS = "tokens.safetensors"
EVENTS = "events.jsonl"
LOG = f"{WORKER}.log"
SETUP_LOG = "setup.log"
"""On a machine that is being prepared, too."""
MACHINES = "machines.jsonl"
CONTROL = "control"
CHECKPOINTS = "checkpoints"
ADAPTER = "adapter"
REPORT = "report.json"
EVALUATION = "evaluation.json"
JUDGING = "judging.json"
MANIFEST = "manifest.json"
"""Of the whole run, and within each checkpoint: size and digest of every other file."""
SSH_KEY = "ssh.json"
BASE = "base"
"""The base model on a machine that it was sent to."""

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
CARD = "README.md"
OPTIMIZER = "optimizer.safetensors"
STATE = "state.json"
BASELINE = "baseline.json"

ADAPTER_FILES = frozenset(
    {
        ADAPTER_CONFIG,
        ADAPTER_WEIGHTS,
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "merges.txt",
        "vocab.txt",
        "tokenizer.model",
        "spiece.model",
        "chat_template.jinja",
        "chat_template.json",
        "generation_config.json",
        "processor_config.json",
        "preprocessor_config.json",
    }
)
CHECKPOINT_FILES = frozenset({ADAPTER_CONFIG, ADAPTER_WEIGHTS, CARD, OPTIMIZER, STATE, MANIFEST})

_CHECKPOINT_NAME = re.compile(r"step-(0|[1-9][0-9]{0,11})")


def checkpoint_name(step: int) -> str:
    """Return the directory of the checkpoint of ``step`` within `CHECKPOINTS`; also how people are told of it."""
    return f"step-{step}"


def step_of(name: str) -> int | None:
    """Return the step of a complete checkpoint by its directory's name; None for any other name."""
    match = _CHECKPOINT_NAME.fullmatch(name)
    return int(match[1]) if match else None


@dataclass(frozen=True)
class RunDirectory:
    """Where everything lies in the run directory ``root``. Nothing is looked up or created but by `steps`."""

    root: Path

    @property
    def spec(self) -> Path:
        return self.root / SPEC

    @property
    def data(self) -> Path:
        return self.root / DATA

    @property
    def train(self) -> Path:
        return self.data / TRAIN

    @property
    def eval(self) -> Path:
        return self.data / EVAL

    @property
    def tokens(self) -> Path:
        """The data as tokens; made where it is missing."""
        return self.data / TOKENS

    @property
    def events(self) -> Path:
        return self.root / EVENTS

    @property
    def events_reserve(self) -> Path:
        """Kept free beside the events while a worker is at work, so that a full disk can still be reported."""
        return self.root / ".events.reserve"

    @property
    def log(self) -> Path:
        """Everything the worker printed."""
        return self.root / LOG

    @property
    def setup_log(self) -> Path:
        """At home: what the preparation of every machine that was rented for the run printed, one after the other."""
        return self.root / SETUP_LOG

    @property
    def machines(self) -> Path:
        """At home: which machine went on with the run from where, one `MachinePart` a line."""
        return self.root / MACHINES

    @property
    def log_mark(self) -> Path:
        """At home: how far the worker's log on another machine was read, as the copy may leave parts of it out."""
        return self.root / f".{LOG}.mark"

    @property
    def control(self) -> Path:
        return self.root / CONTROL

    def request(self, name: ControlRequest) -> Path:
        """Return the file whose presence asks this of the worker."""
        return self.control / name

    @property
    def changes(self) -> Path:
        """What to train otherwise than the specification says."""
        return self.control / CHANGES

    @property
    def checkpoints(self) -> Path:
        return self.root / CHECKPOINTS

    def checkpoint(self, step: int) -> Path:
        return self.checkpoints / checkpoint_name(step)

    def steps(self) -> list[int]:
        """Return steps of the complete checkpoints, oldest first."""
        if not self.checkpoints.is_dir():
            return []
        found = (step_of(path.name) for path in self.checkpoints.iterdir() if path.is_dir() and not path.is_symlink())
        return sorted(step for step in found if step is not None)

    def old_checkpoints(self, number: int) -> Path:
        """Say where checkpoints that cannot be continued are put, the ``number``-th time that it happens."""
        return self.root / f"{CHECKPOINTS}.old-{number}"

    @property
    def dry_run(self) -> Path:
        """Where the worker tries to write a checkpoint, and takes it away again."""
        return self.checkpoints / ".rehearsal"

    @property
    def baseline(self) -> Path:
        """What the base model scored and answered; kept so that a restart does not measure it again."""
        return self.checkpoints / BASELINE

    @property
    def adapter(self) -> Path:
        return self.root / ADAPTER

    @property
    def report(self) -> Path:
        return self.root / REPORT

    @property
    def evaluation(self) -> Path:
        """In the place of a report card, where a version was measured."""
        return self.root / EVALUATION

    @property
    def judging(self) -> Path:
        """Which records judge, where a version is measured."""
        return self.data / JUDGING

    @property
    def manifest(self) -> Path:
        return self.root / MANIFEST

    @property
    def ssh_key(self) -> Path:
        """The run's own key for its rented machines. Never leaves this computer."""
        return self.root / SSH_KEY

    def host_key(self, lease: str) -> Path:
        """Return the host key that the machine of a lease showed at the first contact."""
        return self.root / f"{lease}.hostkey"


# What may come home. Sizes in bytes; a file that is larger is not what a worker of ours wrote.

EVENTS_LIMIT = 1 << 30
"""Of all events of a run: a hundred times what the longest run says."""
LOG_LIMIT = 32 << 20
"""Of the copy of a worker's log; of a longer one the end is kept."""
SETUP_LOG_LIMIT = 4 << 20
"""Of what the preparation of machines printed; more is not kept."""
MANIFEST_LIMIT = 1 << 20
FILES_LIMIT = 64
"""Files that a manifest may list."""
_TEXT_LIMIT = 64 << 20
_LIMITS = {ADAPTER_WEIGHTS: 32 << 30, OPTIMIZER: 64 << 30, MANIFEST: MANIFEST_LIMIT}


def arrival_limit(path: str) -> int | None:
    """Return the most bytes that the file at ``path`` (from the run directory, with “/”) may have to come home; None: it may not.

    Only the results and complete checkpoints come this way, and no file in them but those that a worker of ours writes.
    """
    folder, _, name = path.rpartition("/")
    parent, _, directory = folder.rpartition("/")
    known = (
        (folder == "" and name in (REPORT, MANIFEST))
        or (folder == ADAPTER and name in ADAPTER_FILES)
        or (parent == CHECKPOINTS and step_of(directory) is not None and name in CHECKPOINT_FILES)
    )
    return _LIMITS.get(name, _TEXT_LIMIT) if known else None
