"""What each test takes of a processor and by the clock. Those that take much are `slow`, and left to the whole suite.

``scripts/test --note-costs`` writes their names to slow_tests.txt; a test that is not in it is quick until then.
"""

from __future__ import annotations

import resource
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path

import pytest

from tests import preloaded

MUCH = 0.3
"""Seconds of a processor, with the processes that the test waited for; of several cases the dearest counts."""
LONG = 2.0
"""Seconds by the clock: many tests wait for what takes its time."""
NAMES = Path(__file__).parent / "slow_tests.txt"
_PROPERTY = "processor seconds"
_BEGAN = pytest.StashKey[float]()


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--note-costs") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Notes())


def mark_slow(items: list[pytest.Item]) -> None:
    """Mark what was found to be slow."""
    slow = set(NAMES.read_text(encoding="utf-8").split())
    for item in items:
        if _name(item.nodeid) in slow:
            item.add_marker("slow")


def _name(test: str) -> str:
    return test.partition("[")[0]


def _spent() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used) + preloaded.seconds_of_calls


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    item.stash[_BEGAN] = _spent()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "teardown":
        report.user_properties.append((_PROPERTY, _spent() - item.stash[_BEGAN]))
    return report


class _Notes:
    """Collects from all processes of the tests what they found."""

    def __init__(self) -> None:
        self._slow: set[str] = set()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration
        spent = dict(report.user_properties).get(_PROPERTY)
        if (isinstance(spent, float) and spent >= MUCH) or self._seconds[report.nodeid] >= LONG:
            self._slow.add(_name(report.nodeid))

    def pytest_sessionfinish(self) -> None:
        NAMES.write_text("".join(f"{name}\n" for name in sorted(self._slow)), encoding="utf-8")
