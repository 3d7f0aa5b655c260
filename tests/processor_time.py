"""Tells at the end of a whole suite what it took of a processor's time, and which tests took most of it.

Seconds by the clock depend on what else the machine does, these hardly do. Nothing fails: a test that is named here
is to become cheaper, or ``slow`` by its marker.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

MUCH = 2.0
WHOLE_SUITE = 1000  # tests; fewer are one engineer's narrow look
_BEGIN = pytest.StashKey[float]()


def _now() -> float:
    """Of this process and of those that it has seen end."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    item.stash[_BEGIN] = _now()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    if call.when == "teardown":
        report.user_properties.append(("processor_seconds", _now() - item.stash[_BEGIN]))
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    spent = {
        report.nodeid: seconds
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, seconds in getattr(report, "user_properties", ())
        if name == "processor_seconds"
    }
    if len(spent) < WHOLE_SUITE:
        return
    terminalreporter.section("processor time")
    terminalreporter.write_line(f"{sum(spent.values()):.0f} s in all; the first that imports a library pays for it")
    for name, seconds in sorted(spent.items(), key=lambda one: -one[1]):
        if seconds > MUCH:
            terminalreporter.write_line(f"{seconds:5.1f} s  {name}")
