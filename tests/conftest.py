"""What every test process needs."""

from __future__ import annotations

import gc
import os
import signal
from collections import Counter

import hypothesis
import pytest

from brightrun_tui.lighter_imports import hasten_imports
from brightrun_tui.process import WITHOUT_COMPILER
from tests import costs, made_once

# As in every process of ours that imports torch.
for _name, _value in WITHOUT_COMPILER.items():
    os.environ.setdefault(_name, _value)
hasten_imports()

# How long a busy machine takes says nothing about what is tested.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

# A shell starts what it puts into the background with Ctrl-C ignored, and a process hands that on to those it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


gc.disable()  # what is imported while tests are collected stays; see pytest_collection_finish


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--note-costs", action="store_true", help="write the names of the slow tests to slow_tests.txt")
    parser.addoption(
        "--draw-pictures", action="store_true", help="keep every screen as tests/tui/pictures is to have it"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first (those from end to end, then those with most slow tests), so that all processes end together."""
    costs.mark_slow(items)
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: ("e2e" not in item.path.parts, -slow[item.path]))


def pytest_collection_finish() -> None:
    """What is imported by now stays; looking for garbage in it again and again is a quarter of the work of a test of the app.

    Among what comes after it, Python looks each time that there are 700 objects more, which is another seventh.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)
    gc.enable()


_BEGUN = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_BEGUN] = made_once.begin()
    config.pluginmanager.register(costs)


def pytest_unconfigure(config: pytest.Config) -> None:
    if config.stash[_BEGUN]:
        made_once.finish()
