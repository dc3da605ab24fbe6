"""Broken files of models, bundles, settings and themes; each read the way the product reads it."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import struct
import tarfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import tomli_w
from pydantic import ValidationError
from textual.app import App

from brightrun_tui.config import MoneyLimits, RunDefaults, load_section
from brightrun_tui.config_file import read_config
from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.events import Event
from brightrun_tui.domain.model import ModelVersion, Report
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.foreign_files import ForeignFileError
from brightrun_tui.integrations.boxes import configured_boxes
from brightrun_tui.paths import Paths
from brightrun_tui.planning.bases import describe_base, list_bases
from brightrun_tui.planning.estimate import estimate
from brightrun_tui.planning.starter import starter_directory
from brightrun_tui.planning.templates import load_templates
from brightrun_tui.planning.token_counts import count_tokens
from brightrun_tui.providers.local import hardware
from brightrun_tui.registry import import_bundle
from brightrun_tui.store import open_database
from brightrun_tui.tui.theming import load_themes
from brightrun_tui.tui.widgets import model_text
from tests.fuzz.mutate import mutate_bytes, mutate_value
from tests.fuzz.tally import Tally
from tests.planning.tiny_model import WEIGHTS, safetensors, write_model
from tests.tui import seed as seeding

EVENTS: tuple[dict[str, Any], ...] = (
    {"seq": 0, "time": 1.0, "kind": "phase", "phase": "training", "detail": "x"},
    {
        "seq": 1,
        "time": 1.0,
        "kind": "progress",
        "step": 1,
        "total_steps": 9,
        "epoch": 0.1,
        "supervised_tokens": 5,
        "tokens_per_second": 2.0,
        "eta_seconds": 3.0,
    },
    {"seq": 2, "time": 1.0, "kind": "metric", "step": 1, "values": {"train_loss": 2.0}},
    {
        "seq": 3,
        "time": 1.0,
        "kind": "hardware",
        "device": "cpu",
        "memory_used": 1,
        "memory_total": 2,
        "utilisation": 0.5,
    },
    {
        "seq": 4,
        "time": 1.0,
        "kind": "sample",
        "step": 1,
        "id": "a",
        "prompt": [{"role": "user", "content": "q"}],
        "answer": "a",
        "source": "base",
        "reference": "r",
    },
    {
        "seq": 5,
        "time": 1.0,
        "kind": "failed",
        "error": "oom",
        "cause": "no memory",
        "fix": "less",
        "suggestion": {"a.b": 1},
    },
)
CONFIG: dict[str, dict[str, Any]] = {
    "app": {"theme": "bright-dark", "mouse": True},
    "defaults": {"base": "starter", "budget_usd": 3.0},
    "money": {"monthly_limit_usd": 50.0},
    "boxes": {"lab": {"host": "lab.test", "port": 22, "host_key": "ssh-rsa AAAA"}},
}
TEMPLATE = {
    "title": "Mine",
    "description": "d",
    "settings": {"training.epochs": 2, "lora.r": 8},
    "by_records": [{"up_to": 50, "training.epochs": 5}, {"training.epochs": 1}],
}
THEME = {
    "name": "mine",
    "title": "Mine",
    "dark": True,
    "colors": {"primary": "#ff00ff", "accent": "ansi_red"},
    "variables": {"muted": "#888888", "input-cursor-text-style": "reverse", "text": "auto 60%"},
}


@dataclass
class Workshop:
    """Where the broken files are put, and what is read from there."""

    paths: Paths
    random: Random

    def __post_init__(self) -> None:
        self.model = write_model(self.paths.data / "whole")
        self.report = seeding.report("x", "r", base=2.0, tuned=1.0, grade="good").model_dump(mode="json")
        self.data: DatasetReport = seeding.dataset_report("d", "/d.jsonl")

    def one_of(self, document: dict[str, Any]) -> bytes:
        """JSON text of the document, broken."""
        if self.random.random() < 0.4:
            return mutate_bytes(json.dumps(document).encode(), self.random)
        broken = mutate_value(json.loads(json.dumps(document)), self.random)
        try:
            return json.dumps(broken, ensure_ascii=self.random.random() < 0.5).encode("utf-8", "surrogatepass")
        except (ValueError, RecursionError):
            return mutate_bytes(json.dumps(document).encode(), self.random)

    def toml_of(self, document: dict[str, Any]) -> bytes:
        """TOML text of the document, broken."""
        if self.random.random() < 0.05:
            return b"x = " + b"[" * self.random.randrange(1, 20_000)
        if self.random.random() < 0.4:
            return mutate_bytes(tomli_w.dumps(document).encode(), self.random)
        try:  # the writer's work doubles with every level
            broken = mutate_value(tomllib.loads(tomli_w.dumps(document)), self.random, deepest=5)
            return tomli_w.dumps(broken).encode("utf-8", "surrogatepass")
        except (TypeError, ValueError, AttributeError, RecursionError):
            return mutate_bytes(tomli_w.dumps(document).encode(), self.random)

    def base(self, name: str, content: bytes) -> None:
        """A base model with one file replaced: described, counted and planned with."""
        directory = self.paths.data / "broken"
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(self.model, directory)
        (directory / name).write_bytes(content)
        try:
            info = describe_base(str(directory), self.paths, network=False)
            count_tokens(info, self.data)
            estimate(info, self.data, RunSettings(), hardware(self.paths.data))
        finally:
            starter = starter_directory(self.paths)
            shutil.rmtree(starter, ignore_errors=True)
            shutil.copytree(directory, starter)
            (starter / "starter.json").write_text("{}")
            list_bases(self.paths)
            try:
                describe_base("starter", self.paths)
            except BrightrunError as error:
                assert "bases fetch starter" in error.fix, error

    def config_json(self) -> None:
        self.base("config.json", self.one_of(json.loads((self.model / "config.json").read_text())))

    def tokenizer(self) -> None:
        name = self.random.choice(("tokenizer.json", "tokenizer_config.json"))
        self.base(name, self.one_of(json.loads((self.model / name).read_text())))

    def index(self) -> None:
        self.base(
            "model.safetensors.index.json", self.one_of({"weight_map": {"a": "model.safetensors"}, "metadata": {}})
        )

    def header(self) -> None:
        self.base("model.safetensors", self.weights(WEIGHTS))

    def weights(self, shapes: Mapping[str, tuple[int, ...]]) -> bytes:
        """A safetensors file, broken in its bytes, its header, or the length of its header."""
        whole = safetensors(shapes)
        (length,) = struct.unpack("<Q", whole[:8])
        match self.random.randrange(4):
            case 0:
                return mutate_bytes(whole[: 8 + length], self.random) + whole[8 + length :]
            case 1:
                wrong = self.random.choice((0, 1, length - 1, length + 1, 2**31, 2**63, 2**64 - 1, 100 << 20))
                return struct.pack("<Q", wrong) + whole[8:]
            case _:
                text = self.one_of(json.loads(whole[8 : 8 + length]))
                return struct.pack("<Q", len(text)) + text + whole[8 + length :]

    def bundle(self) -> None:
        """A bundle with one of its files broken, or its tar; its manifest agrees with what is in it."""
        shapes = {"base_model.model.layers.0.q_proj.lora_A.weight": (8, 16)}
        files = {
            "adapter_config.json": json.dumps({"peft_type": "LORA", "r": 8, "base_model_name_or_path": "x"}).encode(),
            "adapter_model.safetensors": safetensors(shapes),
            "report.json": json.dumps(self.report).encode(),
            "tokenizer_config.json": b'{"chat_template": "x"}',
            "chat_template.jinja": b"{{ messages }}",
            "generation_config.json": b"{}",
        }
        name = self.random.choice(list(files))
        files[name] = (
            self.weights(shapes)
            if name.endswith("tensors")
            else mutate_bytes(files[name], self.random)
            if name.endswith("jinja")
            else self.one_of(json.loads(files[name]))
        )
        manifest = {
            "format": 1,
            "model": "m",
            "version": 1,
            "run_id": "r",
            "base": "starter",
            "files": {
                name: {"sha256": sha256(content).hexdigest(), "bytes": len(content)} for name, content in files.items()
            },
        }
        files["manifest.json"] = json.dumps(manifest).encode() if self.random.random() < 0.7 else self.one_of(manifest)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for member, content in files.items():
                entry = tarfile.TarInfo(f"m-v1/{member}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        path = self.paths.data / "b.brightrun.tar"
        content = buffer.getvalue()
        path.write_bytes(mutate_bytes(content, self.random) if self.random.random() < 0.3 else content)
        asyncio.run(self._import(path))

    async def _import(self, path: Path) -> None:
        async with open_database(self.paths.database) as db:
            draw(await import_bundle(db, self.paths, path))

    def report_card(self) -> None:
        try:
            report = Report.model_validate_json(self.one_of(self.report))
        except ValidationError as error:
            raise ForeignFileError(f"is not a report: {error.error_count()}") from None
        draw(ModelVersion(name="x", version=1, run_id="r", directory="/x", base_id="b", report=report, created_at=1.0))

    def event(self) -> None:
        line = self.one_of(self.random.choice(EVENTS))
        try:
            Event.from_line(line)
        except ValueError as error:
            raise ForeignFileError(f"is not an event: {error}") from None

    def settings(self) -> None:
        self._put(self.paths.config / "config.toml", self.toml_of(CONFIG))
        for table, model in (("defaults", RunDefaults), ("money", MoneyLimits)):
            load_section(self.paths, table, model)
        configured_boxes(self.paths)

    def boxes(self) -> None:
        self._put(self.paths.config / "config.toml", b"")
        self._put(self.paths.config / "boxes.toml", self.toml_of(CONFIG["boxes"]))
        configured_boxes(self.paths)

    def template(self) -> None:
        self._put(self.paths.user_templates / "mine.toml", self.toml_of(TEMPLATE))
        _, problems = load_templates(self.paths)
        if problems:
            raise problems[0]

    def theme(self) -> None:
        """What is taken must be one that the app can wear."""
        self._put(self.paths.user_themes / "mine.toml", self.toml_of(THEME))
        self._put(self.paths.config / "app.toml", self.toml_of({"theme": "mine"}))
        self._put(self.paths.config / "config.toml", b"")
        read_config(self.paths, "app")
        themes = load_themes(self.paths)
        if themes.problems:
            raise ForeignFileError(themes.problems[0])
        app = App[None]()
        for theme in themes.found.values():
            if theme.name not in app.available_themes:
                app.register_theme(theme.as_textual())
                app.theme = theme.name
                app.stylesheet.set_variables(app.get_css_variables())
                app.stylesheet.parse()

    def _put(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def draw(version: ModelVersion) -> None:
    for width in (20, 90, 180):
        for page in (model_text.answers, model_text.training, model_text.origin):
            page(version, width)
        model_text.report_card(version, None, width)
        model_text.model_row(version, None, width, tall=True)


KINDS: dict[str, Callable[[Workshop], None]] = {
    "config.json": Workshop.config_json,
    "tokenizer": Workshop.tokenizer,
    "index": Workshop.index,
    "safetensors header": Workshop.header,
    "bundle": Workshop.bundle,
    "report card": Workshop.report_card,
    "event": Workshop.event,
    "config.toml": Workshop.settings,
    "boxes.toml": Workshop.boxes,
    "template": Workshop.template,
    "theme": Workshop.theme,
}


def odd_files(paths: Paths) -> Tally:
    """A pipe, a device, a directory, a loop, terabytes and nothing where a file should be."""
    tally = Tally("odd files")
    model = paths.data / "odd"
    places = [
        model / name
        for name in (
            "config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "model.safetensors",
            "model.safetensors.index.json",
        )
    ]
    places += [
        paths.config / "config.toml",
        paths.config / "boxes.toml",
        paths.user_themes / "odd.toml",
        paths.user_templates / "odd.toml",
        paths.config / "app.toml",
    ]
    for place in places:
        for kind in ("pipe", "device", "directory", "loop", "hole", "secret"):
            shutil.rmtree(model, ignore_errors=True)
            write_model(model)
            _put_odd(place, kind)
            tally.feed(
                f"{kind} as {place.name}",
                lambda: (
                    load_themes(paths),
                    read_config(paths, "app"),
                    load_templates(paths),
                    describe_base(str(model), paths, network=False),
                    configured_boxes(paths),
                ),
            )
            place.rmdir() if place.is_dir() else place.unlink()
    return tally


def _put_odd(place: Path, kind: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "device":
        place.symlink_to("/dev/zero")
    elif kind == "directory":
        place.mkdir()
    elif kind == "loop":
        place.symlink_to(place.name)
    else:
        place.write_text("{}")
        os.truncate(place, 1 << 40) if kind == "hole" else place.chmod(0)


def fuzz(count: int, seed: int, paths: Paths) -> list[Tally]:
    """``count`` files, spread over all kinds."""
    shop = Workshop(paths, Random(seed))
    tallies = {kind: Tally(kind) for kind in KINDS}
    for number in range(count):
        kind = list(KINDS)[number % len(KINDS)]
        tallies[kind].feed(f"seed {seed} number {number}", partial(KINDS[kind], shop))
    for kind in ("config.toml", "boxes.toml", "app.toml"):
        (paths.config / kind).unlink(missing_ok=True)
    return [*tallies.values(), odd_files(paths)]
