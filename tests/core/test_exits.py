"""Code that ends the process, with exit code 0 even, ends no command as if all were well."""

import ctypes
import os
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool

import pytest

from kdkit.exits import EndedError, refuse_exits
from kdkit.workers import map_in_processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the C library is found and called in Linux' way")

WAYS = {
    "os._exit": "os._exit(0)",
    "os.abort": "os.abort()",
    "another program": "os.execvp('true', ['true'])",
    "exit in C": "ctypes.CDLL(None).exit(0)",
    "exit in C, with Python's lock": "ctypes.PyDLL(None).exit(0)",
    "exit in C, in a thread": "t = threading.Thread(target=lambda: ctypes.CDLL(None).exit(0)); t.start(); t.join()",
}
PARTS = """
import ctypes, os, threading
import torch
from kdkit import Generator, Metric, Student, Teacher
from kdkit_toy.discs import Discs
from kdkit_toy.models import Brightness, Overlap, Pixelwise

def leave():
    WAY

class Leaving(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network
    def forward(self, inputs):
        leave()
        return self.network(inputs)

class BuildLeaves(Brightness):
    def build(self):
        leave()

class TeacherLeaves(Brightness):
    def build(self):
        return Leaving(super().build())

class StudentLeaves(Pixelwise):
    def build(self):
        return Leaving(super().build())

class GeneratorLeaves(Discs):
    def generate(self, indices):
        yield from super().generate(indices[:1])
        leave()

class MetricLeaves(Overlap):
    def measure(self, prediction, sample):
        leave()
"""
PLACES = {
    "teacher.name=teacher-leaves": ("exit in C", "teacher teacher-leaves"),
    "student.name=student-leaves": ("os._exit", "student student-leaves"),
    "generator.name=generator-leaves": ("exit in C", "generator generator-leaves"),
    "evaluation.metrics=[metric-leaves]": ("os._exit", "metric metric-leaves"),
}
HOOKS = "from kdkit import Entry, hookimpl\n" + "".join(
    f"""
@hookimpl
def kdkit_{kind}s():
    return [{", ".join(f"Entry('{name}', 'Ends the process', 'leaving_parts:{cls}')" for name, cls in entries)}]
"""
    for kind, entries in {
        "teacher": [("build-leaves", "BuildLeaves"), ("teacher-leaves", "TeacherLeaves")],
        "student": [("student-leaves", "StudentLeaves")],
        "generator": [("generator-leaves", "GeneratorLeaves")],
        "metric": [("metric-leaves", "MetricLeaves")],
    }.items()
)
SIZES = ("samples.train=2", "samples.validation=1", "samples.evaluation=1", "training.epochs=1", "controls=[]")


@pytest.fixture
def run_leaving(toy, fork_server, tmp_path, monkeypatch):
    """Run the toy domain with a setting, and a plugin whose parts end the process in some way."""
    site = tmp_path / "site"
    info = site / "kdkit_leaving-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kdkit-leaving\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[kdkit]\nleaving = leaving_hooks\n")
    (site / "leaving_hooks.py").write_text(HOOKS)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ["PYTHONPATH"]]))

    def run(way, *settings):
        (site / "leaving_parts.py").write_text(PARTS.replace("WAY", way))
        options = [part for setting in (*SIZES, *settings) for part in ("--set", setting)]
        return fork_server.run(tmp_path / "log", "run", "toy", *options, "--out", tmp_path / "run")

    return run


@pytest.mark.parametrize("way", WAYS)
def test_however_a_component_ends_the_process_the_command_fails_and_says_so(run_leaving, way):
    code, output = run_leaving(WAYS[way], "teacher.name=build-leaves")
    assert code == 1 and output.count("error: ") == 1 and "Traceback" not in output
    assert "ended the process" in output or "to end the process" in output
    if "thread" not in way:
        assert "error: the teacher build-leaves (kdkit-leaving 1)" in output and "leaving_parts.py, line 9" in output


@pytest.mark.parametrize("place", PLACES)
def test_wherever_a_component_ends_the_process_it_is_named(run_leaving, place):
    way, component = PLACES[place]
    code, output = run_leaving(WAYS[way], place)
    assert code == 1 and f"error: the {component} (kdkit-leaving 1)" in output and output.count("error: ") == 1


def test_what_ends_the_process_behind_the_c_library_is_told_by_the_next_command(run_leaving):
    code, output = run_leaving("ctypes.CDLL(None)._exit(0)", "teacher.name=teacher-leaves")
    assert code == 0 and "report" not in output  # nothing in the process can know of it
    code, output = run_leaving("pass", "teacher.name=teacher-leaves")
    assert code == 0 and "ended before its work was done, without a word" in output


@pytest.mark.parametrize("leave", [os._exit, ctypes.CDLL(None).exit])
def test_a_worker_that_ends_with_0_has_failed(leave):
    with pytest.raises((BrokenProcessPool, EndedError), match=r"exit code 0 before its work was done|os\._exit"):
        list(map_in_processes(_leave, [(leave.__name__,)], 1))


def _leave(name):
    getattr(os if name == "_exit" else ctypes.CDLL(None), name)(0)


def test_a_fork_ends_as_it_will():
    with refuse_exits():
        with pytest.raises(EndedError, match=r"os\._exit"):
            os._exit(0)
        child = os.fork()
        if child == 0:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert subprocess.run(["true"], check=True).returncode == 0


def test_a_command_that_ends_by_itself_ends_as_ever(toy, process):
    command = process("plugins", "info", "discs")
    output, errors = command.communicate(timeout=100)
    assert command.returncode == 0 and "Bright discs" in output and not errors
