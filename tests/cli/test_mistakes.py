"""Typical mistakes of plugin authors, one at a time: each is told of once, in the author's terms."""

import re
from functools import partial

import mistakes
import pytest

from kdkit.testing.processes import FreshProcesses

QUICK = [mistake for mistake in mistakes.MISTAKES if mistake.is_quick]
SAID_BY_RUN = [mistake for mistake in mistakes.MISTAKES if mistake.said_by_run]
TELLING = [mistake for mistake in SAID_BY_RUN if mistake.name in mistakes.TELLING]
OTHERS = [mistake for mistake in mistakes.MISTAKES if mistake.said and not mistake.is_quick]


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


def check_run(printed, mistake):
    for expected in mistake.said_by_run:
        assert re.search(expected, printed), printed
    if mistake.doubted:
        assert "error: " not in printed and printed.endswith("exit code 0"), printed
    else:
        assert printed.count("error: ") == 1 and re.search("exit code [12]$", printed), printed
    # The author's terms: no accident, no place in kdkit's or a library's own code, nobody else's plugin.
    assert not re.search(
        r"Traceback|should not happen|uninstall|site-packages|/kdkit/\w+/|kdkit_echocardio", printed
    ), printed


@pytest.mark.parametrize("mistake", TELLING, ids=lambda mistake: mistake.name)
def test_a_run_ends_with_a_telling_message(run, mistake):
    check_run(run(mistake.name), mistake)


@pytest.mark.slow
@pytest.mark.parametrize(
    "mistake", [mistake for mistake in SAID_BY_RUN if mistake not in TELLING], ids=lambda mistake: mistake.name
)
def test_a_run_ends_with_one_message(run, mistake):
    check_run(run(mistake.name), mistake)


@pytest.mark.slow
def test_without_a_mistake_nothing_is_said(verify):
    printed = verify("")
    assert "miniature run: generate" in printed and not re.search("broken|advice|error", printed), printed
