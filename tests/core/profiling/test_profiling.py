"""Where the time goes: works and operations are counted, the machine is watched, the page is whole."""

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from kdkit.api import finish_run
from kdkit.pages.profile import page, usage_charts
from kdkit.profiling.recorder import OPERATION_SECONDS, OPERATIONS, Profile, Recorder, Work
from kdkit.profiling.sampler import Usage
from kdkit.progress import Silence


class Heard(Silence):
    """Keeps what is passed on."""

    def __init__(self):
        self.heard = []

    def advance(self, steps=1, note=""):
        self.heard.append((steps, note))

    def say(self, stage, what, text):
        self.heard.append((stage, what, text))


def test_works_are_timed_and_everything_is_passed_on():
    listener = Heard()
    recorder = Recorder(listener)
    recorder.start()
    with recorder.work("label", "a teacher", 5, "samples") as bar:
        bar.advance(2, "half")
        time.sleep(0.05)
        bar.advance(3)
    recorder.say("check", "x", "fine")
    with pytest.raises(ValueError, match="broken"), recorder.work("distill", "a student", 1, "epochs"):
        raise ValueError("broken")
    profile = recorder.stop()
    assert listener.heard == [(2, "half"), (3, ""), ("check", "x", "fine")]
    label, distill = profile.works
    assert (label.stage, label.what, label.steps, label.unit) == ("label", "a teacher", 5, "samples")
    assert 0.05 <= label.seconds <= distill.start and distill.stop <= profile.seconds


def test_a_work_inside_another_is_part_of_it():
    recorder = Recorder(Silence())
    recorder.start()
    with recorder.work("a", "outer", 1, "steps") as outer, recorder.work("a", "inner", 1, "steps") as inner:
        inner.advance()
        outer.advance()
    profile = recorder.stop()
    assert [(work.what, work.steps) for work in profile.works] == [("outer", 1)]


def test_operations_are_those_that_torch_ran():
    recorder = Recorder(Silence())
    recorder.start()
    matrix = torch.rand(200, 200)
    with recorder.work("distill", "x", 3, "steps") as bar:
        for _ in range(3):
            matrix = torch.mm(matrix, matrix) / 200
            bar.advance()
    (work,) = recorder.stop().works
    calls = {operation.name: operation.calls for operation in work.operations}
    assert calls["aten::mm"] == 3 and calls["aten::div"] >= 3
    assert len(work.operations) <= OPERATIONS and 0 < work.observed < OPERATION_SECONDS
    seconds = [operation.seconds for operation in work.operations]
    assert seconds == sorted(seconds, reverse=True)


class Clock:
    """Stands still but for those who say how long they take."""

    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """The recorder's; torch's profiler takes 10 seconds for each thing it does, and records one operation."""
    clock = Clock()

    class SlowProfiler:
        def __init__(self, activities):
            clock.now += 10

        def start(self):
            clock.now += 10

        def stop(self):
            clock.now += 10

        def key_averages(self):
            clock.now += 10
            return [SimpleNamespace(key="aten::exp", self_cpu_time_total=1e6, count=2)]

    monkeypatch.setattr("kdkit.profiling.recorder.time", clock)
    monkeypatch.setattr("torch.profiler.profile", SlowProfiler)
    return clock


@pytest.mark.parametrize("steps", [0, 1, 3, 5], ids=lambda steps: f"{steps} steps")
def test_the_profilers_own_time_is_in_no_other(monkeypatch, clock, steps):
    monkeypatch.setattr("kdkit.profiling.recorder.OPERATION_STEPS", 3)
    recorder = Recorder(Silence())
    recorder.start()
    for _ in range(2):
        with recorder.work("label", "x", steps, "samples") as bar:
            for _ in range(steps):
                clock.now += 1
                bar.advance()
    profile = recorder.stop()
    assert (profile.profiler, profile.seconds) == (80, 2 * steps)
    assert [(work.start, work.stop) for work in profile.works] == [(0, steps), (steps, 2 * steps)]
    assert [(work.observed, work.observed_steps) for work in profile.works] == [(min(steps, 3), min(steps, 3))] * 2
    assert [[operation.calls for operation in work.operations] for work in profile.works] == [[2]] * 2
    times = [usage.time for usage in profile.usages]
    assert times == sorted(times) and times[-1] <= profile.seconds
    assert "80.0 s more, which torch's profiler took for itself" in page(profile, "x", "a machine")


def test_processor_time_of_the_profiler_is_not_the_works(monkeypatch, clock):
    def burn():
        clock.now += 10
        end = time.process_time() + 1
        while time.process_time() < end:
            pass

    monkeypatch.setattr("torch.profiler.profile.start", lambda self: burn())
    recorder = Recorder(Silence())
    recorder.start()
    with recorder.work("label", "x", 1, "samples"):
        clock.now += 1
    assert max(usage.cores for usage in recorder.stop().usages) < 0.9


def test_a_listener_hears_of_a_short_work_while_the_profiler_does_nothing(clock):
    class Timed(Silence):
        @contextmanager
        def work(self, *about):
            begin = clock.now
            yield self
            self.seconds = clock.now - begin

    listener = Timed()
    with Recorder(listener).work("label", "x", 1, "samples") as bar:
        clock.now += 1
        bar.advance()
    assert listener.seconds == 1


def test_a_work_that_fails_has_its_operations(clock):
    recorder = Recorder(Silence())
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"), recorder.work("label", "x", 1, "samples"):
            raise ValueError("broken")
    assert [[operation.calls for operation in work.operations] for work in recorder.works] == [[2]] * 2


RECORDED = """
import torch
from kdkit.profiling.recorder import Recorder
from kdkit.progress import Silence

recorder = Recorder(Silence())
recorder.start()
for _ in range(2):
    with recorder.work("distill", "x", 1, "steps") as bar:
        torch.ones(3).exp()
        bar.advance()
print(*(operation.name for work in recorder.stop().works for operation in work.operations))
"""


def test_torchs_profiler_writes_nothing_to_the_terminal(monkeypatch):
    """In a process of its own: the library reads how much it is to say when it is first used."""
    monkeypatch.delenv("KINETO_LOG_LEVEL", raising=False)
    done = subprocess.run([sys.executable, "-c", RECORDED], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and done.stdout.split().count("aten::exp") == 2
    assert done.stderr == ""


def test_operations_of_a_long_work_are_recorded_at_its_begin_only(monkeypatch):
    monkeypatch.setattr("kdkit.profiling.recorder.OPERATION_SECONDS", 0.0)
    recorder = Recorder(Silence())
    recorder.start()
    with recorder.work("distill", "x", 2, "steps") as bar:
        torch.ones(3).exp()
        bar.advance()
        torch.ones(3).sin()
        bar.advance()
    (work,) = recorder.stop().works
    names = {operation.name for operation in work.operations}
    assert "aten::exp" in names and "aten::sin" not in names


def test_of_a_training_some_steps_are_recorded_and_not_an_epoch(prepare, monkeypatch):
    monkeypatch.setattr("kdkit.profiling.recorder.OPERATION_STEPS", 3)
    settings = ("samples.train=24", "samples.validation=2", "samples.evaluation=2", "training.batch_size=2")
    result = finish_run(prepare(*settings, "training.epochs=1", "controls=[]"), profile=True)
    works = json.loads((result.folder / "profile.json").read_text())["works"]
    (training,) = [work for work in works if work["stage"] == "distill"]
    assert training["observed_steps"] == 3 and training["steps"] == 1
    (calls,) = {each["calls"] for each in training["operations"] if each["name"] == "aten::convolution_backward"}
    assert calls == 3
    assert "(3 steps)" in (result.folder / "profile.html").read_text()


def test_the_machine_is_watched(tmp_path):
    recorder = Recorder(Silence())
    recorder.start()
    hold = np.ones(30_000_000)
    (tmp_path / "file").write_bytes(hold[:1_000_000].tobytes())
    end = time.process_time() + 0.6
    while time.process_time() < end:
        pass
    usages = recorder.stop().usages
    assert [usage.time for usage in usages] == sorted(usage.time for usage in usages)
    assert max(usage.memory for usage in usages) > hold.nbytes
    assert usages[-1].written - usages[0].written >= 8_000_000 or usages[-1].written >= 8_000_000
    assert max(usage.cores for usage in usages) > 0


def test_a_run_leaves_its_profile_behind(prepare):
    run = prepare("samples.train=8", "samples.validation=2", "samples.evaluation=4")
    result = finish_run(run, profile=True)
    data = json.loads((result.folder / "profile.json").read_text())
    assert {work["stage"] for work in data["works"]} >= {"generate", "label", "distill"}
    assert data["machine"]["cores"] >= 1
    text = (result.folder / "profile.html").read_text()
    assert "Where the time went" in text and "distill" in text
    assert finish_run(run).stages == [], "a profile makes nothing stale"


def test_a_run_that_fails_leaves_one_too(prepare, monkeypatch):
    run = prepare("samples.train=8", "samples.validation=2", "samples.evaluation=4")
    monkeypatch.setattr("kdkit.stages.evaluate.execute", None)
    monkeypatch.setattr("kdkit.engine.training.make_trainer", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        finish_run(run, profile=True)
    assert (run.folder.path / "profile.html").is_file()


def test_the_page_escapes_names_and_needs_no_work():
    recorder = Recorder(Silence())
    recorder.start()
    with recorder.work("label", "<script>alert(1)</script>", 1, "samples"):
        time.sleep(0.01)
    assert "<script>" not in page(recorder.stop(), "<b>x</b>", "a machine")


def test_the_page_counts_one_epoch_and_names_the_stages_that_have_no_room():
    works = [
        Work("check", "a teacher", "samples", 0.0, 0.2, 1),
        Work("distill", "a student", "epochs", 0.2, 10.0, 1),
        Work("predict", "a student", "samples", 10.0, 20.0, 8),
    ]
    text = page(Profile(20.0, works, []), "x", "a machine")
    assert "1 epoch<" in text and "1 sample<" in text and "8 samples<" in text
    assert "no room for a name, in order: check (0.2 s)." in text
    assert "no room for a name" not in page(Profile(20.0, works[1:], []), "x", "a machine")


def test_each_curve_of_the_machine_says_its_units():
    usages = [Usage(second, 1.0, 2**30, 2**21 * second, 2**20 * second, 1) for second in range(9)]
    charts = usage_charts(usages)
    assert len(charts) == 3 and all(">seconds<" in chart for chart in charts)
    assert "since the start, MiB" in charts[2]


def test_a_page_without_any_work_is_whole():
    empty = Recorder(Silence())
    empty.start()
    profile = empty.stop()
    assert all(isinstance(usage, Usage) for usage in profile.usages)
    assert "Where the time went" in page(profile, "nothing", "a machine")
