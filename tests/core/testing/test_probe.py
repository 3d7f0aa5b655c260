"""What a component does in the other process stays there, and how it fails is told."""

import os
import sys
import textwrap
import time
from pathlib import Path

import pytest

from kdkit.testing import processes
from kdkit.testing.probe import _PROCESSES, heavy_imports, look_at
from kdkit.testing.promise import BrokenPromiseError

GOOD = """
    from kdkit.contracts.component import Component

    class Part(Component):
        '''A part.'''

        kind = "generator"
"""


@pytest.fixture(params=[True, False], ids=["forks", "no forks"])
def fork(request, monkeypatch):
    _PROCESSES.close()
    monkeypatch.setattr(processes, "CAN_FORK", request.param and processes.CAN_FORK)
    yield request.param
    _PROCESSES.close()


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a module into a new folder of the import path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    written = []

    def write(name, code):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(code))
        written.append(name)
        return name

    yield write
    for name in written:
        sys.modules.pop(name, None)


def failure(module):
    with pytest.raises(BrokenPromiseError) as caught:
        heavy_imports(module)
    return caught.value.what


def test_an_import_there_changes_nothing_here_nor_for_the_next(fork, write, hollow_jax):
    write("first_part", "import jax, os, sys\nos.environ['FIRST'] = '1'\nsys.path.clear()\nprint('{}')")
    write("second_part", "import os\nassert 'FIRST' not in os.environ\nprint('[]')")
    assert heavy_imports("first_part") == ["jax"]
    assert heavy_imports("second_part") == []
    assert "first_part" not in sys.modules and "jax" not in sys.modules and "FIRST" not in os.environ


def test_it_is_a_process_of_its_own(fork, write):
    write("own_part", f"import os, sys\nassert os.getpid() != {os.getpid()}\nassert sys.stdin.read() == ''")
    if fork:
        assert heavy_imports("own_part") == []


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("raises", "raise ValueError('no such\\nthing')", "ValueError: no such thing"),
        ("exits", "import sys\nsys.exit(3)", "SystemExit: 3"),
        ("absent", "import nothing_of_that_name", "No module named 'nothing_of_that_name'"),
    ],
)
def test_how_an_import_fails_is_told(fork, write, name, code, told):
    assert told in failure(write(f"{name}_{fork}_part", code))
    assert heavy_imports(write(f"after_{name}_{fork}_part", "")) == []


def test_a_process_that_ends_itself_is_told(fork, write):
    message = failure(write(f"gone_{fork}_part", "import os\nos._exit(3)"))
    assert "ended with exit code 0" not in message
    assert ("exit code 3" if fork else "ended without a result") in message
    assert heavy_imports(write(f"after_gone_{fork}_part", "")) == []


def test_a_process_that_crashes_is_told_in_its_last_words(write):
    assert "the library gave up" in failure(
        write(
            "crashes_part",
            "import os, signal\nos.write(2, b'the library gave up\\n')\nos.kill(os.getpid(), signal.SIGSEGV)",
        )
    )
    assert "SIGSEGV" in failure(write("dies_part", "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)"))


def test_a_process_that_hangs_is_ended_with_what_it_started(write, monkeypatch, tmp_path):
    started = tmp_path / "child"
    code = f"""
        import pathlib, signal, subprocess, time
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        child = subprocess.Popen(["sleep", "3600"])
        pathlib.Path({str(started)!r}).write_text(str(child.pid))
        time.sleep(3600)
    """
    write("hangs_part", code)
    seconds = 1
    monkeypatch.setattr(processes, "SECONDS", seconds)
    told = failure("hangs_part")
    while not (started.is_file() and started.read_text()):  # the machine does so much else that it never began
        seconds *= 4
        monkeypatch.setattr(processes, "SECONDS", seconds)
        told = failure("hangs_part")
    assert f"more than {seconds} s" in told
    status = Path("/proc", started.read_text(), "stat")
    end = time.monotonic() + 600
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < end, "what it started lives on"
        time.sleep(0.02)
    monkeypatch.setattr(processes, "SECONDS", 600)
    assert heavy_imports(write("after_hangs_part", "")) == []


def test_a_server_that_was_killed_is_started_anew(write):
    heavy_imports(write("before_part", ""))
    _PROCESSES._server.kill()
    _PROCESSES._server.wait()
    assert heavy_imports(write("again_part", "")) == []


def test_the_working_folder_is_searched_where_the_import_path_names_it(fork, tmp_path, monkeypatch):
    here = tmp_path / f"here{fork}"
    here.mkdir()
    (here / f"local_{fork}_part.py").write_text("")
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.chdir(here)
    assert heavy_imports(f"local_{fork}_part") == []


def test_a_fingerprint_is_the_same_there(fork, write):
    part = __import__(write(f"good_{fork}_part", GOOD)).Part()
    assert look_at(part).fingerprint == part.fingerprint()
