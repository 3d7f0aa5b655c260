"""Where the time goes: works and operations are counted, the machine is watched, the page is whole."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from kdkit.api import finish_run
from kdkit.pages.profile import page
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


def test_a_page_without_any_work_is_whole():
    empty = Recorder(Silence())
    empty.start()
    profile = empty.stop()
    assert all(isinstance(usage, Usage) for usage in profile.usages)
    assert "Where the time went" in page(profile, "nothing", "a machine")
