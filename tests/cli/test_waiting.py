"""In a terminal a command that says nothing shows that it is alive; results and logs hold nothing of it."""

import contextlib
import io
import threading

import pytest
from kdkit_cli.waiting import QuietedConsole, Spinner

PATIENCE = 600  # seconds


class Screen(io.StringIO):
    """A terminal that can be waited for. ``result``: what it showed when the result had been printed."""

    def __init__(self):
        super().__init__()
        self.seen = threading.Event()
        self.result = ""

    def write(self, text):
        count = super().write(text)
        if "a result" in text:
            self.result = self.getvalue()
        if "working" in self.getvalue():
            self.seen.set()
        return count


@pytest.fixture
def screen():
    return Screen()


def spinner_on(screen, is_terminal=True):
    console = QuietedConsole(file=screen, force_terminal=is_terminal, width=80)
    console.spinner = Spinner(console, moment=0.01)
    return console


def is_spinning(console):
    return console.spinner._timer is not None or console.spinner._live is not None


def test_it_appears_in_silence_and_vanishes_before_a_line(screen):
    console = spinner_on(screen)
    with console.spinner.running(is_allowed=True):
        assert screen.seen.wait(PATIENCE)
        console.print("a result")
        assert screen.result.rstrip().endswith("a result")
        screen.seen.clear()
        assert screen.seen.wait(PATIENCE), "it comes again after the line"
    assert not is_spinning(console)


@pytest.mark.parametrize(("is_terminal", "is_allowed"), [(False, True), (True, False)])
def test_logs_and_quiet_commands_have_none(screen, is_terminal, is_allowed):
    console = spinner_on(screen, is_terminal)
    with console.spinner.running(is_allowed):
        assert not is_spinning(console)
        console.print("a result")
        assert not is_spinning(console)
    assert screen.getvalue() == "a result\n"


def test_a_line_above_a_bar_does_not_bring_it_back(screen):
    console = spinner_on(screen)
    with console.spinner.running(is_allowed=True):
        with console.spinner.hidden():
            console.print("a line above the bar")
            assert not is_spinning(console)
        assert is_spinning(console)


def test_it_is_seen_while_a_library_is_kept_from_printing(screen, monkeypatch):
    monkeypatch.setattr("sys.stderr", screen)
    console = QuietedConsole(stderr=True, force_terminal=True, width=80)
    console.spinner = Spinner(console, moment=0.01)
    with console.spinner.running(is_allowed=True), contextlib.redirect_stderr(io.StringIO()):
        assert screen.seen.wait(PATIENCE)


def test_it_ends_with_the_command_that_fails(screen):
    console = spinner_on(screen)
    with pytest.raises(KeyboardInterrupt), console.spinner.running(is_allowed=True):
        raise KeyboardInterrupt
    assert not is_spinning(console)
    console.print("stopped")
    assert not is_spinning(console)
