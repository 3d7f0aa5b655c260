"""Typical mistakes of plugin authors, one at a time: each is told of once, in the author's terms."""

import re
from functools import partial

import mistakes
import pytest

from kdkit.testing.processes import FreshProcesses

QUICK = [mistake for mistake in mistakes.MISTAKES if mistake.is_quick]
SAID_BY_RUN = [mistake for mistake in mistakes.MISTAKES if mistake.said_by_run]
OTHERS = [mistake for mistake in mistakes.MISTAKES if not mistake.is_quick]


@pytest.fixture(scope="module")
def processes():
    processes = FreshProcesses("mistakes")
    yield processes
    processes.close()


@pytest.fixture
def verify(home, tmp_path, monkeypatch, processes):
    """What verify prints of the template with a mistake in it."""
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    return partial(call, processes, tmp_path, "verify_mistake")


@pytest.fixture
def run(home, tmp_path, monkeypatch, processes):
    """What a small run prints of the template with a mistake in it."""
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return partial(call, processes, tmp_path, "run_mistake")


def call(processes, folder, function, name):
    return processes.call(function, {"name": name, "folder": str(folder / "project")})


def check(printed, mistake):
    for expected in mistake.said:
        assert re.search(expected, printed), printed
    broken = len(re.findall(r"^    broken: ", printed, re.MULTILINE))
    assert broken == (0 if mistake.is_quick else mistake.broken), printed
    assert ("error: " in printed) == (mistake.broken > 0), printed
    assert "Traceback" not in printed and "uninstall" not in printed, printed


@pytest.mark.parametrize("mistake", QUICK, ids=lambda mistake: mistake.name)
def test_a_mistake_in_the_hooks_is_told(verify, mistake):
    check(verify(mistake.name), mistake)


@pytest.mark.slow
@pytest.mark.parametrize("mistake", OTHERS, ids=lambda mistake: mistake.name)
def test_a_mistake_is_told_once(verify, mistake):
    check(verify(mistake.name), mistake)


@pytest.mark.slow
@pytest.mark.parametrize("mistake", SAID_BY_RUN, ids=lambda mistake: mistake.name)
def test_a_run_ends_with_one_message(run, mistake):
    printed = run(mistake.name)
    for expected in mistake.said_by_run:
        assert re.search(expected, printed), printed
    assert printed.count("error: ") == 1 and printed.endswith("exit code 1"), printed
    assert "Traceback" not in printed and "should not happen" not in printed, printed


@pytest.mark.slow
def test_without_a_mistake_nothing_is_said(verify):
    printed = verify("")
    assert "miniature run: generate" in printed and not re.search("broken|advice|error", printed), printed
