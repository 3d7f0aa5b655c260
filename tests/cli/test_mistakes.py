"""Typical mistakes of plugin authors, one at a time: each is told of once, in the author's terms."""

import re
import sys

import mistakes
import pytest

QUICK = [mistake for mistake in mistakes.MISTAKES if mistake.is_quick]
SAID_BY_RUN = [mistake for mistake in mistakes.MISTAKES if mistake.said_by_run]
TELLING = [mistake for mistake in SAID_BY_RUN if mistake.name in mistakes.TELLING]
OTHERS = [mistake for mistake in mistakes.MISTAKES if mistake.said and not mistake.is_quick]


SIZES = ("samples.train=4", "samples.validation=2", "samples.evaluation=4", "training.epochs=1")


@pytest.fixture
def command(home, tmp_path, monkeypatch, fork_server):
    """What ``kdkit ARGUMENTS`` prints where modules in ``path`` are installed, and its exit code."""
    monkeypatch.setenv("COLUMNS", "1000")

    def run(*arguments, path=()):
        code, printed = fork_server.run(tmp_path / "log", *arguments, path=[*path, *sys.path])
        return f"{printed}\nexit code {code}"

    return run


@pytest.fixture
def verify(command, tmp_path):
    """What verify prints of the template with a mistake in it."""
    return lambda name: command("plugins", "verify", mistakes.make_project(tmp_path / "project", name))


@pytest.fixture
def run(command, tmp_path):
    """What a small run prints of the same project, found through an entry point as an installed one is."""

    def run_small(name):
        folder = mistakes.make_project(tmp_path / "project", name)
        information = folder / "kdkit_leaf-0.1.dist-info"
        information.mkdir()
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: kdkit-leaf\nVersion: 0.1\n")
        (information / "entry_points.txt").write_text("[kdkit]\nleaf = kdkit_leaf.plugin\n")
        settings = [word for size in SIZES for word in ("--set", size)]
        return command("run", "leaf", "--out", folder / "run", *settings, path=[str(folder)])

    return run_small


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
