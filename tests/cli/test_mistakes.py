"""Typical mistakes of plugin authors, one at a time: each is told of once, in the author's terms."""

import re

import mistakes
import pytest

from kdkit.testing.processes import FreshProcesses

QUICK = [mistake for mistake in mistakes.MISTAKES if mistake.is_quick]
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

    def verify(name):
        return processes.call("verify_mistake", {"name": name, "folder": str(tmp_path / "project")})

    return verify


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
def test_without_a_mistake_nothing_is_said(verify):
    printed = verify("")
    assert "miniature run: generate" in printed and not re.search("broken|advice|error", printed), printed
